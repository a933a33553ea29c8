//! Values of the command line.

use jiff::SignedDuration;

/// A length of time: `30m`, `1h30m`, `90s`. Whole seconds, at least one.
///
/// # Errors
/// What was expected.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "expected a length of time such as 30m, 1h30m or 90s".to_owned();
    let length: SignedDuration = text.parse().map_err(|_| wrong())?;
    if length < SignedDuration::from_secs(1) || length.subsec_nanos() != 0 {
        return Err(format!("{}, of whole seconds and at least one", wrong()));
    }
    Ok(length)
}

/// `[PROVIDER:]ID`. A provider's name is lower case, so what stands before a
/// colon and couldn't be one belongs to the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentArg {
    /// The tool, if it is said.
    pub provider: Option<String>,
    /// The incident's id there.
    pub id: String,
}

/// Parses an incident's name.
///
/// # Errors
/// What was expected.
pub fn incident(text: &str) -> Result<IncidentArg, String> {
    let named = text.split_once(':').filter(|(provider, _)| provider.parse::<halligan_core::id::ProviderId>().is_ok());
    let (provider, id) = named.map_or((None, text), |(provider, id)| (Some(provider.to_owned()), id));
    if id.is_empty() {
        return Err("expected [PROVIDER:]ID, such as INC-219 or pagerduty:Q1A2".into());
    }
    Ok(IncidentArg { provider, id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("30m", 1800), ("1h30m", 5400), ("1h 30m", 5400), ("90s", 90), ("PT5M", 300)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "30", "0s", "-5m", "5m ago", "500ms", "1.5s", "soon", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn incidents_with_and_without_their_tool() {
        for (text, provider, id) in [
            ("INC-219", None, "INC-219"),
            ("pagerduty:Q1A2", Some("pagerduty"), "Q1A2"),
            ("jira:OPS:7", Some("jira"), "OPS:7"),
            ("OPS:7", None, "OPS:7"),
            (":7", None, ":7"),
        ] {
            assert_eq!(
                incident(text).unwrap(),
                IncidentArg { provider: provider.map(str::to_owned), id: id.into() },
                "{text}"
            );
        }
        assert!(incident("").is_err() && incident("pagerduty:").is_err());
    }
}
