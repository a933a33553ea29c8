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
    insta::assert_snapshot!(first("discovery = true"), @"issuers[0]: has `keys`, `discovery`: expected exactly one of `keys`, `jwks_url` and `discovery = true`");
    insta::assert_snapshot!(first("jwks_url = \"https://id.example.com/keys\"\ndiscovery = true"), @"issuers[0]: has `keys`, `jwks_url`, `discovery`: expected exactly one of `keys`, `jwks_url` and `discovery = true`");
    insta::assert_snapshot!(said_of(&provider("", LINKED).replace("discovery = true", "")), @"issuers[0]: has no keys: expected exactly one of `keys`, `jwks_url` and `discovery = true`");
    insta::assert_snapshot!(first("ca_file = \"/none\"\nbearer_file = \"/none\""), @"
    issuers[0].ca_file: is set, and the keys stand in this file: expected it beside `jwks_url` or `discovery`
    issuers[0].bearer_file: is set, and the keys stand in this file: expected it beside `jwks_url` or `discovery`
    ");
    insta::assert_snapshot!(said("ca_file = \"none.pem\"\nbearer_file = \"none\""), @"
    issuers[0].ca_file: the file /etc/none.pem can't be read: No such file or directory (os error 2)
    issuers[0].bearer_file: the file /etc/none can't be read: No such file or directory (os error 2)
    ");
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
    insta::assert_snapshot!(said_of(&plain), @"issuers[0].issuer: `http://id.example.com` is not https: expected https, or http to this machine's loopback");
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
    insta::assert_snapshot!(refusal("people = true", "people = true\nsubject_claims = []"), @r#"issuers[0].subject_claims: is empty, so no token would name anybody: expected such as `["sub"]`"#);
    insta::assert_snapshot!(said("subject_claims = [\"tid\", \"\", \"tid\"]"), @"
    issuers[0].subject_claims[1]: is empty: expected the name of a claim, such as `sub`
    issuers[0].subject_claims[2]: `tid` is there twice: expected each claim once
    people.alice.principals[0].subject: `1` is no subject of this issuer: expected the values of `tid`, ``, `tid`, joined by `/`
    people.bob.principals[0].subject: `2` is no subject of this issuer: expected the values of `tid`, ``, `tid`, joined by `/`
    ");
    // Entra ID's subjects have two parts.
    let entra = |subject: &str| {
        provider(
            "subject_claims = [\"tid\", \"oid\"]",
            &LINKED.replace("\"1\"", &format!("{subject:?}")).replace("\"2\"", "\"t/2\""),
        )
    };
    assert_eq!(warned(&entra("t/1")), "");
    insta::assert_snapshot!(said_of(&entra("1")), @"people.alice.principals[0].subject: `1` is no subject of this issuer: expected the values of `tid`, `oid`, joined by `/`");
    for torn in ["t/", "/1", "t/1/2"] {
        assert!(said_of(&entra(torn)).contains("people.alice.principals[0].subject"), "{torn}");
    }
}

#[test]
fn several_issuers_of_people_are_linked() {
    insta::assert_snapshot!(refusal(SECOND, &format!("{SECOND}\nunlinked = \"admit\"")), @"issuers[1].unlinked: `admit` makes a person of each login, and there are several issuers of people: one human would be two persons, and could acknowledge what they asked for: expected `refuse`, and the logins of each human in `people.NAME.principals`");
    let nobody = SOUND.split_once("[people.alice]").unwrap().0.to_owned()
        + "[incidents.drill]"
        + SOUND.split_once("[incidents.drill]").unwrap().1;
    assert!(said_of(&nobody).starts_with("people: there are none: expected at least two"), "{}", said_of(&nobody));
    insta::assert_snapshot!(warnings(&[(BOB, "{ issuer = \"halligan:alice\", subject = \"bob\" }")]), @"issuers[1]: no person has a login of this issuer, so nobody comes in by it: expected such a login in `people.NAME.principals`");
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
    let linked = self::directory(&provider(admit, LINKED));
    let principal = Principal { issuer: "https://id.example.com".to_owned(), subject: "1".to_owned() };
    assert_eq!(linked.person(&principal).unwrap().as_str(), "alice");
    let kind = |text: &str| read(text).unwrap().rules.issuers[0].kind.clone();
    assert_eq!(kind(&text), IssuerKind::People(Unlinked::Admit));
    assert_eq!(kind(&provider("", LINKED)), IssuerKind::People(Unlinked::Refuse));
    // Where one human can come as several, nobody is let in unnamed.
    let at = |host: &str, more: &str| provider(&format!("{admit}\n{more}"), "").replace("id.example.com", host);
    insta::assert_snapshot!(said_of(&at("gitlab.com", "")), @"issuers[0].unlinked: `admit` would make a person of each of this issuer's CI jobs, whose tokens are for whatever audience their author names: expected `refuse`, and logins in `people.NAME.principals`");
    insta::assert_snapshot!(said_of(&at("login.microsoftonline.com/7/v2.0", "")), @r#"issuers[0].unlinked: `admit` would make a person of each `sub`, which is another for each client of this issuer: expected `subject_claims = ["tid", "oid"]`"#);
    assert_eq!(warned(&at("login.microsoftonline.com/7/v2.0", "subject_claims = [\"tid\", \"oid\"]")), "");
    // Nobody is in the groups that nobody says.
    insta::assert_snapshot!(warned(&provider("unlinked = \"admit\"", "")), @"
    roles.admin.requesters: nobody is in `oncall`: expected a group that somebody is in, and there is none
    roles.admin.acknowledgers: nobody is in `leads`: expected a group that somebody is in, and there is none
    roles.admin.acknowledgers: nobody is in `oncall`: expected a group that somebody is in, and there is none
    ");
}

#[test]
fn groups_that_tokens_say_are_groups() {
    let groups = |map: &str| format!("groups = {{ claim = \"groups\", map = {{ {map} }} }}");
    assert_eq!(warned(&provider(&groups("SRE = \"oncall\""), LINKED)), "");
    insta::assert_snapshot!(warned(&provider(&groups("SRE = \"oncall\", Guests = \"guests\""), LINKED)), @"issuers[0].groups.map: no role names `guests`, so being in it permits nothing");
    insta::assert_snapshot!(said("groups = { claim = \"\", map = {} }"), @"
    issuers[0].groups.claim: is empty: expected the name of a claim, such as `groups`
    issuers[0].groups.map: is empty, so what the claim says would mean nothing: expected groups here by what the issuer calls them
    ");
    insta::assert_snapshot!(said("mfa = { amr = [\"\"] }"), @"issuers[0].mfa: holds an empty text: expected values such as `mfa`");
    // Without groups of their own, people have those of their tokens.
    let silent = LINKED.replace("groups = [\"oncall\"]\n", "");
    assert_eq!(warned(&provider(&groups("SRE = \"oncall\""), &silent)), "");
    let carol =
        format!("{LINKED}[people.carol]\nprincipals = [{{ issuer = \"https://id.example.com\", subject = \"3\" }}]\n");
    insta::assert_snapshot!(warned(&provider("", &carol)), @"people.carol.groups: is empty, so this person may do nothing");
    // A second person may come with a token.
    let alone = LINKED.replace("[\"oncall\", \"leads\"]", "[\"leads\"]").replace("[\"oncall\"]", "[\"leads\"]");
    let text = provider(&groups("SRE = \"oncall\", Leads = \"leads\""), &alone);
    assert_eq!(warned(&text), "");
}

#[test]
fn people_sign_in_with_what_can_be_spoken_with() {
    let sign_in = |settings: &str| provider(&format!("[issuers.sign_in]\nname = \"id\"\n{settings}"), LINKED);
    let sound =
        sign_in("client_id = \"web\"\nclient_secret = { env = \"TOOL_TOKEN\" }\ncommand_line_client_id = \"cli\"")
            .replace("[aws]", "[server]\npublic_url = \"https://halligan.example.com\"\n[aws]");
    assert_eq!(warned(&sound), "");
    let loaded = read(&sound).unwrap();
    assert_eq!(loaded.issuers[0].tokens.audiences, ["halligan", "cli"]);
    assert_eq!(loaded.passkeys.rp_id.as_deref(), Some("halligan.example.com"));
    assert!(!format!("{loaded:?}").contains("halligan-test-secret"));

    insta::assert_snapshot!(said_of(&sign_in("client_id = \"\"")), @"issuers[0].sign_in.client_id: is empty: expected the id that the provider gave to this client");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\nscopes = [\"a b\"]")), @"issuers[0].sign_in.scopes: `a b` is no scope: expected one word such as `email`");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\nclient_secret = \"halligan-test-secret\"")), @r#"issuers[0].sign_in.client_secret: is a text, and secrets never stand in this file: expected `{ env = "NAME" }` or `{ file = "path" }`, and a new secret"#);
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\ncommand_line_client_id = \"\"")), @"issuers[0].sign_in.command_line_client_id: is empty: expected the id that the provider gave to command lines");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"web\"\ncommand_line_client_id = \"web\"")), @"issuers[0].sign_in.command_line_client_id: is the broker's own client, whose ID tokens would be taken as bearer tokens: expected a public client of its own");
    insta::assert_snapshot!(said_of(&sign_in("client_id = \"halligan\"")), @"issuers[0].audience: is the `client_id` of `sign_in`, so the ID tokens of browsers would be taken as bearer tokens: expected an audience of its own");
    insta::assert_snapshot!(refusal("people = true", "people = true\nsign_in = { name = \"id\", client_id = \"web\" }"), @"issuers[0].issuer: `halligan:alice` is not a URL: expected such as `https://example.com`");
    let path = sign_in("client_id = \"web\"").replace("name = \"id\"", "name = \"../id\"");
    assert!(said_of(&path).contains("`../id` is not a name of a place"), "{}", said_of(&path));
    let taken = sign_in("client_id = \"web\"").replace("name = \"id\"", "name = \"passkey\"");
    insta::assert_snapshot!(said_of(&taken), @"issuers[0].sign_in.name: is what the way in by passkeys is called: expected another name");
    let twice = sign_in("client_id = \"web\"").replace(
        "[people.alice]",
        "[[issuers]]\nissuer = \"https://other.example.com\"\naudience = \"halligan\"\npeople = true\ndiscovery = true\n\
         sign_in = { name = \"id\", client_id = \"web\" }\n[people.alice]",
    );
    insta::assert_snapshot!(said_of(&twice), @"issuers: `id` is what `https://id.example.com` is called too, and an answer of one would pass for the other's: expected a name of its own for each");
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
    insta::assert_snapshot!(warned(&at("https://192.0.2.7", true)), @"server.public_url: `https://192.0.2.7` has an address, and passkeys belong to a host name: without one, nobody enrols any: expected such as `https://halligan.example.com`, or `http://localhost` and the port");
}

#[test]
fn sessions_and_enrolments_are_bounded() {
    let section = |settings: &str| refusal("[aws]", &format!("{settings}\n[aws]"));
    insta::assert_snapshot!(section("[sessions]\nidle = \"13h\""), @"sessions.idle: `13h` is too long: expected at most `12h`, which is `longest`");
    insta::assert_snapshot!(section("[sessions]\nlongest = \"25h\"\ngroups_kept = \"48h\""), @"
    sessions.longest: `25h` is too long: expected at most 24h
    sessions.groups_kept: `48h` is too long: expected at most 24h
    ");
    insta::assert_snapshot!(section("[passkeys]\nwait = \"23h\""), @"passkeys.wait: `23h` is out of bounds: expected 24h to 720h, in which whoever didn't enrol it can say so");
    insta::assert_snapshot!(section("[passkeys]\nwait = \"721h\""), @"passkeys.wait: `721h` is out of bounds: expected 24h to 720h, in which whoever didn't enrol it can say so");
    insta::assert_snapshot!(section("[passkeys]\nenrol_within = \"25h\""), @"passkeys.enrol_within: `25h` is too long: expected at most 24h");
    for setting in [
        "requests_per_person",
        "requests_per_incident",
        "requests_per_address",
        "refused_acknowledgements",
        "incident_reads_per_minute",
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
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:25\"\nsecurity = \"none\"")), @"mail.security: `none` is for this machine's loopback alone, since notices would be read, and withheld, on the way: expected `starttls` or `tls`");
    for server in
        ["smtp.example.com", "smtp.example.com:0", "smtp.example.com:70000", ":25", "smtp example:25", "a@b:25"]
    {
        assert!(said_of(&mail(&format!("server = \"{server}\""))).starts_with("mail.server: "), "{server}");
    }
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nuser = \"halligan\"")), @"mail: has one of `user` and `password`: expected both, or neither");
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nuser = \"halligan\"\npassword = \"halligan-test-secret\"")), @r#"mail.password: is a text, and secrets never stand in this file: expected `{ env = "NAME" }` or `{ file = "path" }`, and a new secret"#);
    insta::assert_snapshot!(said_of(&mail("server = \"smtp.example.com:587\"\nca_file = \"none.pem\"")), @"mail.ca_file: the file /etc/none.pem can't be read: No such file or directory (os error 2)");
    let from = mail("server = \"smtp.example.com:587\"").replace("\"halligan@example.com\"", "\"nobody\"");
    insta::assert_snapshot!(said_of(&from), @"mail.from: is no sender: expected an address such as `Halligan <halligan@example.com>`");
    // An address is personal: what can't be used isn't shown.
    let address = sound.replace("alice@example.com", "alice@@example.com");
    insta::assert_snapshot!(said_of(&address), @"people.alice.mail: is no mail address: expected such as `alice@example.com`");
    insta::assert_snapshot!(warned(&sound.replace("mail = \"bob@example.com\"\n", "")), @"mail: `bob` can't be told of passkeys that are enrolled for them, each of which counts only when somebody else has confirmed it: expected `mail` of each in `people`");
    let unsent = with(&[("[people.alice]", "[people.alice]\nmail = \"alice@example.com\"")]);
    insta::assert_snapshot!(warned(&unsent), @"mail: people have addresses, and nobody writes to them: expected `[mail]` with `server` and `from`");
}

#[test]
fn what_people_say_of_themselves_counts_only_where_somebody_asked_for_it() {
    let of = |text: &str, issuer: &str| {
        let directory = directory(text);
        let rules = directory.rules(issuer).unwrap();
        (rules.mfa.amr.iter().chain(&rules.mfa.acr).cloned().collect::<Vec<_>>().join(" "), rules.auth_time)
    };
    let held =
        |settings: &str| of(&with(&[("people = true", &format!("people = true\n{settings}"))]), "halligan:alice");
    let published = |settings: &str| of(&provider(settings, LINKED), "https://id.example.com");
    let says = |signs: &str, auth_time: bool| (signs.to_owned(), auth_time);
    assert_eq!(held(""), says("", false));
    assert_eq!(held("mfa = {}"), says("", false));
    assert_eq!(held("auth_time = true"), says("", true));
    assert_eq!(held("auth_time = true\nmfa = { acr = [\"gold\"] }"), says("gold", true));
    assert_eq!(published(""), says("mfa", true));
    assert_eq!(published("mfa = { acr = [\"gold\"] }"), says("mfa gold", true));
    assert_eq!(published("mfa = { amr = [], acr = [\"gold\"] }"), says("gold", true));
    assert_eq!(published("auth_time = false"), says("mfa", false));
    insta::assert_snapshot!(refusal("people = true", "people = true\nmfa = { amr = [\"mfa\"] }"), @"issuers[0].mfa: is set, and counts only with a time of proof that is believed: expected `auth_time = true` beside it, which lets whoever holds a key of the issuer say both themselves, or no `mfa`");
    insta::assert_snapshot!(said("auth_time = false\nmfa = { acr = [\"gold\"] }"), @"issuers[0].mfa: is set, and counts only with a time of proof that is believed: expected `auth_time = true` beside it, which lets whoever holds a key of the issuer say both themselves, or no `mfa`");
}

#[test]
fn names_of_people_whom_nobody_named_are_their_own() {
    insta::assert_snapshot!(refusal("[people.alice]", "[people.p-0123456789abcdef0123]"), @"people.p-0123456789abcdef0123: begins as the names of people whom nobody named (`p-`): expected another name");
}

#[test]
fn a_reload_knows_what_has_changed() {
    let sha256 = |changes: &[(&str, &str)]| read(&with(changes)).unwrap().rules.access().sha256;
    let before = sha256(&[]);
    for (name, old, new) in [
        ("a group", "[\"oncall\", \"leads\"]", "[\"leads\"]"),
        ("a login", "subject = \"bob\"", "subject = \"bob2\""),
        ("an address", "[people.bob]", "[people.bob]\nmail = \"bob@example.com\""),
        ("a second factor", "people = true", "people = true\nauth_time = true\nmfa = { amr = [\"hwk\"] }"),
        ("a time of proof", "people = true", "people = true\nauth_time = true"),
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
