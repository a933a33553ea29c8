//! A Python that can install and run the stand-in.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::bail;
use tokio::process::Command;

/// Newest first; ministack needs 3.10.
const CANDIDATES: [&str; 5] = ["python3.13", "python3.12", "python3.11", "python3.10", "python3"];

/// Prints the interpreter's path and its ABI, or says by its exit code what is
/// missing. `venv` and `ensurepip` are not asked for: Debian leaves both out.
const QUESTION: &str = "
import sys
if sys.version_info < (3, 10): sys.exit(3)
try: import pip
except ImportError: sys.exit(4)
print(sys.executable)
print(sys.implementation.cache_tag)
";
const NO_PIP: i32 = 4;

/// A usable Python.
#[derive(Debug, Clone)]
pub struct Python {
    /// The interpreter.
    pub executable: PathBuf,
    /// Its version, as in `cpython-313`: installed packages fit this alone.
    pub tag: String,
}

/// Finds the newest usable Python.
///
/// # Errors
/// One line that says what is missing and how to get it.
pub async fn find() -> anyhow::Result<Python> {
    let mut without_pip = None;
    for candidate in CANDIDATES {
        let asked =
            Command::new(candidate).args(["-c", QUESTION]).stdin(Stdio::null()).stderr(Stdio::null()).output().await;
        let Ok(answer) = asked else { continue };
        let text = String::from_utf8_lossy(&answer.stdout);
        if let (true, Some((executable, tag))) = (answer.status.success(), text.trim().split_once('\n')) {
            return Ok(Python { executable: executable.into(), tag: tag.to_owned() });
        }
        if answer.status.code() == Some(NO_PIP) {
            without_pip.get_or_insert(candidate);
        }
    }
    match without_pip {
        Some(python) => bail!(
            "the AWS stand-in is installed with pip, and {python} has none: install it (on Debian: apt-get install python3-pip)"
        ),
        None => bail!(
            "the AWS stand-in needs Python 3.10 or newer with pip, and none was found: install it (on Debian: apt-get install python3 python3-pip)"
        ),
    }
}
