//! With whom to sign in: what the broker names, what was asked for, what is known already.

use halligan_server::views::SignInView;

use super::SignInError;
use crate::client::profile::SignInProfile;
use crate::client::words::inline;

/// Of what the broker names, the provider that was asked for, or that the profile knows,
/// or that there is one of.
///
/// # Errors
/// [`SignInError::Choice`], with the names there are.
pub fn choose<'a>(
    named: &'a [SignInView],
    wanted: Option<&str>,
    known: Option<&SignInProfile>,
) -> Result<&'a SignInView, SignInError> {
    let names = || named.iter().map(|provider| format!("`{}`", inline(&provider.name))).collect::<Vec<_>>().join(", ");
    let same = |provider: &&SignInView| {
        known.is_some_and(|known| known.issuer == provider.issuer && known.client_id == provider.client_id)
    };
    let called = |name: &str| named.iter().find(|provider| provider.name == name);
    if let Some(wanted) = wanted {
        return called(wanted).ok_or_else(|| {
            let there = if named.is_empty() { "it names none".to_owned() } else { format!("expected {}", names()) };
            SignInError::Choice(format!("the broker names no identity provider `{}`: {there}", inline(wanted)))
        });
    }
    if let Some(known) = known {
        // Called otherwise now, but the same; or called the same: whether it is, is asked next.
        let found = named.iter().find(same).or_else(|| called(&known.provider));
        // Named no more, and one other is: that one is shown beside the one that is known.
        return found.or_else(|| named.first()).ok_or_else(nobody);
    }
    match named {
        [] => Err(nobody()),
        [one] => Ok(one),
        _ => Err(SignInError::Choice(format!(
            "the broker names several identity providers: add --provider and one of {}",
            names()
        ))),
    }
}

fn nobody() -> SignInError {
    SignInError::Choice(
        "the broker names no identity provider that command lines can sign in with: its callers have keys or tokens \
         (see `halligan token`), or `issuers.sign_in.command_line_client_id` is missing in its configuration"
            .to_owned(),
    )
}

/// The profile that signs in there. The first sign-in believes the broker; from then on it
/// is the same issuer and the same client, or nothing.
///
/// # Errors
/// [`SignInError::Moved`]
pub fn pinned(
    name: &str,
    file: &str,
    url: &str,
    named: &SignInView,
    known: Option<&SignInProfile>,
) -> Result<SignInProfile, SignInError> {
    let profile = SignInProfile {
        url: url.to_owned(),
        provider: named.name.clone(),
        issuer: named.issuer.clone(),
        client_id: named.client_id.clone(),
    };
    match known {
        Some(known) if known.issuer != profile.issuer || known.client_id != profile.client_id => {
            Err(SignInError::Moved {
                profile: name.to_owned(),
                file: file.to_owned(),
                known_issuer: known.issuer.clone(),
                known_client: known.client_id.clone(),
                issuer: inline(&profile.issuer),
                client: inline(&profile.client_id),
            })
        }
        Some(_) | None => Ok(profile),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn view(name: &str, issuer: &str, client_id: &str) -> SignInView {
        SignInView {
            name: name.into(),
            issuer: issuer.into(),
            client_id: client_id.into(),
            scopes: vec!["openid".into()],
            audience: None,
        }
    }

    fn known(provider: &str, issuer: &str, client_id: &str) -> SignInProfile {
        SignInProfile {
            url: "https://halligan.example.com/".into(),
            provider: provider.into(),
            issuer: issuer.into(),
            client_id: client_id.into(),
        }
    }

    const OKTA: &str = "https://okta.example.com";
    const OTHER: &str = "https://other.example.com";

    #[test]
    fn who_is_chosen() {
        let (okta, other) = (view("okta", OKTA, "cli"), view("other", OTHER, "cli2"));
        let both = [okta.clone(), other.clone()];
        let one = [okta.clone()];
        let okta_known = known("okta", OKTA, "cli");
        let renamed = known("sso", OKTA, "cli");
        for (title, named, wanted, known, expected) in [
            ("the one there is", &one[..], None, None, &okta),
            ("the one that is asked for", &both, Some("other"), None, &other),
            ("the one that is known", &both, None, Some(&okta_known), &okta),
            ("the one that is called otherwise now", &both, None, Some(&renamed), &okta),
            ("another than the known one, to be refused next", &both[1..], None, Some(&okta_known), &other),
        ] {
            assert_eq!(choose(named, wanted, known).unwrap(), expected, "{title}");
        }
        let refused = [
            choose(&both, None, None),
            choose(&both, Some("x\u{1b}"), None),
            choose(&[], Some("okta"), None),
            choose(&[], None, None),
        ];
        let refused: Vec<String> = refused.into_iter().map(|choice| choice.unwrap_err().to_string()).collect();
        insta::assert_snapshot!(refused.join("\n"), @r"
        the broker names several identity providers: add --provider and one of `okta`, `other`
        the broker names no identity provider `x\u{1b}`: expected `okta`, `other`
        the broker names no identity provider `okta`: it names none
        the broker names no identity provider that command lines can sign in with: its callers have keys or tokens (see `halligan token`), or `issuers.sign_in.command_line_client_id` is missing in its configuration
        ");
    }

    #[test]
    fn a_broker_can_name_no_other_provider_after_the_first_time() {
        let profile = known("okta", OKTA, "cli");
        let pin = |named: &SignInView, known| pinned("alice", "/home/alice/alice.toml", &profile.url, named, known);
        assert_eq!(pin(&view("okta", OKTA, "cli"), None).unwrap(), profile);
        assert_eq!(pin(&view("sso", OKTA, "cli"), Some(&profile)).unwrap().provider, "sso");
        for (issuer, client) in [(OTHER, "cli"), (OKTA, "cli2"), ("https://okta.example.com/", "cli")] {
            let error = pin(&view("okta", issuer, client), Some(&profile)).unwrap_err();
            assert!(matches!(error, SignInError::Moved { .. }), "{error}");
        }
        let evil = pin(&view("okta", "https://okta.example.com\u{202e}", "cli"), Some(&profile)).unwrap_err();
        insta::assert_snapshot!(evil, @r"
        the broker now names another identity provider than the one that the profile `alice` was made with, so nothing was sent:
          known:  issuer `https://okta.example.com`, client `cli`
          named:  issuer `https://okta.example.com\u{202e}`, client `cli`
        Ask the operators, by another way than this broker. If it is so, remove `/home/alice/alice.toml` and sign in again
        ");
    }
}
