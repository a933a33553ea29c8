//! `halligan login` to a broker that the profile doesn't know: at a terminal, and without one.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::sign_in::Place;
use crate::support::{HALLIGAN, World, python};

/// Runs a command at a terminal of its own.
const AT_A_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// The same command at a terminal, where somebody types this: its exit code, and what they see.
async fn at_a_terminal(command: &Command, typed: &str) -> (Option<i32>, String) {
    let command = command.as_std();
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut terminal = Command::new(python());
    terminal.args(["-c", AT_A_TERMINAL, HALLIGAN]).args(command.get_args()).env_clear().envs(environment);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = terminal.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn nobody_is_sent_anywhere_before_they_said_that_the_broker_is_theirs() {
    let mut world = World::without_broker().await;
    let place = Place::new(&world);
    place.configure(&mut world, &[("alice", &["alice"])]);
    world.configure();
    let provider = place.provider(json!({}));
    world.broker.start().await;
    let login = ["login", "--url", &world.broker.url];
    let profile = world.home().join("profiles/new.toml");

    let unasked = world.cli("new", &login).await;
    assert_eq!(unasked.code, 6, "{unasked:?}");
    for told in ["add --yes", &world.broker.url, &provider.issuer] {
        assert!(unasked.stderr.contains(told), "{told}: {unasked:?}");
    }
    let (code, seen) = at_a_terminal(&world.command("new", &login), "n\n").await;
    assert_eq!(code, Some(6), "{seen}");
    for told in ["Are both the ones that you expect? [y/N]", &world.broker.url, &provider.issuer, "nothing was sent"] {
        assert!(seen.contains(told), "{told}: {seen}");
    }
    assert_eq!((profile.exists(), provider.asked("/auth").await), (false, 0));

    // Once said, it is not asked again; and the profile is for no other broker.
    assert_eq!(world.login("new", "alice").await["me"]["name"], "alice");
    let again = world.cli("new", &["login", "--url", "http://127.0.0.1:9"]).await;
    assert_eq!(again.code, 2, "{again:?}");
    assert!(profile.exists());
    world.done().await;
}
