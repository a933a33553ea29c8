//! Settings that make no sense, alone or together: named by field, with what
//! would do, and all of them at once.

use super::{SOUND, message, refusal, refusals, warnings};

#[test]
fn everything_is_said_at_once() {
    insta::assert_snapshot!(message("deployment = \"test\"\n[aws]\nregion = \"Frankfurt\"\n"), @"
    the configuration file /etc/halligan.toml can't be used:
      aws.region: `Frankfurt` is not the name of a Region: expected such as `eu-central-1`
      issuers: none vouches for people, so nobody could ask: expected `[[issuers]]` with `people = true`
      people: there are none: expected at least two, as `[people.NAME]`, since nobody acknowledges alone
      incidents: there is none: expected at least one, as `[incidents.NAME]`, since every request names an incident
      roles: there is none, so nothing could be asked for: expected at least one, as `[roles.NAME]`
    ");
}

#[test]
fn the_server_is_reached_safely() {
    let server = |settings: &str| refusal("[aws]", &format!("[server]\n{settings}\n[aws]"));
    insta::assert_snapshot!(server("listen = \"0.0.0.0:8080\""), @"
    server.listen: 0.0.0.0:8080 is reached from other machines, and credentials would travel unencrypted: expected `server.tls`, `server.trusted_proxies` that end TLS before it, or an address of this machine's loopback
    server.public_url: is missing: expected how people reach the broker, such as `https://halligan.example.com`
    ");
    insta::assert_snapshot!(server("listen = \"[2001:db8::1]:8080\"\ntrusted_proxies = [\"::/0\"]"), @"
    server.trusted_proxies[0]: `::/0` trusts everybody: expected the proxies' own addresses
    server.public_url: is missing: expected how people reach the broker, such as `https://halligan.example.com`
    ");
    insta::assert_snapshot!(server("public_url = \"http://halligan.example.com\""), @"server.public_url: `http://halligan.example.com` is not https: expected https, or http to this machine's loopback");
    insta::assert_snapshot!(server("public_url = \"https://halligan.example.com/glass\""), @"server.public_url: `https://halligan.example.com/glass` has more than a host and a port: expected such as `https://halligan.example.com`");
    insta::assert_snapshot!(server("public_url = \"https://alice:halligan-test-secret@halligan.example.com\""), @"server.public_url: holds a user name or password: expected a URL without them");
    insta::assert_snapshot!(server("public_url = \"halligan.example.com\""), @"server.public_url: `halligan.example.com` is not a URL: expected such as `https://example.com`");
    insta::assert_snapshot!(server("tls = { certificate_file = \"none.pem\", key_file = \"/none.key\" }"), @"
    server.tls.certificate_file: the file /etc/none.pem can't be read: No such file or directory (os error 2)
    server.tls.key_file: the file /none.key can't be read: No such file or directory (os error 2)
    ");
}

#[test]
fn what_is_kept_is_kept_somewhere() {
    let section = |settings: &str| refusal("[aws]", &format!("{settings}\n[aws]"));
    insta::assert_snapshot!(section("[store]\nurl = \"postgres://halligan:halligan-test-secret@db/halligan\""), @"store.url: holds a password, and secrets never stand in this file: expected the whole URL by `store.url_from`, and a new password");
    insta::assert_snapshot!(section("[store]\nurl = \"postgres://db/halligan?password=halligan-test-secret\""), @"store.url: holds a password, and secrets never stand in this file: expected the whole URL by `store.url_from`, and a new password");
    insta::assert_snapshot!(section("[store]\nurl = \"sqlite::memory:\""), @"store.url: names no file, so everything would be lost when the broker ends: expected `sqlite:path/to/halligan.db`, or `postgres://user@host/database`");
    insta::assert_snapshot!(section("[store]\nurl = \"mysql://db/halligan\""), @"store.url: is the URL of no database that is supported: expected `sqlite:path/to/halligan.db`, or `postgres://user@host/database`");
    insta::assert_snapshot!(section("[store]\nurl = \"sqlite:a\"\nurl_from = { env = \"STORE_URL\" }"), @"store.url_from: stands beside `store.url`: expected one of them");
    insta::assert_snapshot!(section("[limits]\nmints_per_minute = 0"), @"limits.mints_per_minute: is 0, so nobody could have credentials: expected at least 1");
    insta::assert_snapshot!(refusal("region = ", "endpoint_url = \"localhost:4566\"\nfederation_endpoint = \"http://signin.example.com\"\nregion = "), @"
    aws.endpoint_url: `localhost:4566` is not a URL: expected such as `https://example.com`
    aws.federation_endpoint: `http://signin.example.com` is not https: expected https, or http to this machine's loopback
    ");
}

#[test]
fn secrets_are_kept_elsewhere() {
    let header = |value: &str| refusal("{ env = \"TOOL_TOKEN\" }", value);
    insta::assert_snapshot!(header("\"Token halligan-test-secret\""), @r#"incidents.tool.secret_headers.Authorization: is a text, and secrets never stand in this file: expected `{ env = "NAME" }` or `{ file = "path" }`, and a new secret"#);
    insta::assert_snapshot!(header("{ env = \"NOT_SET\" }"), @"incidents.tool.secret_headers.Authorization: the environment variable NOT_SET is not set: expected it to hold the secret");
    insta::assert_snapshot!(header("{ env = \"EMPTY\" }"), @"incidents.tool.secret_headers.Authorization: the secret that it refers to is empty");
    insta::assert_snapshot!(header("{ file = \"none\" }"), @"incidents.tool.secret_headers.Authorization: the file /etc/none can't be read: No such file or directory (os error 2)");
    insta::assert_snapshot!(refusal("[aws]", "[store]\nurl_from = \"postgres://x:halligan-test-secret@db/x\"\n[aws]"), @r#"store.url_from: is a text, and secrets never stand in this file: expected `{ env = "NAME" }` or `{ file = "path" }`, and a new secret"#);
}

#[test]
fn issuers_can_be_checked() {
    insta::assert_snapshot!(refusal("\"halligan:bob\"\naudience", "\"halligan:alice\"\naudience"), @"
    issuers[1].issuer: `halligan:alice` is there twice: expected each issuer once, with all its keys
    people.bob.principals[0].issuer: `halligan:bob` is not an issuer of people: expected one of `halligan:alice`
    ");
    insta::assert_snapshot!(refusal("people = true", "people = false"), @"
    issuers[0].machines: is empty, and the issuer vouches for no people either: expected what its tokens are, as `[[issuers.machines]]`
    people.alice.principals[0].issuer: `halligan:alice` is not an issuer of people: expected one of `halligan:bob`
    ");
    insta::assert_snapshot!(refusals(&[("people = true", "people = false"), ("people = true", "people = false")]), @"
    issuers: none vouches for people, so nobody could ask: expected `[[issuers]]` with `people = true`
    issuers[0].machines: is empty, and the issuer vouches for no people either: expected what its tokens are, as `[[issuers.machines]]`
    issuers[1].machines: is empty, and the issuer vouches for no people either: expected what its tokens are, as `[[issuers.machines]]`
    ");
    insta::assert_snapshot!(refusal("people = true", "people = true\nmax_lifetime = \"30h\""), @"issuers[0].max_lifetime: `30h` is longer than a token should be good for: expected at most 24h");
    insta::assert_snapshot!(refusal("people = true", "people = true\nalgorithms = [\"RS256\"]"), @"issuers[0]: the issuer `halligan:alice` has keys and algorithms that don't go together: expected an algorithm for each key, and a key for each algorithm");
    insta::assert_snapshot!(refusal("audience = \"halligan\"", "audience = \"\""), @"issuers[0]: an issuer's `audience` is empty");
    insta::assert_snapshot!(refusal("PUBLIC KEY", "PRIVATE KEY"), @"issuers[0].keys[0].pem: is a private key: expected its public half, which begins with `-----BEGIN PUBLIC KEY-----`, and a new key if this file has been seen");
    insta::assert_snapshot!(refusal("MCowBQYDK2VwAyEAmTq3gawyEfTb", "MCowBQYDK2VwAyEA"), @"issuers[0]: key 1 of the issuer `halligan:alice` is not a public key: expected a PEM `PUBLIC KEY` of Ed25519, P-256, P-384 or RSA");
    insta::assert_snapshot!(refusal("keys = [{ pem", "keys = [{ file = \"a.pem\", pem"), @"issuers[0].keys[0]: expected either `pem` or `file`");
    insta::assert_snapshot!(refusal("keys = [{ pem", "keys = [{ file = \"none.pem\" }, { pem"), @"issuers[0].keys[0].file: the file /etc/none.pem can't be read: No such file or directory (os error 2)");
}

#[test]
fn the_broker_s_own_names_are_nobody_elses() {
    insta::assert_snapshot!(refusals(&[("\"halligan:bob\"\naudience", "\"halligan:passkey\"\naudience"), ("\"halligan:bob\"", "\"halligan:passkey\"")]), @"issuers[1].issuer: `halligan:passkey` is the broker's own name for logins by passkey: expected another");
}

#[test]
fn a_login_is_one_person_s() {
    let alice = "{ issuer = \"halligan:alice\", subject = \"alice\" }";
    let bob = "{ issuer = \"halligan:bob\", subject = \"bob\" }";
    insta::assert_snapshot!(refusal(bob, &format!("{bob}, {alice}")), @"people.bob.principals[1]: `alice` is a login of `alice` (case aside): expected each login to belong to one person, or two people could be one human");
    insta::assert_snapshot!(refusal(bob, "{ issuer = \"halligan:alice\", subject = \"ALICE\" }"), @"people.bob.principals[0]: `ALICE` is a login of `alice` (case aside): expected each login to belong to one person, or two people could be one human");
    insta::assert_snapshot!(refusal(bob, "{ issuer = \"halligan:carol\", subject = \"\" }"), @"
    people.bob.principals[0].issuer: `halligan:carol` is not an issuer of people: expected one of `halligan:alice`, `halligan:bob`
    people.bob.principals[0].subject: is empty: expected the `sub` of this person's tokens
    ");
    insta::assert_snapshot!(refusal(bob, ""), @r#"people.bob.principals: is empty, so nobody is this person: expected `[{ issuer = "…", subject = "…" }]`"#);
}

#[test]
fn a_key_is_nobody_elses_too() {
    let (alice, bob) = (
        "MCowBQYDK2VwAyEAmTq3gawyEfTbCnZBhlwk90OnXKIbzSlv1dLFo3F7BmE=",
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    );
    insta::assert_snapshot!(refusal(alice, bob), @"issuers: `halligan:alice` and `halligan:bob` have the same key, so whoever holds it could acknowledge what they asked for: expected a key of its own for each");
}

#[test]
fn incident_tools_can_be_asked() {
    insta::assert_snapshot!(refusals(&[("https://tool", "http://tool"), ("\"/status\"", "\"status\""), ("[\"open\"]", "[]")]), @"
    incidents.tool.url: is not https: expected https, or http to this machine's loopback
    incidents.tool.status: is no JSON pointer: expected one such as `/incident/status`
    incidents.tool.open_values: is empty: expected the statuses of an incident that people are working on
    ");
    insta::assert_snapshot!(refusal("{ Authorization", "{ \"a b\""), @"incidents.tool.secret_headers.a b: is no header name: expected one such as `Authorization`");
    insta::assert_snapshot!(refusal("status = ", "headers = { authorization = \"x\", \"a b\" = \"y\" }\nstatus = "), @"
    incidents.tool.secret_headers.Authorization: stands in `headers` too: expected it in one of them
    incidents.tool.headers.a b: is no header name: expected one such as `Authorization`
    ");
}

#[test]
fn roles_are_ones_that_aws_takes() {
    insta::assert_snapshot!(refusal("123456789012:role/revoker", "210987654321:role/revoker"), @"roles.admin.revoker: `arn:aws:iam::210987654321:role/revoker` is in account 210987654321, and IAM writes act in their own account alone: expected a role in account 123456789012");
    insta::assert_snapshot!(refusal("role/revoker", "role/admin"), @"roles.admin.revoker: is the IAM role of `admin`, and who breaks the glass must not be able to write the deny: expected a role of its own");
    insta::assert_snapshot!(refusal("\"test-0001\"", "\"ä\""), @"roles.admin.external_id: `ä` is not an external id: expected 2 to 1224 of letters, digits and `_+=,.@:/-`");
    insta::assert_snapshot!(refusal("regions = [\"eu-central-1\"]", "regions = []"), @"roles.admin.regions: is empty, so no end could be observed: expected at least one, such as `eu-central-1`");
    let many: Vec<String> = (0..41).map(|n| format!("eu-central-{n}")).collect();
    insta::assert_snapshot!(refusal("regions = [\"eu-central-1\"]", &format!("regions = {many:?}")), @"roles.admin.regions: has 41 Regions: expected at most 40, as an entry of the log holds");
    let issuer = format!("https://{}.example.com", "i".repeat(236));
    let said = refusal("[[issuers]]\nissuer = \"halligan:alice\"", &format!("[[issuers]]\nissuer = \"{issuer}\""));
    assert!(
        said.contains("issuers[0].issuer: has 256 bytes: expected at most 255, as entries of the log hold"),
        "{said}"
    );
    insta::assert_snapshot!(refusal("regions = [\"eu-central-1\"]", "regions = [\"eu-central-1\", \"eu-central\", \"eu-central-1\"]"), @"
    roles.admin.regions[1]: `eu-central` is not the name of a Region: expected such as `eu-central-1`
    roles.admin.regions[2]: `eu-central-1` is there twice: expected each Region once
    ");
    insta::assert_snapshot!(refusal("external_id", "session_max = \"15m\"\nexternal_id"), @"roles.admin.session_max: `15m` is too short: expected at least `1h`, the shortest `MaxSessionDuration` of an IAM role");
    insta::assert_snapshot!(refusal("external_id", "session_max = \"13h\"\nduration_max = \"5h\"\nexternal_id"), @"
    roles.admin.session_max: `13h` is too long: expected at most `12h`, the longest that IAM lets a session be
    roles.admin.duration_max: `5h` is too long: expected at most `4h`, which is `total_max`
    ");
    insta::assert_snapshot!(refusal("external_id", "total_max = \"48h\"\nacknowledge_within = \"48h\"\nexternal_id"), @"
    roles.admin.total_max: `48h` is too long: expected at most `12h`, after which a new grant is asked for
    roles.admin.acknowledge_within: `48h` is too long: expected at most `12h`, since an older request says little of what is needed now
    ");
    let another = SOUND.split_once("[roles.admin]").unwrap().1.replace("roles.admin", "roles.second");
    insta::assert_snapshot!(refusal("[roles.admin]", &format!("[roles.second]{another}[roles.admin]")), @"roles.second.arn: is the ARN of `admin` too: expected each IAM role in one entry, with several scopes");
}

#[test]
fn scopes_are_ones_that_sts_takes() {
    let long = format!("\"s3:{}\"", "x".repeat(3_000));
    insta::assert_snapshot!(refusal("default_scope = \"all\"", "default_scope = \"some\""), @"roles.admin.default_scope: `some` is not a scope of this role: expected one of `all`");
    insta::assert_snapshot!(refusal("Action = \"*\"", &format!("Action = {long}")), @"roles.admin.scopes.all: the scope has 3222 characters with its time fence, STS takes 2048: shorten it, or move statements into managed policies");
    insta::assert_snapshot!(refusal("Effect = \"Allow\"", "Effect = \"Deny\""), @"roles.admin.scopes.all: the scope allows nothing: expected a statement with effect Allow, or a managed policy");
    insta::assert_snapshot!(refusal("Resource = \"*\"", "Resource = \"bucket\""), @"roles.admin.scopes.all: statement 1 of the scope has a Resource that is none: expected `*` or an ARN, at least one");
    insta::assert_snapshot!(refusal("statements = [", "managed = [\"ReadOnlyAccess\"]\nstatements = ["), @"roles.admin.scopes.all: `ReadOnlyAccess` is not the ARN of a managed policy: expected `arn:aws:iam::123456789012:policy/name`");
}

#[test]
fn there_is_somebody_to_ask_and_somebody_else_to_acknowledge() {
    insta::assert_snapshot!(warnings(&[("requesters = [\"oncall\"]", "requesters = [\"on-call\"]")]), @"roles.admin.requesters: nobody is in `on-call`: expected a group that somebody is in: `leads`, `oncall`");
    insta::assert_snapshot!(refusal("acknowledgers = [\"leads\", \"oncall\"]", "acknowledgers = []"), @"roles.admin.acknowledgers: is empty, so nobody could: expected a group that somebody is in: `leads`, `oncall`");
    insta::assert_snapshot!(warnings(&[("[\"oncall\"]\nack", "[\"leads\"]\nack"), ("[\"leads\", \"oncall\"]", "[\"leads\"]")]), @"
    roles.admin.acknowledgers: `bob` alone may ask, and alone may acknowledge: expected somebody else who may acknowledge
    people.alice.groups: no role names `oncall`, so being in it permits nothing
    people.bob.groups: no role names `oncall`, so being in it permits nothing
    ");
    insta::assert_snapshot!(refusal("external_id", "emergency_starters = [\"leads\"]\nexternal_id"), @"roles.admin.emergency_starters: is set, and the role takes no emergency starts: expected `emergency_acknowledge_within` beside it, such as `5m`");
    insta::assert_snapshot!(refusal("external_id", "emergency_acknowledge_within = \"2h\"\nexternal_id"), @"
    roles.admin.emergency_acknowledge_within: `2h` is too long: expected at most `1h`, since nobody has agreed yet
    roles.admin.emergency_acknowledge_within: is set, and nobody may start: expected `emergency_starters` beside it
    ");
}

#[test]
fn what_is_likely_a_mistake_is_warned_about() {
    assert_eq!(warnings(&[]), "");
    insta::assert_snapshot!(warnings(&[("[\"leads\", \"oncall\"]", "[\"leads\"]")]), @"roles.admin.acknowledgers: `bob` alone may acknowledge, so nobody can acknowledge what `bob` asks for");
    insta::assert_snapshot!(warnings(&[("[\"oncall\", \"leads\"]", "[\"oncall\", \"leads\", \"guests\"]")]), @"people.bob.groups: no role names `guests`, so being in it permits nothing");
    insta::assert_snapshot!(warnings(&[("[people.alice]", "[people.carol]\nprincipals = [{ issuer = \"halligan:alice\", subject = \"carol\" }]\n[people.alice]")]), @"people.carol.groups: is empty, so this person may do nothing");
    let bob = "{ issuer = \"halligan:bob\", subject = \"bob\" }";
    let shared = "{ issuer = \"halligan:alice\", subject = \"bob\" }";
    let unused = warnings(&[(bob, shared)]);
    assert!(unused.starts_with("issuers[1]: no person has a login"), "one key may be an identity provider's: {unused}");
    assert_eq!(unused.lines().count(), 1);
    insta::assert_snapshot!(warnings(&[(bob, shared), ("keys = [", "keys = [{ kid = \"b\", pem = \"-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAI4K4fT6pN4c01nNv4GlbWUwEgI4TrwNKktRct9fsbEg=\\n-----END PUBLIC KEY-----\" }, ")]), @"
    issuers[0].keys: each of them vouches for all people of this issuer: a key that one person holds belongs to an issuer of its own, or they could acknowledge what they asked for
    issuers[1]: no person has a login of this issuer, so nobody comes in by it: expected such a login in `people.NAME.principals`
    ");
    insta::assert_snapshot!(warnings(&[("region = ", "endpoint_url = \"http://standin:4566\"\nregion = ")]), @"aws.endpoint_url: credentials travel to `http://standin:4566` unencrypted: do this with a stand-in of AWS alone");
}
