//! The policies, asked by the command line and not by the broker: what it refused, and
//! whether their tests pass.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::scene::{Refusal, Scene};
use crate::demo::files::POLICIES;
use crate::demo::world::{OPEN_INCIDENT, ROLE};

/// Whom the policies, and nothing else, refuse in this story.
const REFUSED: &str = "carol";

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct Policies {
    /// The tests beside the policies, and how many passed.
    pub tests: usize,
    pub passed: usize,
    /// Which rules the broker named when it refused, and what would satisfy them.
    pub refused: Told,
    /// What `halligan policy explain` says of the same.
    pub explained: Told,
}

/// Why somebody may not.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub rules: Vec<String>,
    pub unmet: Vec<String>,
}

impl Policies {
    pub fn held(&self) -> bool {
        self.tests > 0 && self.passed == self.tests && self.agree()
    }

    /// Whether both say the same, and something.
    pub fn agree(&self) -> bool {
        !self.refused.rules.is_empty() && !self.refused.unmet.is_empty() && self.refused == self.explained
    }
}

pub async fn play(scene: &Scene<'_>) -> anyhow::Result<Policies> {
    let by_policy = |refusal: &&Refusal| refusal.answered == "not-permitted" && refusal.login.ends_with(REFUSED);
    let refused = scene.refusals().iter().find(by_policy).map(|refusal| refusal.by_policy.clone()).unwrap_or_default();
    let mut seen = Policies { refused, ..Policies::default() };

    let configuration = scene.world.configuration_file().display().to_string();
    let explain = ["explain", "--config", &configuration, "--as", REFUSED, "--action", "request", "--target", ROLE];
    let explained = asked(scene, &[&explain[..], &["--incident", OPEN_INCIDENT]].concat()).await?;
    let texts = |pointer| -> Vec<String> {
        let texts = explained.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    seen.explained = Told { rules: texts("/explanation/decision/rules"), unmet: texts("/explanation/decision/unmet") };
    let what = "halligan policy explain, on the one not on call";
    scene.narrator.seen(seen.agree(), what, if seen.agree() { "the same reason" } else { "ANOTHER REASON" });
    for unmet in &seen.explained.unmet {
        scene.narrator.line(&format!("      \"{unmet}\""));
    }

    let directory = scene.world.directory().join(POLICIES).display().to_string();
    let tested = asked(scene, &["test", &directory]).await?;
    let tests = tested.get("tests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    seen.tests = tests.len();
    seen.passed = tests.iter().filter(|test| test.get("passed") == Some(&Value::Bool(true))).count();
    let what = "halligan policy test, on the policies in force";
    scene.narrator.seen(seen.passed == seen.tests, what, &format!("{} of {}", seen.passed, seen.tests));
    Ok(seen)
}

/// Runs `halligan policy …`.
async fn asked(scene: &Scene<'_>, args: &[&str]) -> anyhow::Result<Value> {
    let output = scene.world.command("halligan").args(["--json", "policy"]).args(args).output().await;
    let output = output.context("can't start `halligan policy`")?;
    let complaint = || halligan_core::text::printable(&String::from_utf8_lossy(&output.stderr), 300);
    serde_json::from_slice(&output.stdout).with_context(|| format!("`halligan policy` failed: {}", complaint()))
}
