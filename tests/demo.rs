//! `halligan demo --auto --json`: the story by itself, and what it shows for the promises.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{HALLIGAN, root};

const WITHIN: Duration = Duration::from_secs(300);
/// What the README promises, once everything is installed.
const STORY_WITHIN: Duration = Duration::from_secs(120);

/// Long words that are neither hashes nor names: what a key or a token looks like.
fn like_secrets(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+=_".contains(c)));
    words.filter(|word| word.len() >= 36 && !word.chars().all(|c| c.is_ascii_hexdigit())).collect()
}

/// The names in an object, sorted.
fn members(of: &Value) -> Vec<&str> {
    let mut names: Vec<_> = of.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// What is said of the log fits together; its root.
fn verified(seen: &Value) -> String {
    let size = seen["size"].as_u64().unwrap();
    assert!(size > 40, "{seen:#}");
    assert_eq!(seen["not_in_ocsf_file"], json!([]), "{seen:#}");
    for reader in ["by_halligan", "by_script", "hidden_by_halligan"] {
        assert_eq!(
            (&seen[reader]["size"], &seen[reader]["root"]),
            (&seen["size"], &seen["root"]),
            "{reader}: {seen:#}"
        );
    }
    assert_eq!(seen["hidden_by_halligan"]["findings"], json!(["hidden"]), "{seen:#}");
    assert!(seen["changed_index"].as_u64().unwrap() < size, "{seen:#}");
    for reader in ["changed_by_halligan", "changed_by_script"] {
        assert_eq!(seen[reader]["sound"], false, "{reader}: {seen:#}");
        assert_eq!(seen[reader]["first_bad_index"], seen["changed_index"], "{reader}: {seen:#}");
    }
    assert_eq!((&seen["deletion_refused"], &seen["hidden"]), (&json!(true), &json!(true)), "{seen:#}");
    let root = seen["root"].as_str().unwrap();
    assert_eq!(root.len(), 44, "{seen:#}");
    root.to_owned()
}

/// Four logins came in by one provider, as three people; the policies say what the broker said.
fn came_in(seen: &Value) {
    let sign_ins = seen["sign_ins"].as_array().unwrap();
    let who: Vec<_> = sign_ins.iter().map(|each| (each["subject"].as_str(), each["person"].as_str())).collect();
    let expected = [("u-alice", "alice"), ("u-alice-phone", "alice"), ("u-bob", "bob"), ("u-carol", "carol")];
    assert_eq!(who, expected.map(|(subject, person)| (Some(subject), Some(person))), "{seen:#}");
    for sign_in in sign_ins {
        assert!(sign_in["issuer"].as_str().unwrap().starts_with("http://localhost:"), "{sign_in:#}");
        assert_eq!((&sign_in["issuer"], &sign_in["kept_private"]), (&sign_ins[0]["issuer"], &json!(true)));
    }
    let policies = &seen["policies"];
    assert!(policies["tests"].as_u64().unwrap() > 10 && policies["passed"] == policies["tests"], "{policies:#}");
    assert_eq!(policies["explained"], policies["refused"]);
    assert_eq!(policies["explained"]["rules"], json!(["requesters-may-ask"]), "{policies:#}");
    let unmet = policies["explained"]["unmet"][0].as_str().unwrap();
    assert!(unmet.starts_with("be a member of one of: on-call"), "{policies:#}");
}

#[tokio::test]
async fn the_story_keeps_its_promises_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    // Installed once, where the other tools of the tests are.
    let cache = root().join("target/test-tools/demo-cache");
    let was_installed = cache.exists();
    let mut command = Command::new(HALLIGAN);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", place.path());
    command.env("XDG_CACHE_HOME", &cache).env("TMPDIR", place.path()).args(["demo", "--auto", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let began = Instant::now();
    let output = tokio::time::timeout(WITHIN, command.output()).await.expect("the demo hangs").unwrap();
    let took = began.elapsed();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert!(!was_installed || took < STORY_WITHIN, "{took:?}");

    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!(members(&report), ["grants", "promises"]);
    let promises = report["promises"].as_array().unwrap();
    let ids: Vec<_> = promises.iter().map(|promise| promise["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["P1", "P2", "P3", "P4", "P5", "P6"]);
    for promise in promises {
        assert_eq!(members(promise), ["evidence", "held", "id", "pending"]);
        match &promise["held"] {
            Value::Bool(true) => {
                assert!(promise["pending"].is_null() && !promise["evidence"].as_object().unwrap().is_empty())
            }
            // Not judged: it says what is missing.
            Value::Null => assert!(!promise["pending"].as_str().unwrap().is_empty()),
            _ => panic!("broken: {promise:#}"),
        }
    }
    for kept in ["P1", "P2", "P3", "P6"] {
        let promise = promises.iter().find(|promise| promise["id"] == kept).unwrap();
        assert_eq!(promise["held"], true, "{promise:#}");
    }
    came_in(&promises[0]["evidence"]);
    let root = verified(&promises[2]["evidence"]["verified"]);
    let stdout = stdout.replace(&root, "the root");
    assert!(report["grants"].as_array().unwrap().len() >= 4, "{report:#}");

    for (name, text) in [("stdout", &stdout), ("stderr", &stderr)] {
        assert_eq!(like_secrets(text), Vec::<&str>::new(), "{name} tells secrets");
        assert!(!text.contains("PRIVATE KEY") && !text.contains("eyJ"), "{name} tells secrets");
    }
    let mut left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    if !was_installed {
        // pip asks `rustc` for its version, and rustup makes itself a home where there is none.
        left.retain(|name| name != ".rustup");
    }
    assert!(left.is_empty(), "it leaves {left:?}");
    let here = place.path().display().to_string();
    let running = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let arguments = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        arguments.contains(&here).then_some(arguments)
    });
    assert_eq!(running.collect::<Vec<_>>(), Vec::<String>::new(), "it leaves children");
}
