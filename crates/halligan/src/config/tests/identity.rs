//! People, their logins, and how they sign in.

use std::path::Path;

use halligan_core::actor::Principal;
use halligan_engine::access::{Directory, IssuerKind, Unlinked};
use halligan_server::auth::Algorithm;

use super::*;

const BOB: &str = "{ issuer = \"halligan:bob\", subject = \"bob\" }";
const SECOND: &str = "\"halligan:bob\"\naudience = \"halligan\"\npeople = true";

/// One provider for everybody, in place of a key for each.
fn provider(settings: &str, people: &str) -> String {
    let (before, rest) = SOUND.split_once("[[issuers]]").unwrap();
    let (_, after) = rest.split_once("[incidents.drill]").unwrap();
    format!(
        "{before}[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"halligan\"\npeople = true\n\
         discovery = true\n{settings}\n{people}\n[incidents.drill]{after}"
    )
}

const LINKED: &str = r#"
[people.alice]
groups = ["oncall"]
principals = [{ issuer = "https://id.example.com", subject = "1" }]
[people.bob]
groups = ["oncall", "leads"]
principals = [{ issuer = "https://id.example.com", subject = "2" }]
"#;

/// What is said of a provider with these settings, and of people with their logins there.
fn said(settings: &str) -> String {
    said_of(&provider(settings, LINKED))
}

fn said_of(text: &str) -> String {
    let message = message(text);
    let (_, rest) = message.split_once('\n').unwrap();
    rest.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn warned(text: &str) -> String {
    let loaded = read(text).unwrap();
    let said = loaded.warnings.iter().filter(|warning| !warning.field.starts_with("log."));
    said.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn directory(text: &str) -> Directory {
    read(text).unwrap().rules.access().directory
}

#[test]
fn keys_have_one_source() {
    let first = |settings: &str| refusal("people = true\nkeys", &format!("people = true\n{settings}\nkeys"));
    insta::assert_snapshot!(first("discovery = true"), @"");
    insta::assert_snapshot!(first("jwks_url = \"https://id.example.com/keys\"\ndiscovery = true"), @"");
    insta::assert_snapshot!(said_of(&provider("", LINKED).replace("discovery = true", "")), @"");
    insta::assert_snapshot!(first("ca_file = \"/none\"\nbearer_file = \"/none\""), @"");
    insta::assert_snapshot!(said("ca_file = \"none.pem\"\nbearer_file = \"none\""), @"");
    for (name, url) in [
        ("plain", "http://id.example.com/keys"),
        ("another scheme", "file:///etc/keys"),
        ("with a password", "https://a:halligan-test-secret@id.example.com/keys"),
        ("no URL", "keys"),
    ] {
        let settings = provider(&format!("jwks_url = \"{url}\""), LINKED).replace("discovery = true", "");
        assert!(said_of(&settings).starts_with("issuers[0].jwks_url: "), "{name}: {}", said_of(&settings));
    }
    let plain = provider("", LINKED).replace("https://id.example.com", "http://id.example.com");
    insta::assert_snapshot!(said_of(&plain), @"");
    for sound in ["https://id.example.com/keys", "http://127.0.0.1:8000/keys", "http://localhost/keys"] {
        let text = provider(&format!("jwks_url = \"{sound}\""), LINKED).replace("discovery = true", "");
        assert_eq!(warned(&text), "", "{sound}");
    }
}

#[test]
fn an_algorithm_that_nobody_chose_is_the_usual_one() {
    let of = |text: &str| read(text).unwrap().issuers[0].tokens.algorithms.clone();
    assert_eq!(of(SOUND), [Algorithm::EdDSA]);
    assert_eq!(of(&provider("", LINKED)), [Algorithm::RS256]);
    assert_eq!(of(&provider("algorithms = [\"ES256\", \"PS256\"]", LINKED)), [Algorithm::ES256, Algorithm::PS256]);
}

#[test]
fn a_subject_names_the_same_human_for_ever() {
    for claim in ["email", "preferred_username", "upn", "name", "nickname", "unique_name"] {
        let problem = said(&format!("subject_claims = [\"{claim}\"]"));
        assert!(problem.starts_with(&format!("issuers[0].subject_claims[0]: `{claim}` changes")), "{problem}");
        let problem = refusal("people = true", &format!("people = true\nsubject_claims = [\"sub\", \"{claim}\"]"));
        assert!(problem.contains("issuers[0].subject_claims[1]"), "{problem}");
    }
    insta::assert_snapshot!(refusal("people = true", "people = true\nsubject_claims = []"), @"");
    insta::assert_snapshot!(said("subject_claims = [\"tid\", \"\", \"tid\"]"), @"");
    // Entra ID's subjects have two parts.
    let entra = |subject: &str| {
        provider(
            "subject_claims = [\"tid\", \"oid\"]",
            &LINKED.replace("\"1\"", &format!("{subject:?}")).replace("\"2\"", "\"t/2\""),
        )
    };
    assert_eq!(warned(&entra("t/1")), "");
    insta::assert_snapshot!(said_of(&entra("1")), @"");
    for torn in ["t/", "/1", "t/1/2"] {
        assert!(said_of(&entra(torn)).contains("people.alice.principals[0].subject"), "{torn}");
    }
}

#[test]
fn several_issuers_of_people_are_linked() {
    insta::assert_snapshot!(refusal(SECOND, &format!("{SECOND}\nunlinked = \"admit\"")), @"");
    let nobody = SOUND.split_once("[people.alice]").unwrap().0.to_owned()
        + "[incidents.drill]"
        + SOUND.split_once("[incidents.drill]").unwrap().1;
    assert!(said_of(&nobody).starts_with("people: there are none: expected at least two"), "{}", said_of(&nobody));
    insta::assert_snapshot!(warnings(&[(BOB, "{ issuer = \"halligan:alice\", subject = \"bob\" }")]), @"");
}

#[test]
fn the_one_issuer_of_people_may_name_them_itself() {
    let admit = "unlinked = \"admit\"\ngroups = { claim = \"groups\", map = { SRE = \"oncall\", Leads = \"leads\" } }";
    let text = provider(admit, "");
    assert_eq!(warned(&text), "");
    let directory = directory(&text);
    let person = |subject: &str| {
        directory.person(&Principal { issuer: "https://id.example.com".to_owned(), subject: subject.to_owned() })
    };
    assert!(person("1").unwrap().as_str().starts_with("p-"));
    assert_ne!(person("1"), person("2"));
    // Who is linked is who they are.
    let linked = super::identity::directory(&provider(admit, LINKED));
    let principal = Principal { issuer: "https://id.example.com".to_owned(), subject: "1".to_owned() };
    assert_eq!(linked.person(&principal).unwrap().as_str(), "alice");
    let kind = |text: &str| read(text).unwrap().rules.issuers[0].kind.clone();
    assert_eq!(kind(&text), IssuerKind::People(Unlinked::Admit));
    assert_eq!(kind(&provider("", LINKED)), IssuerKind::People(Unlinked::Refuse));
    // Nobody is in the groups that nobody says.
    insta::assert_snapshot!(said_of(&provider("unlinked = \"admit\"", "")), @"");
}

#[test]
fn groups_that_tokens_say_are_groups() {
    let groups = |map: &str| format!("groups = {{ claim = \"groups\", map = {{ {map} }} }}");
    assert_eq!(warned(&provider(&groups("SRE = \"oncall\""), LINKED)), "");
    insta::assert_snapshot!(warned(&provider(&groups("SRE = \"oncall\", Guests = \"guests\""), LINKED)), @"");
    insta::assert_snapshot!(said("groups = { claim = \"\", map = {} }"), @"");
    insta::assert_snapshot!(said("mfa = { amr = [\"\"] }"), @"");
    // Without groups of their own, people have those of their tokens.
    let silent = LINKED.replace("groups = [\"oncall\"]\n", "");
    assert_eq!(warned(&provider(&groups("SRE = \"oncall\""), &silent)), "");
    insta::assert_snapshot!(warned(&provider("", &silent)), @"");
    // A second person may come with a token.
    let alone = LINKED.replace("[\"oncall\", \"leads\"]", "[\"leads\"]").replace("[\"oncall\"]", "[\"leads\"]");
    let text = provider(&groups("SRE = \"oncall\", Leads = \"leads\""), &alone);
    assert_eq!(warned(&text), "");
}

#[test]
fn people_sign_in_with_what_can_be_spoken_with() {
    let sign_in = |settings: &str| provider(&format!("[issuers.sign_in]\nname = \"id\"\n{settings}"), LINKED);
    let public = |text: &str| format!("[server]\npublic_url = \"https://halligan.example.com\"\n{text}");
    let sound = public(&sign_in(
        "client_id = \"web\"\nclient_secret = { env = \"TOOL_TOKEN\" }\ncommand_line_client_id = \"cli\"",
    ));
    let sound = sound.replacen("[server]", "", 1).replacen("public_url = \"https://halligan.example.com\"\n", "", 1);
    let sound = sound.replace("[aws]", "[server]\npublic_url = \"https://halligan.example.com\"\n[aws]");
    assert_eq!(warned(&sound), "");
    let loaded = read(&sound).unwrap();
    assert_eq!(loaded.issuers[0].tokens.audiences, ["halligan", "cli"]);
    assert_eq!(loaded.passkeys.rp_id.as_deref(), Some("halligan.example.com"));
    assert!(!format!("{loaded:?}").contains("halligan-test-secret"));

    insta::assert_snapshot!(said_of(&sign_in("client_id = \"\"")), @"");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\nscopes = [\"a b\"]")), @"");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\nclient_secret = \"halligan-test-secret\"")), @"");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\ncommand_line_client_id = \"\"")), @"");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\ncommand_line_client_id = \"web\"")), @"");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"halligan\"")), @"");
    insta::assert_snapshot!(refusal("people = true", "people = true\nsign_in = { name = \"id\", client_id = \"web\" }"), @"");
    let path = sign_in("client_id = \"web\"").replace("name = \"id\"", "name = \"../id\"");
    assert!(said_of(&path).contains("`../id` is not a name of a place"), "{}", said_of(&path));
    let twice = sign_in("client_id = \"web\"").replace(
        "[people.alice]",
        "[[issuers]]\nissuer = \"https://other.example.com\"\naudience = \"halligan\"\npeople = true\ndiscovery = true\n\
         sign_in = { name = \"id\", client_id = \"web\" }\n[people.alice]",
    );
    insta::assert_snapshot!(said_of(&twice), @"");
}

#[test]
fn passkeys_belong_to_a_host_name() {
    let at = |url: &str, browsers: bool| {
        let sign_in = if browsers { "sign_in = { name = \"id\", client_id = \"web\" }" } else { "" };
        provider(sign_in, LINKED).replace("[aws]", &format!("[server]\npublic_url = \"{url}\"\n[aws]"))
    };
    for (url, expected) in [
        ("https://halligan.example.com", Some("halligan.example.com")),
        ("https://Halligan.example.com:8443", Some("halligan.example.com")),
        ("http://localhost:8080", Some("localhost")),
        ("https://192.0.2.7", None),
        ("https://[2001:db8::1]", None),
        ("http://127.0.0.1:8080", None),
    ] {
        let loaded = read(&at(url, false)).unwrap();
        assert_eq!((loaded.passkeys.rp_id.as_deref(), warned(&at(url, false)).as_str()), (expected, ""), "{url}");
        assert_eq!(warned(&at(url, true)).is_empty(), expected.is_some(), "{url}");
    }
    insta::assert_snapshot!(warned(&at("https://192.0.2.7", true)), @"");
}

#[test]
fn sessions_and_enrolments_are_bounded() {
    let section = |settings: &str| refusal("[aws]", &format!("{settings}\n[aws]"));
    insta::assert_snapshot!(section("[sessions]\nidle = \"13h\""), @"");
    insta::assert_snapshot!(section("[sessions]\nlongest = \"25h\"\ngroups_kept = \"2d\""), @"");
    insta::assert_snapshot!(section("[passkeys]\nwait = \"23h\""), @"");
    insta::assert_snapshot!(section("[passkeys]\nwait = \"721h\""), @"");
    for setting in [
        "requests_per_person",
        "requests_per_incident",
        "requests_per_address",
        "refused_acknowledgements",
        "sign_ins_per_minute",
    ] {
        let problem = section(&format!("[limits]\n{setting} = 0"));
        assert!(problem.starts_with(&format!("limits.{setting}: is 0, so nobody could ")), "{problem}");
    }
    let loaded = read(&with(&[("[aws]", "[sessions]\nidle = \"24h\"\nlongest = \"24h\"\n[aws]")])).unwrap();
    assert_eq!(loaded.sessions.idle, loaded.sessions.longest);
}

#[test]
fn people_are_written_to_safely() {
    let mail = |settings: &str| {
        let text = with(&[("[aws]", &format!("[mail]\nfrom = \"halligan@example.com\"\n{settings}\n[aws]"))]);
        text.replace("[people.alice]", "[people.alice]\nmail = \"alice@example.com\"")
            .replace("[people.bob]", "[people.bob]\nmail = \"bob@example.com\"")
    };
    let sound = mail("server = \"smtp.example.com:587\"\nuser = \"halligan\"\npassword = { env = \"TOOL_TOKEN\" }");
    assert_eq!(warned(&sound), "");
    let settings = read(&sound).unwrap().mail.unwrap();
    assert_eq!((settings.host.as_str(), settings.port), ("smtp.example.com", 587));
    assert!(!format!("{settings:?}").contains("halligan-test-secret"));
    for host in ["localhost:25", "127.0.0.1:25", "[::1]:25"] {
        assert_eq!(warned(&mail(&format!("server = \"{host}\"\nsecurity = \"none\""))), "", "{host}");
    }
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:25\"\nsecurity = \"none\"")), @"");
    for server in
        ["smtp.example.com", "smtp.example.com:0", "smtp.example.com:70000", ":25", "smtp example:25", "a@b:25"]
    {
        assert!(said_of(&mail(&format!("server = \"{server}\""))).starts_with("mail.server: "), "{server}");
    }
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nuser = \"halligan\"")), @"");
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nuser = \"halligan\"\npassword = \"halligan-test-secret\"")), @"");
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nca_file = \"none.pem\"")), @"");
    let from = mail("server = \"smtp.example.com:587\"").replace("\"halligan@example.com\"", "\"nobody\"");
    insta::assert_snapshot!(said_of(&from), @"");
    // An address is personal: what can't be used isn't shown.
    let address = sound.replace("alice@example.com", "alice@@example.com");
    insta::assert_snapshot!(said_of(&address), @"");
    insta::assert_snapshot!(warned(&sound.replace("mail = \"bob@example.com\"\n", "")), @"");
    let unsent = with(&[("[people.alice]", "[people.alice]\nmail = \"alice@example.com\"")]);
    insta::assert_snapshot!(warned(&unsent), @"");
}

#[test]
fn names_of_people_whom_nobody_named_are_their_own() {
    insta::assert_snapshot!(refusal("[people.alice]", "[people.p-0123456789abcdef0123]"), @"");
}

#[test]
fn a_reload_knows_what_has_changed() {
    let sha256 = |changes: &[(&str, &str)]| read(&with(changes)).unwrap().rules.access().sha256;
    let before = sha256(&[]);
    for (name, old, new) in [
        ("a group", "[\"oncall\", \"leads\"]", "[\"leads\"]"),
        ("a login", "subject = \"bob\"", "subject = \"bob2\""),
        ("an address", "[people.bob]", "[people.bob]\nmail = \"bob@example.com\""),
        ("a second factor", "people = true", "people = true\nmfa = { amr = [\"hwk\"] }"),
        ("a reader", "[aws]", "[log]\nreaders = [\"leads\"]\n[aws]"),
        ("an administrator", "[aws]", "[policy]\nadministrators = [\"leads\"]\n[aws]"),
    ] {
        assert_ne!(sha256(&[(old, new)]), before, "{name}");
    }
    let mail = |mail: &str| sha256(&[("[people.bob]", &format!("[people.bob]\nmail = \"{mail}\""))]);
    assert_ne!(mail("bob@example.com"), mail("bob2@example.com"));
    assert_eq!(sha256(&[("[aws]", "[server]\nlisten = \"127.0.0.1:9090\"\n[aws]")]), before);
    assert_eq!(read(&format!("{SOUND}# a remark\n")).unwrap().rules.access().sha256, before);
    let elsewhere = Config::read(SOUND, Path::new("/srv/halligan.toml"), &variable).unwrap();
    assert_eq!(elsewhere.rules.access().sha256, before, "the same on each replica");
}
