//! What passkeys signed, from outside: test vectors, and a reader that shares no code with us.

use halligan_core::entry::{Entry, Sealed};
use halligan_core::id::Nonce;
use halligan_core::signed::Signed;
use halligan_engine::life::Keyring;
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{Algorithm, Assertion, PublicKey, Verb, challenge, enrolment_hash, person_hash};
use halligan_log::{Leaf, VerifierKey};
use serde_json::{Value, json};

use super::{Archive, Kind, Verdict, key, told_by_python};
use crate::support::root;

const RP: &str = "halligan.example.com";
/// What the vectors of docs/request-hash.md come to.
const REQUEST: &str = "14119046444fee3ab9daf055652c593aa21bdf8821cb3d5372dcf039e6a6a51b";
const EXTENSION: &str = "0134602f0ad884824cc756ba22354202664a7ef828b91c1aa831166b89e92475";

// Made once, with keys that were thrown away: a signature of ES256 is another one each time.
const ES256: &str = "Ym9iLWVzMjU2";
const ES256_KEY: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbE4zrNwyzAaiXOMH1j0BdtQ5fYtkhmSGz9ljV3mi-U2diQ_8y322Dqo3Ilam0UVU\
    bYrJO9xO23rzDrnu4LxjQw";
const ES256_CONFIRMS_CAROL: &str = "\
    MEQCIFenlQbY3BYlkz7kvJPdzrM-enaG8_dsFJTRnvk-tsIBAiBeW_405uSt-euzN3qaQOIg2xuYRXqnpkXu8ktdOABrrA";
const RS256: &str = "Ym9iLXJzMjU2";
const RS256_KEY: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2ndxL7Hv8y0IR7x6IuAGIbURn_XA9kvGVQufyX7rOzsJtTznDN2ec9al\
    BcfmXmoXFbx2ltP2m8PdMNMeOr-phN8gpllB6-SzS_KJZmpQZ0ASjxzO4FnePz8ZUUyotDtTyPOvScz0J5Do3Z1XhMF6kXus9n8N\
    bDdPpdQBQCHbaEomXTONcVHnAmFlK1rWz96WgfvLHhbc78Rgj6QxmPhQXiuSAk-Vl7TgehmCNN7irhK8RcmiUKiGqEJmN6tl77xd\
    AoJ98ruKZNtN4OrI8lv6bj6cWYXQv1cdIhU9N5Nrj3V-3-uCQyINrKJ6b6kq5GW2yD2HJMblqnmAjVTwrhvokwIDAQAB";
const RS256_ACKNOWLEDGES: &str = "\
    RIQogXVaddrJzIIQMTJz8PPzyC1YjlyMvjLHe0fS9ACwkD29oXkSxCSgqsS4hz9f3YFAc922pjmZILCxF1ErgHvgOiNsWot9veqH\
    9G5PsVKn3CyjNdbTHg2WlhMbL8I0PYUNwWAInoFv1iaizYhzRwn42fxDL8ovr_xkpjgdaybKpKvGFGr1G3m--Uu8YETsDiM33fXd\
    fDFOSQfXhg1rO4KjBfD4DVsq7Lt2TjkjUWY18OXy09rEJ0UBw4Z3pZwt_fg4kskoovlBq4PJX_aWtUPKAJ08Wu8xOGrcum2RyElN\
    vUOqAIQJmE6TbLLcJe0Hr_0eghd9qfLd3la-tmY1fg";

/// What a forger does to the vectors' entries.
type Edit = Box<dyn Fn(&mut Value)>;

fn carols() -> SoftAuthenticator {
    SoftAuthenticator::from_seed(Algorithm::EdDSA, [3; 32], RP, &format!("https://{RP}")).unwrap()
}

fn bytes(digits: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).unwrap();
    bytes
}

fn enrolment_of(person: &str, credential: &str, algorithm: Algorithm, spki: &str) -> [u8; 32] {
    enrolment_hash(person, credential, &PublicKey { algorithm, spki: spki.to_owned() })
}

fn enrolment_of_carol() -> [u8; 32] {
    let key = carols();
    enrolment_hash("carol", &key.credential(), &key.public_key().unwrap())
}

fn enrolment_of_rs256() -> [u8; 32] {
    enrolment_of("bob", RS256, Algorithm::RS256, RS256_KEY)
}

/// What a key that is not at hand signed: all but the signature follows from the rest.
fn signed_once(credential: &str, signature: &str, verb: Verb, thing: &[u8; 32], nonce: u8) -> Value {
    let soft = carols().assert(&challenge(verb, thing, &[nonce; 32])).unwrap();
    let Assertion { authenticator_data, client_data, .. } = soft;
    let (credential, signature) = (credential.to_owned(), signature.to_owned());
    json!(Signed { credential, nonce: Nonce([nonce; 32]), authenticator_data, client_data, signature })
}

/// What carol's key signs, perhaps used in another way.
fn signed(thing: &[u8; 32], nonce: u8, verb: Verb, change: impl FnOnce(&mut SoftAuthenticator)) -> Value {
    let mut key = carols();
    change(&mut key);
    as_entry(nonce, key.assert(&challenge(verb, thing, &[nonce; 32])).unwrap())
}

fn as_entry(nonce: u8, assertion: Assertion) -> Value {
    let Assertion { credential, authenticator_data, client_data, signature } = assertion;
    json!(Signed { credential, nonce: Nonce([nonce; 32]), authenticator_data, client_data, signature })
}

/// An entry as it is written: `by` is a person, or nobody for the broker.
fn entry(index: usize, time: &str, kind: &str, by: Option<&str>, data: &Value) -> Value {
    let actor = by.map_or(json!({"channel": "system"}), |person| {
        let principal = json!({"issuer": "https://1.example.com", "subject": format!("{person}-1")});
        json!({"person": person, "principal": principal, "channel": "web"})
    });
    let id = uuid::Uuid::from_u128(0x019c_a6f1_3cb8_7000_8000_0000_0000_0000 + index as u128);
    let mut entry = json!({"v": 1, "id": id, "time": time, "type": kind, "data": data, "actor": actor});
    if kind.starts_with("passkey.") {
        let enrolment = data["enrolment"].as_str().map_or_else(|| "00".repeat(32), str::to_owned);
        entry["subject"] = json!({"kind": "passkey", "id": enrolment});
    } else {
        entry["subject"] = json!({"kind": "aws-role", "id": "prod-admin"});
        entry["incident"] = json!({"provider": "files", "id": "INC-219"});
        entry["links"] = json!({"grant": "02wndAAHBC95f4Al8rNFlB", "requester": "alice"});
    }
    entry
}

/// Keys of each algorithm; each is confirmed or has waited; each signs something.
fn sound() -> Vec<Value> {
    let (carol, carols_key) = (carols().credential(), carols().public_key().unwrap().spki);
    let enrolled = |credential: &str, algorithm: &str, public_key: &str, enrolment: [u8; 32]| {
        json!({"credential": credential, "algorithm": algorithm, "public_key": public_key, "rp_id": RP,
               "origin": format!("https://{RP}"), "enrolment": hex::encode(enrolment)})
    };
    let confirmed = |credential: &str, person: &str, enrolment: [u8; 32], signed: Value| json!({"credential": credential, "person": person, "enrolment": hex::encode(enrolment), "signed": signed});
    let noticed = json!({"credential": ES256, "person": "bob", "channel": "mail"});
    let es256 = enrolment_of("bob", ES256, Algorithm::ES256, ES256_KEY);
    let (of_carol, rs256) = (enrolment_of_carol(), enrolment_of_rs256());
    let by_bob = signed_once(ES256, ES256_CONFIRMS_CAROL, Verb::Confirm, &of_carol, 1);
    let by_carol = signed(&rs256, 2, Verb::Confirm, |_| {});
    let yes = signed(&bytes(REQUEST), 3, Verb::Acknowledge, |_| {});
    let more = signed_once(RS256, RS256_ACKNOWLEDGES, Verb::Acknowledge, &bytes(EXTENSION), 4);
    let acknowledged = json!({"request_hash": REQUEST, "signed": yes, "rules": ["acknowledgers-may-acknowledge"]});
    let extended = json!({"extension_hash": EXTENSION, "ends_at": "2026-03-02T05:00:00Z", "signed": more});
    [
        ("2026-03-01T03:00:00.5Z", "passkey.enrolled", Some("bob"), enrolled(ES256, "ES256", ES256_KEY, es256)),
        ("2026-03-01T03:00:10Z", "passkey.noticed", None, noticed),
        ("2026-03-01T03:00:20Z", "passkey.enrolled", Some("carol"), enrolled(&carol, "EdDSA", &carols_key, of_carol)),
        ("2026-03-02T03:00:10Z", "passkey.confirmed", Some("bob"), confirmed(&carol, "carol", of_carol, by_bob)),
        ("2026-03-02T03:01:00Z", "passkey.enrolled", Some("bob"), enrolled(RS256, "RS256", RS256_KEY, rs256)),
        ("2026-03-02T03:02:00Z", "passkey.confirmed", Some("carol"), confirmed(RS256, "bob", rs256, by_carol)),
        ("2026-03-02T04:00:00Z", "grant.acknowledged", Some("carol"), acknowledged),
        ("2026-03-02T04:10:00Z", "extension.acknowledged", Some("bob"), extended),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (time, kind, by, data))| entry(index, time, kind, by, &data))
    .collect()
}

/// One entry in another way, and which entries are exceptions then.
fn variants() -> Vec<(&'static str, usize, Edit, Vec<usize>)> {
    let set = |path: &'static str, value: Value| -> Edit {
        Box::new(move |entry| *entry.pointer_mut(path).unwrap() = value.clone())
    };
    let yes =
        |change: fn(&mut SoftAuthenticator)| set("/data/signed", signed(&bytes(REQUEST), 3, Verb::Acknowledge, change));
    let said = |from: &str, to: &str| {
        let key = carols();
        let data = key.client_data("webauthn.get", &challenge(Verb::Acknowledge, &bytes(REQUEST), &[3; 32]));
        let data = String::from_utf8(data).unwrap();
        assert!(data.contains(from), "{data}");
        let assertion = key.sign(&key.authenticator_data(0), data.replacen(from, to, 1).as_bytes()).unwrap();
        set("/data/signed", as_entry(3, assertion))
    };
    let flagged = |flags: u8, more: &[u8]| {
        let key = carols();
        let client_data = key.client_data("webauthn.get", &challenge(Verb::Acknowledge, &bytes(REQUEST), &[3; 32]));
        let data = [key.authenticator_data(flags).as_slice(), more].concat();
        set("/data/signed", as_entry(3, key.sign(&data, &client_data).unwrap()))
    };
    // One character of a text, so far from its end.
    let altered = |part: &'static str, from_end: usize| -> Edit {
        Box::new(move |entry| {
            let text = entry["data"]["signed"][part].as_str().unwrap().to_owned();
            let (before, after) = text.split_at(text.len() - from_end);
            let other = if after.starts_with('A') { "B" } else { "A" };
            entry["data"]["signed"][part] = json!(format!("{before}{other}{}", &after[1..]));
        })
    };
    let removed: Edit = Box::new(|entry| {
        entry["type"] = json!("passkey.removed");
        entry["data"] = json!({"credential": carols().credential(), "person": "carol"});
    });
    let again: Edit = Box::new(|entry| {
        let earlier = sound()[6].clone();
        (entry["type"], entry["data"], entry["actor"]) =
            (earlier["type"].clone(), earlier["data"].clone(), earlier["actor"].clone());
    });
    let padded: Edit = Box::new(|entry| {
        let text = entry["data"]["signed"]["signature"].as_str().unwrap().to_owned();
        entry["data"]["signed"]["signature"] = json!(format!("{text}=="));
    });
    let dated_back: Edit = Box::new(|entry| {
        entry["decided_at"] = entry["time"].clone();
        entry["time"] = json!("2026-03-01T03:00:15Z");
    });
    // bob's key of RS256 is the one that carol confirmed.
    let a_day_later: Edit = Box::new(|entry| {
        entry["links"]["requester"] = json!("carol");
        entry["time"] = json!("2026-03-03T03:02:00Z");
    });
    let unsigned: Edit = Box::new(|entry| entry["data"]["signed"] = Value::Null);
    vec![
        (
            "the notice was a second less than a day before",
            1,
            set("/time", json!("2026-03-01T03:00:11Z")),
            vec![3, 5, 6, 7],
        ),
        ("the notice is dated back", 1, dated_back, vec![3, 5, 6, 7]),
        ("somebody says that they were told", 1, set("/actor", sound()[0]["actor"].clone()), vec![1, 3, 5, 6, 7]),
        ("the notice names another person", 1, set("/data/person", json!("carol")), vec![1, 3, 5, 6, 7]),
        ("enrolled by another person", 2, set("/actor/person", json!("alice")), vec![2, 3, 5, 6, 7]),
        ("enrolled with another key", 2, set("/data/public_key", json!(ES256_KEY)), vec![2, 3, 5, 6, 7]),
        ("enrolled with another algorithm", 4, set("/data/algorithm", json!("ES256")), vec![4, 5, 7]),
        ("enrolled for another site", 2, set("/data/rp_id", json!("example.net")), vec![5, 6, 7]),
        ("enrolled twice", 4, set("/data", sound()[0]["data"].clone()), vec![4, 5, 7]),
        ("confirmed by its own person", 3, set("/actor/person", json!("carol")), vec![3, 5, 6, 7]),
        ("another enrolment is confirmed", 3, set("/data/enrolment", json!("00".repeat(32))), vec![3, 5, 6, 7]),
        ("the requester had confirmed the key", 6, set("/links/requester", json!("bob")), vec![6]),
        (
            "the requester had confirmed the key of an extension's yes",
            7,
            set("/links/requester", json!("carol")),
            vec![7],
        ),
        ("the requester had confirmed the key a day before", 7, a_day_later, vec![]),
        ("removed before it signed", 5, removed, vec![6, 7]),
        ("acknowledged by somebody else", 6, set("/actor/person", json!("alice")), vec![6]),
        ("another request", 6, set("/data/request_hash", json!("00".repeat(32))), vec![6]),
        ("another nonce", 6, set("/data/signed/nonce", json!("00".repeat(32))), vec![6]),
        ("a key that nobody enrolled", 6, set("/data/signed/credential", json!("AAAA")), vec![6]),
        ("another action", 6, set("/data/signed", signed(&bytes(REQUEST), 3, Verb::StepUp, |_| {})), vec![6]),
        ("a port, and a name below the site's", 6, yes(|key| key.origin = format!("https://eu.{RP}:8443")), vec![]),
        ("a name that only ends like the site's", 6, yes(|key| key.origin = format!("https://evil{RP}")), vec![6]),
        (
            "a name that only begins like the site's",
            6,
            yes(|key| key.origin = format!("https://{RP}.example")),
            vec![6],
        ),
        ("without TLS", 6, yes(|key| key.origin = format!("http://{RP}")), vec![6]),
        ("a path behind the origin", 6, yes(|key| key.origin = format!("https://{RP}/")), vec![6]),
        ("another site's key", 6, yes(|key| key.relying = "example.net".to_owned()), vec![6]),
        ("nobody touched it", 6, yes(|key| key.present = false), vec![6]),
        ("it didn't verify who", 6, yes(|key| key.verified = false), vec![6]),
        ("a synced key that counts nothing", 6, yes(|key| key.synced = true), vec![]),
        ("backed up and not eligible for it", 6, flagged(0x10, &[]), vec![6]),
        ("extensions that nobody reads", 6, flagged(0x80, &[0xa0]), vec![]),
        ("extensions are announced and missing", 6, flagged(0x80, &[]), vec![6]),
        ("something behind that nothing announces", 6, flagged(0, &[0xa0]), vec![6]),
        ("a credential where there is none", 6, flagged(0x40, &[0xa0]), vec![6]),
        ("in a frame", 6, said("\"crossOrigin\":false", "\"crossOrigin\":true"), vec![6]),
        (
            "in a frame of a named site",
            6,
            said("\"crossOrigin\":false", "\"topOrigin\":\"https://example.net\""),
            vec![6],
        ),
        (
            "a field that browsers may add",
            6,
            said("\"crossOrigin\":false", "\"crossOrigin\":false,\"more\":[1]"),
            vec![],
        ),
        ("without `crossOrigin`", 6, said(",\"crossOrigin\":false", ""), vec![]),
        ("a registration", 6, said("webauthn.get", "webauthn.create"), vec![6]),
        ("a type that stands twice", 6, said("{", "{\"type\":\"webauthn.get\","), vec![6]),
        ("a signature of EdDSA that was changed", 6, altered("signature", 20), vec![6]),
        ("a signature of ES256 that was changed", 3, altered("signature", 20), vec![3, 5, 6, 7]),
        ("a signature of RS256 that was changed", 7, altered("signature", 20), vec![7]),
        ("a counter that was changed", 6, altered("authenticator_data", 3), vec![6]),
        ("padding", 6, padded, vec![6]),
        ("no signature: nothing is claimed", 6, unsigned, vec![]),
        ("a signature of an earlier entry", 7, again, vec![7]),
    ]
}

fn varied(index: usize, edit: &Edit) -> Vec<Value> {
    let mut entries = sound();
    edit(&mut entries[index]);
    entries
}

/// As the broker writes it.
fn written(entry: &Value) -> Vec<u8> {
    serde_json::from_value::<Entry>(entry.clone()).unwrap().to_json()
}

fn exceptions(entries: &[Vec<u8>]) -> Vec<usize> {
    let mut keyring = Keyring::default();
    let read = |bytes: &Vec<u8>| Sealed { entry: serde_json::from_slice(bytes).unwrap(), personal: None };
    let unsound = |(index, bytes)| keyring.enter(&read(bytes)).is_err().then_some(index);
    entries.iter().enumerate().filter_map(unsound).collect()
}

fn hashes() -> Vec<Value> {
    let (thing, nonce) = ([7; 32], [9; 32]);
    let key = PublicKey { algorithm: Algorithm::EdDSA, spki: "BAUG".to_owned() };
    let challenged = Verb::ALL.map(|verb| {
        json!({"of": "a challenge", "verb": verb.as_str(), "thing": hex::encode(thing), "nonce": hex::encode(nonce),
               "sha256": hex::encode(challenge(verb, &thing, &nonce))})
    });
    let of_person = json!({"of": "a person", "person": "alice", "sha256": hex::encode(person_hash("alice"))});
    let of_enrolment = json!({
        "of": "an enrolment", "person": "alice", "credential": "AQID", "algorithm": "EdDSA", "public_key": "BAUG",
        "sha256": hex::encode(enrolment_hash("alice", "AQID", &key)),
    });
    challenged.into_iter().chain([of_person, of_enrolment]).collect()
}

fn document() -> Value {
    let text = |entry: &Value| String::from_utf8(written(entry)).unwrap();
    let variant = |(name, index, edit, exceptions): (&str, usize, Edit, Vec<usize>)| json!({"name": name, "index": index, "entry": text(&varied(index, &edit)[index]), "exceptions": exceptions});
    json!({
        "about": "Test vectors of what passkeys sign (docs/log-format.md). `hashes` has what is hashed, and to what. `entries` \
                  are those of a log, in order, and none of them is an exception. Each of the `variants` puts `entry` in the \
                  place of the one with that `index`; `exceptions` are the indexes of those that don't hold then.",
        "hashes": hashes(),
        "entries": sound().iter().map(text).collect::<Vec<_>>(),
        "variants": variants().into_iter().map(variant).collect::<Vec<_>>(),
    })
}

#[test]
fn they_are_current() {
    let path = root().join("docs/log-format/passkeys.json");
    let expected = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let mend = "run `UPDATE_DOCS=1 cargo test -p halligan --test e2e log_format`";
    assert!(found == expected, "docs/log-format/passkeys.json is not what the code says: {mend}");
}

/// The vectors, and each variant of them: its name, its entries, its exceptions.
fn read_vectors() -> Vec<(String, Vec<Vec<u8>>, Vec<usize>)> {
    let vectors = std::fs::read(root().join("docs/log-format/passkeys.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let bytes = |text: &Value| text.as_str().unwrap().as_bytes().to_vec();
    let index = |number: &Value| usize::try_from(number.as_u64().unwrap()).unwrap();
    let entries: Vec<Vec<u8>> = vectors["entries"].as_array().unwrap().iter().map(bytes).collect();
    let variant = |variant: &Value| {
        let mut entries = entries.clone();
        entries[index(&variant["index"])] = bytes(&variant["entry"]);
        let exceptions = variant["exceptions"].as_array().unwrap().iter().map(index).collect();
        (variant["name"].as_str().unwrap().to_owned(), entries, exceptions)
    };
    let sound = ("sound".to_owned(), entries.clone(), Vec::new());
    [sound].into_iter().chain(vectors["variants"].as_array().unwrap().iter().map(variant)).collect()
}

#[test]
fn we_find_the_same_exceptions() {
    for (name, entries, expected) in read_vectors() {
        assert_eq!(exceptions(&entries), expected, "{name}");
    }
}

#[test]
fn a_stranger_finds_the_same_exceptions() {
    let verifier: VerifierKey = key().verifier(Kind::Log);
    for (name, entries, expected) in read_vectors() {
        let leaves: Vec<Leaf> = entries.into_iter().map(|entry| Leaf { entry, personal: None }).collect();
        let (archive, root) = Archive::grown(&leaves, &[leaves.len()]);
        let directory = tempfile::tempdir().unwrap();
        archive.write(directory.path());
        let place = directory.path().to_str().unwrap();
        let (verdict, told) = told_by_python(place, &verifier);
        assert_eq!(verdict, Verdict::Whole(leaves.len() as u64, root), "{name}");
        let index = |line: &str| line.strip_prefix("entry ")?.split_once(':')?.0.parse().ok();
        let found: Vec<usize> = told.lines().map(|line| index(line).unwrap()).collect();
        assert_eq!(found, expected, "{name}: {told}");
    }
}
