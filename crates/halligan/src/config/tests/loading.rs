//! What a sound configuration comes to.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use halligan_connect::incidents::IncidentFile;
use halligan_core::actor::Principal;
use halligan_core::id::PersonId;
use halligan_core::incident::IncidentStatus;
use halligan_engine::ports::Incidents;
use halligan_server::auth::IssuerKeys;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::client::machine::MachineEntropy;
use crate::client::token::KeyPair;

const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEAmTq3gawyEfTbCnZBhlwk90OnXKIbzSlv1dLFo3F7BmE=\n\
                   -----END PUBLIC KEY-----\n";

#[test]
fn defaults_are_those_of_one_machine() {
    let loaded = read(SOUND).unwrap();
    assert_eq!(loaded.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((loaded.server.public_url.as_str(), loaded.server.tls), ("http://127.0.0.1:8080", None));
    assert_eq!(loaded.store.url.expose_secret(), "sqlite:/etc/state/halligan.db");
    let role = &loaded.catalogue.roles[&"admin".parse().unwrap()];
    assert_eq!(role.session_max, SignedDuration::from_hours(1));
    assert_eq!(role.duration_max, SignedDuration::from_hours(1));
    assert_eq!(role.total_max, SignedDuration::from_hours(4));
    assert_eq!(role.acknowledge_within, SignedDuration::from_mins(15));
    assert_eq!((role.emergency_acknowledge_within, role.console), (None, false));
}

#[test]
fn the_example_of_the_reference_is_sound() {
    let variable = |name: &str| match name {
        "HALLIGAN_STORE_URL" => super::variable("STORE_URL"),
        "PAGERDUTY_AUTHORIZATION" | "HALLIGAN_OKTA_SECRET" => super::variable("TOOL_TOKEN"),
        _ => None,
    };
    let directory = TempDir::new().unwrap();
    let password = directory.path().join("smtp_password");
    fs::write(&password, "halligan-test-secret\n").unwrap();
    let text = include_str!("../example.toml").replace("/run/secrets/smtp_password", password.to_str().unwrap());
    let loaded = Config::read(&text, Path::new("/etc/halligan.toml"), &variable).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.store.url.expose_secret().starts_with("postgres://"));
    assert_eq!(loaded.server.public_url, "https://halligan.example.com");
    assert_eq!(loaded.passkeys.rp_id.as_deref(), Some("halligan.example.com"));
    let [okta, github] = &loaded.issuers[..] else { panic!("two issuers") };
    assert_eq!(okta.tokens.audiences, ["halligan", "0oa5e6f7g8"]);
    assert_eq!(okta.sign_in.as_ref().unwrap().name.as_str(), "okta");
    assert!(github.sign_in.is_none() && github.published.as_ref().unwrap().jwks_uri.is_some());
    assert!(!format!("{loaded:?}").contains("halligan-test-secret"));
}

/// Puts what `from` says into `into`: tables into tables, lists behind lists.
fn merge(into: &mut toml::Table, from: toml::Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (Some(toml::Value::Array(into)), toml::Value::Array(from)) => into.extend(from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

#[test]
fn the_examples_of_the_page_on_identity_are_sound() {
    let directory = TempDir::new().unwrap();
    let authority = directory.path().join("ca.crt");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&authority, made.cert.pem()).unwrap();
    let page = include_str!("../../../../../docs/identity.md")
        .replace("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", authority.to_str().unwrap());
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let blocks: Vec<toml::Table> =
        blocks.map(|text| text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))).collect();
    let sections = ["issuers", "people", "passkeys"];
    let (whole, settings): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| sections.iter().any(|section| block.contains_key(*section)));
    assert!(whole.len() >= 4 && settings.len() >= 2, "the page has examples");
    let mut config: toml::Table = SOUND.replace("oncall", "on-call").parse().unwrap();
    sections.iter().for_each(|section| drop(config.remove(*section)));
    whole.into_iter().for_each(|block| merge(&mut config, block));
    let read = |config: &toml::Table| {
        let variable = |name: &str| super::variable(if name == "OIDC_SECRET" { "TOOL_TOKEN" } else { name });
        let text = toml::to_string(config).unwrap();
        Config::read(&text, Path::new("/etc/halligan.toml"), &variable).unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!(read(&config).issuers.len(), 3);
    // Single settings are those of a provider; where it is another one, its people are elsewhere.
    for settings in settings {
        let mut config = config.clone();
        let issuers = config["issuers"].as_array_mut().unwrap();
        settings.into_iter().for_each(|(name, value)| drop(issuers[0].as_table_mut().unwrap().insert(name, value)));
        let issuer = issuers[0]["issuer"].as_str().unwrap().to_owned();
        let two_parts = issuers[0].get("subject_claims").is_some();
        for (_, person) in config["people"].as_table_mut().unwrap() {
            let login = person["principals"][0].as_table_mut().unwrap();
            login.insert("issuer".to_owned(), issuer.clone().into());
            if two_parts {
                let subject = format!("tenant/{}", login["subject"].as_str().unwrap());
                login.insert("subject".to_owned(), subject.into());
            }
        }
        read(&config);
    }
}

#[test]
fn people_logins_and_groups_belong_together() {
    let loaded = read(SOUND).unwrap();
    let alice: PersonId = "alice".parse().unwrap();
    let login = Principal { issuer: "halligan:alice".to_owned(), subject: "alice".to_owned() };
    let directory = loaded.rules.access().directory;
    assert_eq!(directory.person(&login), Ok(alice.clone()));
    assert_eq!(directory.people()[&alice].groups, ["oncall".parse().unwrap()].into());
    let strange = Principal { subject: "Alice".to_owned(), ..login };
    assert!(directory.person(&strange).is_err());
}

#[test]
fn incident_tools_are_taken_by_name() {
    let mut loaded = read(SOUND).unwrap();
    let names = loaded.take_incident_tools().providers();
    assert_eq!(names, ["drill".parse().unwrap(), "tool".parse().unwrap()]);
}

#[tokio::test]
async fn the_incident_file_of_the_reference_is_one() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("incidents.toml");
    fs::write(&path, include_str!("../incidents.example.toml")).unwrap();
    let file = IncidentFile::new(path);
    let check = async |id: &str| file.check(&id.to_owned().try_into().unwrap()).await;
    assert!(matches!(check("INC-219").await, IncidentStatus::Open(_)));
    assert_eq!(check("INC-218").await, IncidentStatus::Closed { known: true });
}

#[test]
fn the_composition_s_configuration_is_sound() {
    let directory = TempDir::new().unwrap();
    let url = directory.path().join("database_url");
    fs::write(&url, "postgres://halligan:halligan-test-secret@postgres/halligan").unwrap();
    let compose = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/compose/etc/halligan.toml");
    let mut text = fs::read_to_string(compose).unwrap().replace("/run/secrets/database_url", url.to_str().unwrap());
    for person in ["alice", "bob", "carol"] {
        let pem = directory.path().join(person);
        fs::write(&pem, KeyPair::generate(&MachineEntropy).unwrap().public_pem).unwrap();
        text = text.replace(&format!("/etc/halligan/people/{person}.pem"), pem.to_str().unwrap());
    }
    let loaded = Config::read(&text, Path::new("/etc/halligan/halligan.toml"), &variable).unwrap();
    let warned: Vec<&str> = loaded.warnings.iter().map(|warning| warning.field.as_str()).collect();
    // The stand-in is spoken to in the clear, and there is one broker for good, with its log beside it.
    let expected = ["aws.endpoint_url", "log.key.file", "log.archives", "log.archives", "log.witnesses"];
    assert_eq!(warned, expected);
}

#[test]
fn the_state_directory_is_made_for_nobody_else() {
    let directory = TempDir::new().unwrap();
    let loaded = Config::read(SOUND, &directory.path().join("halligan.toml"), &variable).unwrap();
    loaded.make_state_directory().unwrap();
    loaded.make_state_directory().unwrap();
    let mode = fs::metadata(directory.path().join("state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn files_and_secrets_are_found_beside_the_configuration() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("keys")).unwrap();
    fs::write(at("keys/alice.pem"), PEM).unwrap();
    fs::write(at("token"), "Token halligan-test-secret\r\n").unwrap();
    fs::write(at("url"), "sqlite:data/store.db\n").unwrap();
    let begin = SOUND.find("keys = [").unwrap();
    let end = begin + SOUND[begin..].find("}]").unwrap() + 2;
    let text =
        format!("{}keys = [{{ file = \"keys/alice.pem\", kid = \"laptop\" }}]{}", &SOUND[..begin], &SOUND[end..])
            .replace("{ env = \"TOOL_TOKEN\" }", "{ file = \"token\" }")
            .replace("[aws]", "[store]\nurl_from = { file = \"url\" }\n[aws]");
    fs::write(at("halligan.toml"), &text).unwrap();

    let loaded = Config::load(&at("halligan.toml")).unwrap();
    let IssuerKeys::Fixed(keys) = &loaded.issuers[0].tokens.keys else { panic!("keys of the file") };
    assert_eq!((keys[0].pem.as_str(), keys[0].kid.as_deref()), (PEM, Some("laptop")));
    assert_eq!(loaded.store.url.expose_secret(), format!("sqlite:{}", at("data/store.db").display()));

    let missing = Config::load(&at("none.toml")).unwrap_err();
    assert!(missing.to_string().ends_with("none.toml can't be read"), "{missing}");
}

#[test]
fn the_file_is_known_by_its_hash() {
    let loaded = read(SOUND).unwrap();
    assert_eq!(loaded.sha256.len(), 64);
    assert_ne!(loaded.sha256, read(&format!("{SOUND}# changed\n")).unwrap().sha256);
}
