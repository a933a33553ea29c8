//! Installing the stand-in, once for each pinned version and Python.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdout, Command};

use super::{Installed, python};

/// The package and everything it needs, each with the hashes of its files.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// What pip says when the index doesn't answer, or answers with nothing at all.
const NO_NETWORK: [&str; 4] = ["Retrying (", "NewConnectionError", "ConnectTimeout", "(from versions: none)"];

/// The stand-in in `cache`, installed there if it isn't yet; `beginning` is told
/// where, before that takes its time.
///
/// # Errors
/// One line that says what is missing: a Python, the network, room on the disk.
pub async fn install(cache: &Path, beginning: impl FnOnce(&Path)) -> anyhow::Result<Installed> {
    let python = python::find().await?;
    let pinned = hex::encode(Sha256::digest(REQUIREMENTS));
    let packages = cache.join(format!("ministack-{}-{}", python.tag, pinned.get(..12).unwrap_or(&pinned)));
    let installed = Installed { python: python.executable, packages: packages.clone() };
    if packages.is_dir() {
        return Ok(installed);
    }
    beginning(&packages);
    std::fs::create_dir_all(cache).with_context(|| format!("can't make the cache directory `{}`", cache.display()))?;
    // Whole or not at all: an install that is cut short leaves nothing to be mistaken for one.
    let fresh = tempfile::tempdir_in(cache).context("can't make a directory in the cache")?;
    pip(&installed, fresh.path()).await?;
    let fresh = fresh.keep();
    if let Err(error) = std::fs::rename(&fresh, &packages) {
        // Somebody else was faster: theirs is as good.
        drop(std::fs::remove_dir_all(&fresh));
        if !packages.is_dir() {
            return Err(error).context("can't put the AWS stand-in into the cache");
        }
    }
    Ok(installed)
}

async fn pip(installed: &Installed, target: &Path) -> anyhow::Result<()> {
    let requirements = target.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).context("can't write the stand-in's requirements")?;
    let mut child = Command::new(&installed.python)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-warn-script-location"])
        .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--retries", "2"])
        .args(["--timeout", "15", "--requirement"])
        .arg(&requirements)
        .arg("--target")
        .arg(target)
        // Somebody's defaults that don't go with `--target`, and a pipe that is read as it is written.
        .envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0"), ("PYTHONUNBUFFERED", "1")])
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("can't start pip")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, complaints, ()) = tokio::join!(child.wait(), text_of(stderr), show_progress(stdout));
    if status.context("can't wait for pip")?.success() {
        return Ok(());
    }
    let last = complaints.lines().rev().find(|line| line.starts_with("ERROR")).unwrap_or("pip failed");
    let last = halligan_core::text::printable(last.trim_start_matches("ERROR: "), 200);
    if NO_NETWORK.iter().any(|sign| complaints.contains(sign)) {
        bail!(
            "the AWS stand-in is installed from the Python package index on first use, and that can't be reached ({last}): \
             go online, or let pip know your mirror"
        );
    }
    bail!("the AWS stand-in could not be installed: {last}")
}

async fn text_of(stderr: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        // What came before an error is as good as all of it.
        drop(stderr.read_to_end(&mut text).await);
    }
    String::from_utf8_lossy(&text).into_owned()
}

async fn show_progress(stdout: Option<ChildStdout>) {
    let Some(stdout) = stdout else { return };
    let packages = REQUIREMENTS.lines().filter(|line| line.contains("==")).count();
    let bar = ProgressBar::new(packages as u64);
    let style = ProgressStyle::with_template("  {bar:24} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(rest) = line.strip_prefix("Collecting ") {
            bar.set_message(rest.split(['=', ' ']).next().unwrap_or_default().to_owned());
            bar.inc(1);
        } else if line.starts_with("Ignoring ") {
            // For another Python.
            bar.inc(1);
        } else if line.starts_with("Installing collected packages") {
            bar.set_message("unpacking");
        }
    }
    bar.finish_and_clear();
}
