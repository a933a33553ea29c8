//! Installing the stand-in, once for each pinned version and Python.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::{Installed, python};

/// The package and everything it needs, each with the hashes of its files.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The stand-in in `cache`, installed there if it isn't yet.
///
/// # Errors
/// One line that says what is missing: a Python, the network, room on the disk.
pub async fn install(cache: &Path) -> anyhow::Result<Installed> {
    let python = python::find().await?;
    let pinned = hex::encode(Sha256::digest(REQUIREMENTS));
    let packages = cache.join(format!("ministack-{}-{}", python.tag, pinned.get(..12).unwrap_or(&pinned)));
    let installed = Installed { python: python.executable, packages: packages.clone() };
    if packages.is_dir() {
        return Ok(installed);
    }
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
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("can't start pip")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let complaints = tokio::spawn(async move {
        let mut text = String::new();
        if let Some(mut stderr) = stderr {
            drop(tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut text).await);
        }
        text
    });
    let bar = progress_bar();
    if let Some(stdout) = stdout {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(rest) = line.strip_prefix("Collecting ") {
                let name = rest.split(['=', ' ']).next().unwrap_or_default().to_owned();
                bar.set_message(name);
                bar.inc(1);
            }
        }
    }
    let status = child.wait().await.context("can't wait for pip")?;
    bar.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    let complaints = complaints.await.unwrap_or_default();
    let last = complaints.lines().rev().find(|line| line.starts_with("ERROR")).unwrap_or("pip failed").to_owned();
    if complaints.contains("connection")
        || complaints.contains("Retrying")
        || complaints.contains("No matching distribution")
    {
        bail!(
            "the demo's AWS stand-in is installed from the Python package index on first use, which can't be reached: {last}"
        );
    }
    bail!("the demo's AWS stand-in could not be installed: {last}")
}

fn progress_bar() -> ProgressBar {
    let packages = REQUIREMENTS.lines().filter(|line| line.contains("==")).count();
    let bar = ProgressBar::new(packages as u64);
    let style = ProgressStyle::with_template("installing the AWS stand-in {bar:30} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
