//! The first sign-in of a profile. Nothing but its person can tell whether the broker is
//! theirs: whoever runs it chose the provider that it names, and is shown the token.

use std::path::Path;

use crate::client::failure::Failure;
use crate::client::profile::{Profile, SignInProfile};
use crate::client::words::inline;

/// What a new profile would be tied to from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    name: String,
    to: SignInProfile,
    /// Other profiles, by name and broker, whose token is one for the same client.
    same: Vec<(String, String)>,
}

impl First {
    /// Of a profile that isn't there yet.
    #[must_use]
    pub fn new(name: &str, to: &SignInProfile, home: Option<&Path>) -> Self {
        let same = Profile::all(home).into_iter().filter_map(|(name, profile)| match profile {
            Profile::SignIn(known) if known.issuer == to.issuer && known.client_id == to.client_id => {
                Some((name, known.url))
            }
            Profile::SignIn(_) | Profile::Key(_) => None,
        });
        Self { name: name.to_owned(), to: to.clone(), same: same.collect() }
    }

    /// What a person is asked.
    #[must_use]
    pub fn question(&self) -> String {
        format!("{}\nAre both the ones that you expect?", self.told())
    }

    /// What they are told.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { name, to, same } = self;
        let SignInProfile { url, provider: _, issuer, client_id } = to;
        let [url, issuer, client_id] = [url, issuer, client_id].map(|text| inline(text));
        let mut text = format!(
            "`{name}` is a new profile, from now on for this broker and the identity provider that it names:\n\n  \
             broker    {url}\n  provider  {issuer}\n  client    {client_id}\n\n\
             Whoever runs the broker is shown your token.\n"
        );
        for (other, broker) in same {
            text.push_str(&format!(
                "Your profile `{other}` signs in with the same: this broker could show your token to {}, as you.\n",
                inline(broker)
            ));
        }
        text
    }

    /// Why nobody is signed in without having been asked.
    #[must_use]
    pub fn unasked(&self) -> Failure {
        Failure::Unconfirmed(format!(
            "there is no terminal to ask on whether to sign in there: if it is right, add --yes\n\n{}",
            self.told().trim_end()
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn profile(url: &str, client_id: &str) -> SignInProfile {
        SignInProfile {
            url: url.into(),
            provider: "okta".into(),
            issuer: "https://id.example.com".into(),
            client_id: client_id.into(),
        }
    }

    #[test]
    fn what_a_person_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let home = Some(directory.path());
        profile("https://halligan.example.com/", "cli").save(home, "work").unwrap();
        profile("https://other.example.com/", "cli-2").save(home, "other").unwrap();
        std::fs::write(directory.path().join("profiles/spoilt.toml"), "x").unwrap();
        let [known, strange] = ["cli", "cli\u{202e}"]
            .map(|client| First::new("alice", &profile("https://evil.example.com/", client), home));
        insta::assert_snapshot!([known.question(), strange.unasked().chain()].join("\n---\n"), @r"
        `alice` is a new profile, from now on for this broker and the identity provider that it names:

          broker    https://evil.example.com/
          provider  https://id.example.com
          client    cli

        Whoever runs the broker is shown your token.
        Your profile `work` signs in with the same: this broker could show your token to https://halligan.example.com/, as you.

        Are both the ones that you expect?
        ---
        there is no terminal to ask on whether to sign in there: if it is right, add --yes

        `alice` is a new profile, from now on for this broker and the identity provider that it names:

          broker    https://evil.example.com/
          provider  https://id.example.com
          client    cli\u{202e}

        Whoever runs the broker is shown your token.
        ");
    }
}
