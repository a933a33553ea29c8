//! The person's browser, where there is one.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

#[cfg(target_os = "macos")]
const OPENER: &str = "open";
#[cfg(not(target_os = "macos"))]
const OPENER: &str = "xdg-open";

/// Opens a page, and says whether anything was started for it. The address is in the
/// process list then: it holds nothing that lets anybody in.
#[must_use]
pub fn open(url: &str) -> bool {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C here is not meant for the browser.
    command.process_group(0);
    command.spawn().is_ok()
}
