//! The configuration of a broker under test.

use std::path::Path;

use halligan_aws::provision::Accounts;
use toml::{Table, Value};

use super::Person;

/// Alice is on call, bob leads, carol is security. Alice has a second login.
pub fn configuration(port: u16, endpoint_url: &str, accounts: &Accounts, people: &[Person]) -> Table {
    let mut config: Table = format!(
        r#"
        deployment = "test"
        state_directory = "state"

        [server]
        listen = "127.0.0.1:{port}"

        [log]
        wait = "2s"

        [aws]
        region = "eu-central-1"
        endpoint_url = "{endpoint_url}"

        [people.alice]
        groups = ["oncall"]
        principals = [
            {{ issuer = "halligan:alice", subject = "alice" }},
            {{ issuer = "halligan:alice-phone", subject = "alice-phone" }},
        ]

        [people.bob]
        groups = ["oncall", "leads"]
        principals = [{{ issuer = "halligan:bob", subject = "bob" }}]

        [people.carol]
        groups = ["security"]
        principals = [{{ issuer = "halligan:carol", subject = "carol" }}]

        [incidents.files]
        kind = "file"
        path = "incidents.toml"

        [roles.prod-admin]
        description = "Everything in production"
        arn = "{role}"
        revoker = "{revoker}"
        external_id = "{external_id}"
        regions = ["eu-central-1"]
        emergency_acknowledge_within = "5m"
        default_scope = "look"
        requesters = ["oncall"]
        acknowledgers = ["leads", "security"]
        revokers = ["security"]
        emergency_starters = ["oncall"]

        [roles.prod-admin.scopes.look]
        statements = [{{ Effect = "Allow", Action = ["s3:List*", "s3:Get*"], Resource = "*" }}]

        [roles.prod-admin.scopes.everything]
        statements = [{{ Effect = "Allow", Action = "*", Resource = "*" }}]
        "#,
        role = accounts.roles[0],
        revoker = accounts.revoker,
        external_id = accounts.external_id,
    )
    .parse()
    .unwrap();
    let issuer = |person: &Person| {
        let mut issuer: Table = "people = true\naudience = \"halligan\"\n".parse().unwrap();
        issuer.insert("issuer".into(), person.issuer.clone().into());
        let mut key = Table::new();
        key.insert("pem".into(), person.public_pem.clone().into());
        issuer.insert("keys".into(), Value::Array(vec![key.into()]));
        Value::Table(issuer)
    };
    config.insert("issuers".into(), people.iter().map(issuer).collect::<Vec<_>>().into());
    config
}

/// INC-1 is what is said, INC-2 is closed, INC-3 is open.
pub fn incidents(directory: &Path, first: &str) {
    let text = format!(
        r#"
        [[incidents]]
        id = "INC-1"
        status = "{first}"
        severity = "critical"
        creator = "carol@example.com"
        opened_at = 2026-03-01T02:41:00Z
        title = "checkout answers 500"

        [[incidents]]
        id = "INC-2"
        status = "closed"

        [[incidents]]
        id = "INC-3"
        status = "open"
        "#
    );
    // In one step, since it is read at each check.
    let fresh = directory.join("incidents.toml.new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, directory.join("incidents.toml")).unwrap();
}
