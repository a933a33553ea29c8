#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::*;

const PASSWORD: &str = "halligan-test-secret";

/// A mail server of its own, by `server.py`; it ends with the test.
struct Server {
    port: u16,
    authority: PathBuf,
    said: Lines<BufReader<ChildStdout>>,
    _process: Child,
    _files: TempDir,
}

impl Server {
    async fn start(mut settings: Value) -> Self {
        let files = TempDir::new().unwrap();
        let at = |name: &str| files.path().join(name);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(at("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        settings["certificate"] = json!(at("certificate.pem"));
        settings["key"] = json!(at("key.pem"));
        let python = std::env::var("HALLIGAN_PYTHON").expect("set HALLIGAN_PYTHON or run tests/run");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mail/tests/server.py");
        let mut process = Command::new(python)
            .args([script, &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.next_line().await.unwrap().expect("the server starts").parse().unwrap();
        Self { port, authority: at("certificate.pem"), said, _process: process, _files: files }
    }

    fn settings(&self, security: MailSecurity) -> MailSettings {
        MailSettings {
            host: "localhost".to_owned(),
            port: self.port,
            security,
            ca_file: Some(self.authority.clone()),
            from: "Halligan <halligan@example.com>".to_owned(),
            credentials: None,
            hello: "halligan.example.com".to_owned(),
        }
    }

    /// The next mail that it took.
    async fn mail(&mut self) -> Value {
        serde_json::from_str(&self.said.next_line().await.unwrap().expect("a mail")).unwrap()
    }
}

fn people() -> Arc<Addresses> {
    Arc::new(Addresses::new([("alice".parse().unwrap(), "alice@example.com".parse().unwrap())].into()))
}

fn notices(settings: MailSettings) -> MailNotices {
    MailNotices::new(settings, people()).unwrap()
}

async fn tell(notices: &MailNotices, person: &str, subject: &str) -> Result<(), String> {
    notices.notify(&person.parse().unwrap(), subject, "The passkey \"laptop\" was enrolled.\n.\nRCPT TO:<x>\n").await
}

#[tokio::test]
async fn a_notice_reaches_whom_it_is_about() {
    for (name, tls, security) in [
        ("STARTTLS", "starttls", MailSecurity::StartTls),
        ("TLS", "tls", MailSecurity::Tls),
        ("neither", "none", MailSecurity::None),
    ] {
        let mut server = Server::start(json!({ "tls": tls })).await;
        let notices = notices(server.settings(security));
        assert_eq!(tell(&notices, "alice", "A passkey was enrolled for you").await, Ok(()), "{name}");
        let mail = server.mail().await;
        let expected = json!(["halligan@example.com", ["alice@example.com"], "halligan.example.com"]);
        assert_eq!(json!([mail["from"], mail["to"], mail["hello"]]), expected, "{name}");
        assert_eq!(mail["encrypted"], json!(tls != "none"), "{name}");
        let data = mail["data"].as_str().unwrap();
        assert!(data.contains("From: Halligan <halligan@example.com>\r\n"), "{name}: {data}");
        assert!(data.contains("Subject: A passkey was enrolled for you\r\n"), "{name}: {data}");
        // A dot on a line of its own ends nothing.
        assert!(data.contains("enrolled.\r\n.\r\nRCPT TO:<x>\r\n"), "{name}: {data}");
    }
}

#[tokio::test]
async fn no_subject_begins_a_header() {
    let mut server = Server::start(json!({ "tls": "none" })).await;
    let notices = notices(server.settings(MailSecurity::None));
    for (name, subject) in [
        ("a line", "x\r\nBcc: mallory@example.com"),
        ("a bare line feed", "x\nBcc: mallory@example.com"),
        ("a bare return", "x\rBcc: mallory@example.com"),
        ("an end of all headers", "x\r\n\r\nBcc: mallory@example.com"),
        ("a line separator", "x\u{2028}Bcc: mallory@example.com"),
        ("a long one", &"x Bcc: ".repeat(1_000)),
        ("another alphabet", "Ein Schlüssel\r\nBcc: mallory@example.com"),
    ] {
        assert_eq!(tell(&notices, "alice", subject).await, Ok(()), "{name}");
        let mail = server.mail().await;
        assert_eq!(mail["to"], json!(["alice@example.com"]), "{name}");
        let (headers, body) = mail["data"].as_str().unwrap().split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = headers
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        assert!(!names.contains(&"Bcc"), "{name}: {headers}");
        assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1, "{name}: {headers}");
        assert!(body.starts_with("The passkey"), "{name}: {body}");
    }
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_writes_is_told() {
    let server = json!({ "tls": "starttls", "user": "halligan", "password": PASSWORD });
    let mut server = Server::start(server).await;
    let with = |password: &str| {
        let credentials = Some(("halligan".to_owned(), password.into()));
        notices(MailSettings { credentials, ..server.settings(MailSecurity::StartTls) })
    };
    let (good, bad) = (with(PASSWORD), with("another"));
    let strange = notices(server.settings(MailSecurity::StartTls));
    assert_eq!(tell(&good, "alice", "x").await, Ok(()));
    assert_eq!(server.mail().await["user"], json!("halligan"));
    insta::assert_snapshot!(tell(&bad, "alice", "x").await.unwrap_err(), @"the mail server refused for good (535)");
    insta::assert_snapshot!(tell(&strange, "alice", "x").await.unwrap_err(), @"the mail server refused for good (530)");
}

#[tokio::test]
async fn what_comes_to_nothing_says_why_and_names_no_address() {
    let address = "550 5.1.1 <alice@example.com>: no such user";
    let refusing = Server::start(json!({ "tls": "none", "refuse": address })).await;
    let later = Server::start(json!({ "tls": "none", "refuse": "451 4.7.1 <alice@example.com>: later" })).await;
    let plain = Server::start(json!({ "tls": "none" })).await;
    let secure = Server::start(json!({ "tls": "starttls" })).await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut said = Vec::new();
    for (name, settings, person) in [
        ("refused for good", refusing.settings(MailSecurity::None), "alice"),
        ("refused for now", later.settings(MailSecurity::None), "alice"),
        ("no STARTTLS", plain.settings(MailSecurity::StartTls), "alice"),
        ("no TLS", MailSettings { host: "127.0.0.1".to_owned(), ..plain.settings(MailSecurity::Tls) }, "alice"),
        ("a stranger", MailSettings { ca_file: None, ..secure.settings(MailSecurity::StartTls) }, "alice"),
        (
            "another name",
            MailSettings { host: "127.0.0.1".to_owned(), ..secure.settings(MailSecurity::StartTls) },
            "alice",
        ),
        ("nobody there", MailSettings { port: closed, ..plain.settings(MailSecurity::None) }, "alice"),
        ("without an address", plain.settings(MailSecurity::None), "bob"),
    ] {
        let problem = tell(&notices(settings), person, "x").await.unwrap_err();
        assert!(!problem.contains('@'), "{name}: {problem}");
        said.push(format!("{name}: {problem}"));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    refused for good: the mail server refused for good (550)
    refused for now: the mail server refused for now (451)
    no STARTTLS: the mail server can't do what is needed: STARTTLS, a way to sign in, or the address's characters
    no TLS: the mail server can't be reached: received corrupt message of type InvalidContentType
    a stranger: the mail server can't be reached: invalid peer certificate: UnknownIssuer
    another name: the mail server can't be reached: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")
    nobody there: the mail server can't be reached: Connection refused (os error 111)
    without an address: the person has no mail address: expected `mail` in the configuration
    "#);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Server::start(json!({ "tls": "none", "silent": true })).await;
    let mut notices = notices(server.settings(MailSecurity::None));
    notices.deadline = Duration::from_millis(300);
    let problem = tell(&notices, "alice", "x").await.unwrap_err();
    assert_eq!(problem, "the mail server took no notice within 300ms");
}

#[tokio::test]
async fn whoever_moves_is_reached_at_the_new_address() {
    let mut server = Server::start(json!({ "tls": "none" })).await;
    let people = people();
    let notices = MailNotices::new(server.settings(MailSecurity::None), people.clone()).unwrap();
    people.replace([("bob".parse().unwrap(), "bob@example.com".parse().unwrap())].into());
    assert!(tell(&notices, "alice", "x").await.is_err());
    assert_eq!(tell(&notices, "bob", "x").await, Ok(()));
    assert_eq!(server.mail().await["to"], json!(["bob@example.com"]));
}

#[test]
fn settings_that_can_t_be_used_are_named() {
    let files = TempDir::new().unwrap();
    let empty = files.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let sound = MailSettings {
        host: "localhost".to_owned(),
        port: 25,
        security: MailSecurity::StartTls,
        ca_file: None,
        from: "halligan@example.com".to_owned(),
        credentials: Some(("halligan".to_owned(), PASSWORD.into())),
        hello: "halligan.example.com".to_owned(),
    };
    let refused = |settings: MailSettings| MailNotices::new(settings, people()).err();
    assert_eq!(refused(sound.clone()), None);
    let from = MailSettings { from: "nobody\r\nBcc: x@example.com".to_owned(), ..sound.clone() };
    insta::assert_snapshot!(refused(from).unwrap(), @"from: is no sender: expected an address such as `Halligan <halligan@example.com>`");
    insta::assert_snapshot!(refused(MailSettings { ca_file: Some(empty), ..sound.clone() }).unwrap(), @"ca_file: holds no certificate: expected a file of certificates in PEM");
    let none = MailSettings { ca_file: Some("/none.pem".into()), ..sound.clone() };
    insta::assert_snapshot!(refused(none).unwrap(), @"ca_file: can't be read (No such file or directory (os error 2)): expected a file of certificates in PEM");
    assert!(!format!("{sound:?}").contains(PASSWORD));
    for (text, good) in [
        ("alice@example.com", true),
        ("alice", false),
        ("alice@", false),
        ("Alice <alice@example.com>", false),
        ("alice@example.com, bob@example.com", false),
        ("alice@example.com\r\nBcc: bob@example.com", false),
        ("\"a b\"@example.com", true),
    ] {
        assert_eq!(text.parse::<MailAddress>().is_ok(), good, "{text}");
    }
    assert!(!format!("{:?}", "alice@example.com".parse::<MailAddress>().unwrap()).contains("alice"));
}
