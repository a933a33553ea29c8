//! What went wrong, without what the server said of it.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;

/// The reason, in words that name no address.
pub(super) fn text(error: &Error) -> String {
    if let Some(code) = error.status() {
        let again = if error.is_transient() { "for now" } else { "for good" };
        return format!("the mail server refused {again} ({code})");
    }
    if error.is_response() {
        return "the mail server's answer makes no sense".to_owned();
    }
    if error.is_client() {
        return "the mail server can't do what is needed: STARTTLS, a way to sign in, or the address's characters"
            .to_owned();
    }
    let mut cause = error.source();
    while let Some(because) = cause {
        if let Some(io) = because.downcast_ref::<io::Error>() {
            return format!("the mail server can't be reached: {io}");
        }
        cause = because.source();
    }
    "the mail server can't be reached".to_owned()
}
