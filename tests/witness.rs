//! `halligan witness` as its operators run it: killed, restarted, started twice.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use halligan_log::key::Kind;
use halligan_log::witness::Request;
use halligan_log::{SigningKey, VerifierKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::HALLIGAN;
use crate::support::witness::Witness;

#[path = "../crates/halligan/src/witness/tests/tree.rs"]
mod tree;
use tree::Tree;

const ORIGIN: &str = "log.example.com/test";
const NAME: &str = "witness.example.com/w1";

fn log_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [1; 32]).unwrap()
}

fn log_public() -> String {
    log_key().verifier(Kind::Log).to_string()
}

/// The request, as bytes on the wire.
fn wire(tree: &Tree, old: u64) -> Vec<u8> {
    let body = Request::new(old, tree.consistency(old), tree.signed(&log_key())).to_bytes();
    let length = body.len();
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: witness\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

/// The status and the body of an answer; none if none came.
async fn ask(url: &str, tree: &Tree, old: u64) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.ok()?;
    stream.write_all(&wire(tree, old)).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[tokio::test]
async fn killed_at_any_moment_it_contradicts_nothing_that_it_cosigned() {
    let directory = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(directory.path(), NAME, &[log_public()]);
    let key: VerifierKey = witness.key.parse().unwrap();
    let mut url = witness.start().await;
    let mut cosigned = 0;
    for round in 0..25_u64 {
        let tree = Tree::of(cosigned + 3);
        let asked = tokio::spawn({
            let (url, tree) = (url.clone(), tree.clone());
            async move { ask(&url, &tree, cosigned).await }
        });
        // Each time a little further into the request.
        for _ in 0..round * 40 {
            tokio::task::yield_now().await;
        }
        witness.kill().await;
        let answer = asked.await.unwrap();
        if let Some((status, line)) = &answer {
            assert_eq!(*status, 200, "round {round}");
            assert!(tree.signed(&log_key()).add_cosignature(line.as_bytes(), &key).is_ok(), "round {round}");
            cosigned = tree.size();
        }
        url = witness.start().await;
        if cosigned > 0 {
            let (status, _) = ask(&url, &Tree::of(cosigned).but(0), cosigned).await.unwrap();
            assert_eq!(status, 409, "round {round}: it forgot");
        }
        // It has seen what it cosigned, or the one that it never got to tell of.
        let (status, size) = ask(&url, &tree, cosigned).await.unwrap();
        match status {
            200 => {}
            409 => assert_eq!(size, format!("{}\n", tree.size()), "round {round}"),
            other => panic!("round {round}: {other}"),
        }
        cosigned = tree.size();
    }
    assert!(witness.stop().await.success(), "{}", witness.trace_text());
}

#[tokio::test]
async fn a_fork_is_told_with_both_notes() {
    let directory = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(directory.path(), NAME, &[log_public()]);
    let url = witness.start().await;
    assert_eq!(ask(&url, &Tree::of(9), 0).await.unwrap().0, 200);
    assert_eq!(ask(&url, &Tree::of(9).but(4), 9).await.unwrap().0, 409);
    let trace = witness.trace();
    let told = trace.iter().find(|line| line["level"] == "ERROR").expect("nobody was told");
    for (field, tree) in [("seen", Tree::of(9)), ("asked", Tree::of(9).but(4))] {
        let note = told[field].as_str().unwrap();
        assert!(note.contains(&tree.checkpoint().body()), "{field}: {told}");
    }
    let first = trace.iter().any(|line| line["level"] == "WARN" && line["origin"] == ORIGIN);
    assert!(first, "a witness that begins anew says so");
    assert!(witness.stop().await.success());
}

#[tokio::test]
async fn what_would_not_be_safe_is_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(directory.path(), NAME, &[log_public()]);
    let told = async |command: &mut tokio::process::Command| {
        let output = command.stderr(Stdio::piped()).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap().replace(&directory.path().display().to_string(), "/w");
        text.lines().last().unwrap().to_owned()
    };
    insta::assert_snapshot!(told(&mut witness.command("0.0.0.0:0")).await, @"halligan witness: `0.0.0.0:0` is not a loopback address: expected a TLS certificate, or trusted proxies that end TLS in front");
    witness.start().await;
    insta::assert_snapshot!(told(&mut witness.command("127.0.0.1:0")).await, @"halligan witness: the state can't be used: another witness runs with the state directory `/w/state`: give each one of its own");
    assert!(witness.stop().await.success());

    let own = Witness::new(&directory.path().join("own"), ORIGIN, &[log_public()]);
    insta::assert_snapshot!(told(&mut own.command("127.0.0.1:0")).await, @"halligan witness: the witness's key has the name of the log `log.example.com/test`: a log's own cosignature is no witness's, make a key of another name");
    let other = Witness::new(&directory.path().join("other"), NAME, std::slice::from_ref(&witness.key));
    let told_of_kind = told(&mut other.command("127.0.0.1:0")).await.replace(&witness.key, "KEY");
    insta::assert_snapshot!(told_of_kind, @"halligan witness: `KEY` is a witness's key: expected a log's, as `halligan log keygen` prints it");
    std::fs::write(directory.path().join("other/key"), "PRIVATE+KEY+halligan-test-secret").unwrap();
    insta::assert_snapshot!(told(&mut other.command("127.0.0.1:0")).await, @"halligan witness: the witness's key can't be used: `/w/other/key` holds no key that can be used: it is no key: expected `PRIVATE+KEY+name+id+base64`");
}

#[tokio::test]
async fn a_key_is_made_once_and_only_its_public_half_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.key");
    let keygen = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(HALLIGAN);
        let output = command.env_clear().args(["log", "keygen"]).args(arguments).arg(&file).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, public, told) = keygen(&["--origin", ORIGIN]).await;
    assert_eq!((code, public.parse::<VerifierKey>().unwrap().name()), (Some(0), ORIGIN));
    let private = std::fs::read_to_string(&file).unwrap();
    assert_eq!(private.parse::<SigningKey>().unwrap().verifier(Kind::Log), public.parse().unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(told.contains("log.key.former") && !told.contains(private.trim().splitn(5, '+').last().unwrap()), "{told}");

    let (code, nothing, told) = keygen(&["--origin", ORIGIN]).await;
    assert_eq!((code, nothing.as_str()), (Some(6), ""), "{told}");
    assert!(told.contains("is there already"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), private, "it was overwritten");
    assert_eq!(keygen(&[]).await.0, Some(2), "of which log?");
}
