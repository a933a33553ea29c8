//! A question before something that can't be taken back.

use std::io::{self, IsTerminal as _, Write as _};

use crate::client::failure::Failure;

/// Asks on the terminal. `yes` answers beforehand.
///
/// # Errors
/// When the answer is no, and when there is nobody to ask.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !has_terminal() {
        return Err(Failure::Unconfirmed(
            "this wants a confirmation and there is no terminal to ask on: pass --yes".into(),
        ));
    }
    let mut shown = io::stderr().lock();
    write!(shown, "{question} [y/N] ").and_then(|()| shown.flush()).map_err(Failure::local("ask on the terminal"))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::local("read the answer"))?;
    if is_yes(&answer) { Ok(()) } else { Err(Failure::Unconfirmed("not confirmed: nothing was sent".into())) }
}

/// Whether somebody is there to be asked.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for answer in ["y\n", "Yes\n", " YES "] {
            assert!(is_yes(answer), "{answer}");
        }
        for answer in ["", "\n", "n", "yep", "y es", "yy"] {
            assert!(!is_yes(answer), "{answer}");
        }
    }
}
