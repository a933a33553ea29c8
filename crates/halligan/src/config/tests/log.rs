//! The log's settings.

use std::path::Path;

use halligan_core::id::PlaceId;
use jiff::SignedDuration;

use super::{read, refusal, with};
use crate::config::log::{Archive, KeyPlace, Log, Sink};

/// A log in which nothing is wrong, and nothing to warn about.
const LOG: &str = r#"
[log]
confirmations = 2
cosignatures = 1
personal_kept = "30d"
readers = ["leads"]

[log.key]
file = "keys/log"
former = ["halligan/test+9af9fcc4+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"]

[log.archives.one]
kind = "s3"
bucket = "log-one"
personal_bucket = "personal-one"
region = "eu-central-1"
account = "210987654321"
writer = "arn:aws:iam::210987654321:role/writer"
reader = "arn:aws:iam::210987654321:role/reader"
external_id = "test-0001"
retention = "365d"

[log.archives.two]
kind = "directory"
path = "../mnt/./log"

[log.sinks.stream]
kind = "cloudwatch"
log_group = "/halligan/log"
log_stream = "test"
region = "eu-central-1"
writer = "arn:aws:iam::210987654321:role/streamer"
external_id = "test-0001"

[log.sinks.siem]
kind = "ocsf"
path = "ocsf.ndjson"

[log.witnesses.w1]
url = "https://witness.example.com/"
key = "witness.example.com/w1+46beb325+BCOCuH0+qTeHNNZzb+BpW1lMBICOE68DSpLUXLfX7GxI"

[log.override]
granters = ["leads"]
confirmed_by = ["stream", "siem"]

[aws]
"#;

const KMS: &str = r#"kms = { key = "arn:aws:kms:eu-central-1:210987654321:key/mrk-1f", role = "arn:aws:iam::210987654321:role/signer", external_id = "test-0001" }"#;

/// The whole file with [`LOG`] in it, these texts replaced.
fn changed(changes: &[(&str, &str)]) -> String {
    let log = changes.iter().fold(LOG.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "there is no {old} to replace");
        text.replacen(old, new, 1)
    });
    with(&[("[aws]\n", &log)])
}

fn loaded(changes: &[(&str, &str)]) -> Log {
    read(&changed(changes)).unwrap().log
}

/// What is said of [`LOG`] with one text replaced.
fn said(old: &str, new: &str) -> String {
    refusal("[aws]\n", &LOG.replacen(old, new, 1)).replace("/etc/", "")
}

fn warned(changes: &[(&str, &str)]) -> String {
    let warnings = read(&changed(changes)).unwrap().warnings;
    warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn name(text: &str) -> PlaceId {
    text.parse().unwrap()
}

#[test]
fn defaults_are_those_of_one_machine() {
    let loaded = read(super::SOUND).unwrap();
    let log = &loaded.log;
    assert_eq!((log.wait, log.heartbeat), (SignedDuration::from_secs(5), SignedDuration::from_mins(10)));
    assert_eq!((log.confirmations, log.cosignatures), (1, 0));
    assert_eq!(log.personal_kept, SignedDuration::from_hours(24 * 400));
    assert_eq!(log.key.origin, "halligan/test");
    assert_eq!(log.key.kept, KeyPlace::Embedded("/etc/state/log.key".into()));
    let archives: Vec<_> = log.archives.iter().collect();
    assert_eq!(archives, [(&name("local"), &Archive::Directory { path: "/etc/state/log".into() })]);
    assert!(log.sinks.is_empty() && log.witnesses.is_empty() && log.overriding.is_none());
    let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    log.archives: directories alone, which protect from nobody who has access to this machine: expected one of `kind = "s3"` in a separate logging account
    log.witnesses: there is none, so whoever holds the log's key could show different logs to different readers: expected one, such as `halligan witness` in the logging account
    "#);
}

#[test]
fn what_is_said_is_taken() {
    let log = loaded(&[]);
    assert_eq!((log.confirmations, log.cosignatures), (2, 1));
    assert_eq!(log.personal_kept, SignedDuration::from_hours(24 * 30));
    assert_eq!(log.key.kept, KeyPlace::File("/etc/keys/log".into()));
    assert_eq!(log.key.former.len(), 1);
    assert_eq!(log.archives[&name("two")], Archive::Directory { path: "/mnt/log".into() });
    let Archive::S3(s3) = &log.archives[&name("one")] else { panic!("{log:?}") };
    assert_eq!((s3.retention_days, s3.reader.name()), (365, "reader"));
    assert_eq!(log.sinks[&name("siem")], Sink::Ocsf { path: "/etc/ocsf.ndjson".into() });
    let witness = &log.witnesses[&name("w1")];
    assert_eq!((witness.url.as_str(), witness.key.name()), ("https://witness.example.com", "witness.example.com/w1"));
    let overriding = log.overriding.unwrap();
    assert_eq!(overriding.longest, SignedDuration::from_hours(24));
    assert_eq!(overriding.confirmed_by, [name("siem"), name("stream")].into());
    assert_eq!(warned(&[]), "");
}

#[test]
fn a_key_may_be_in_kms() {
    let KeyPlace::Kms(kms) = loaded(&[("file = \"keys/log\"", KMS)]).key.kept else { panic!("another place") };
    assert_eq!((kms.region.as_str(), kms.role.name()), ("eu-central-1", "signer"));
    assert!(!Path::new(&kms.arn).is_absolute());
}

#[test]
fn bounds_are_kept() {
    insta::assert_snapshot!(said("confirmations = 2", "confirmations = 0"), @"log.confirmations: is 0: expected 1 to 2, the number of archives");
    insta::assert_snapshot!(said("confirmations = 2", "confirmations = 3"), @"log.confirmations: is 3: expected 1 to 2, the number of archives");
    insta::assert_snapshot!(said("cosignatures = 1", "cosignatures = 2"), @"log.cosignatures: is 2: expected 0 to 1, the number of witnesses");
    insta::assert_snapshot!(refusal("[aws]\n", "[log]\ncosignatures = 1\nconfirmations = 2\n[aws]\n"), @"
    log.confirmations: is 2: expected 1, the number of archives
    log.cosignatures: is 1: expected 0, since there is no witness
    ");
    insta::assert_snapshot!(said("[log]\n", "[log]\nwait = \"61s\"\nheartbeat = \"59s\"\n"), @"
    log.wait: `1m 1s` is longer than callers wait: expected at most 1m
    log.heartbeat: `59s` is out of bounds: expected 1m to 24h
    ");
    insta::assert_snapshot!(said("[log]\n", "[log]\nheartbeat = \"25h\"\n"), @"log.heartbeat: `25h` is out of bounds: expected 1m to 24h");
    insta::assert_snapshot!(said("confirmed_by = [\"stream\", \"siem\"]", "confirmed_by = []\nlongest = \"25h\""), @"
    log.override.longest: `25h` is too long: expected at most 24h
    log.override.confirmed_by: is empty, and nothing happens unlogged: expected at least one sink
    ");
}

#[test]
fn lengths_of_keeping_are_whole_days() {
    for (text, expected) in [("30d", true), ("1d", true), ("0d", false), ("24h", false), ("400", false), ("+3d", false)]
    {
        let changed = changed(&[("personal_kept = \"30d\"", &format!("personal_kept = \"{text}\""))]);
        assert_eq!(read(&changed).is_ok(), expected, "{text}");
    }
    insta::assert_snapshot!(said("\"365d\"", "\"0d\""), @r#"
    TOML parse error at line 15, column 1
     |
    15 | [log.archives.one]
     | ^^^^^^^^^^^^^^^^^^
    invalid value: string "0d", expected whole days, at least one, such as "30d" or "400d"
    "#);
}

#[test]
fn keys_are_those_of_this_log() {
    insta::assert_snapshot!(said("[log.key]\n", "[log.key]\norigin = \"elsewhere\"\n"), @"log.key.former[0]: is a key of the log `halligan/test`: expected one of `elsewhere`, this log's origin");
    insta::assert_snapshot!(said("[log.key]\n", "[log.key]\norigin = \"two words\"\n"), @"log.key.origin: `two words` can't be a log's name: expected 1 to 200 ASCII characters without spaces and `+`, such as `halligan.example.com/prod`");
    insta::assert_snapshot!(said("+AddamAGCsQq", "+AddamAGCsQr"), @"log.key.former[0]: `halligan/test+9af9fcc4+AddamAGCsQr31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea`: the key's id doesn't fit its name and its bytes: part of it was changed or cut");
    insta::assert_snapshot!(said("halligan/test+9af9fcc4+AddamAGCsQq31Uv", "halligan/test+52e890d9+BNdamAGCsQq31Uv"), @"log.key.former[0]: is a cosigner's key: expected a log's, as `halligan log keygen` prints it");
    insta::assert_snapshot!(said("[\"halligan/test+", "[\"PRIVATE+KEY+halligan-test-secret+"), @"log.key.former[0]: is a private key: expected its public half, and a new key if this file has been seen");
    let twice = "\"halligan/test+9af9fcc4+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\"";
    insta::assert_snapshot!(said(twice, &format!("{twice}, {twice}")), @"log.key.former[1]: is there twice: expected each key once");
    insta::assert_snapshot!(said("[log.key]\n", &format!("[log.key]\n{KMS}\n")), @"log.key.kms: stands beside `log.key.file`: expected one of them");
    insta::assert_snapshot!(said("file = \"keys/log\"", &KMS.replace(":key/", ":alias/").replace("test-0001", "")), @"
    log.key.kms.external_id: `` is not an external id: expected 2 to 1224 of letters, digits and `_+=,.@:/-`
    log.key.kms.key: `arn:aws:kms:eu-central-1:210987654321:alias/mrk-1f` is not the ARN of a KMS key: expected such as `arn:aws:kms:eu-central-1:210987654321:key/0f1e2d3c-…`
    ");
}

#[test]
fn archives_are_places_of_their_own() {
    insta::assert_snapshot!(said("\"personal-one\"", "\"log-one\""), @"log.archives.one.personal_bucket: is that of `log.archives.one.bucket` too: expected one of its own");
    let another = LOG.split_once("[log.archives.one]").unwrap().1.split_once("[log.archives.two]").unwrap().0;
    let another = format!("[log.archives.zwei]{another}[log.archives.two]");
    insta::assert_snapshot!(said("[log.archives.two]", &another), @"
    log.archives.zwei.bucket: is that of `log.archives.one.bucket` too: expected one of its own
    log.archives.zwei.personal_bucket: is that of `log.archives.one.personal_bucket` too: expected one of its own
    ");
    let third = |path: &str| {
        let third = format!("[log.archives.three]\nkind = \"directory\"\npath = \"{path}\"\n[log.archives.two]");
        said("[log.archives.two]", &third)
    };
    insta::assert_snapshot!(third("/mnt/log"), @"log.archives.two.path: is that of `log.archives.three.path` too: expected one of its own");
    insta::assert_snapshot!(third("/mnt/x/../log/tile"), @"log.archives.three.path: is inside the directory of `log.archives.two.path`: expected a place of its own");
    insta::assert_snapshot!(third("/mnt"), @"log.archives.two.path: is inside the directory of `log.archives.three.path`: expected a place of its own");
    insta::assert_snapshot!(said("\"ocsf.ndjson\"", "\"/mnt/log/ocsf\""), @"log.sinks.siem.path: is inside the directory of `log.archives.two.path`: expected a place of its own");
}

#[test]
fn buckets_are_ones_that_s3_takes_in_an_account_of_their_own() {
    insta::assert_snapshot!(said("\"log-one\"", "\"Log_One\""), @"log.archives.one.bucket: `Log_One` is not the name of a bucket: expected 3 to 63 of `a-z`, `0-9`, `.`, `-`");
    insta::assert_snapshot!(said("\"eu-central-1\"\naccount = \"210987654321\"", "\"frankfurt\"\naccount = \"1\""), @"
    log.archives.one.region: `frankfurt` is not the name of a Region: expected such as `eu-central-1`
    log.archives.one.account: `1` is not an account: expected the 12 digits of the one that owns the buckets
    ");
    insta::assert_snapshot!(said("\"210987654321\"", "\"210987654320\""), @"
    log.archives.one.writer: `arn:aws:iam::210987654321:role/writer` is in account 210987654321: expected a role in account 210987654320
    log.archives.one.reader: `arn:aws:iam::210987654321:role/reader` is in account 210987654321: expected a role in account 210987654320
    ");
    insta::assert_snapshot!(said("role/reader", "role/writer"), @"log.archives.one.reader: is the writer too, and who can write must not be who looks: expected a role of its own");
    insta::assert_snapshot!(said("arn:aws:iam::210987654321:role/reader", "arn:aws:iam::123456789012:role/revoker"), @"
    log.archives.one.reader: `arn:aws:iam::123456789012:role/revoker` is in account 123456789012: expected a role in account 210987654321
    log.archives.one.reader: is an IAM role of `roles.admin`: expected one that is for the log alone
    ");
    insta::assert_snapshot!(said("reader = \"arn:aws:iam::210987654321:role/reader\"\n", ""), @"
    TOML parse error at line 15, column 1
     |
    15 | [log.archives.one]
     | ^^^^^^^^^^^^^^^^^^
    missing field `reader`
    ");
    insta::assert_snapshot!(said("kind = \"s3\"", "kind = \"s3\"\nprefix = \"x\""), @"
    TOML parse error at line 15, column 1
     |
    15 | [log.archives.one]
     | ^^^^^^^^^^^^^^^^^^
    unknown field `prefix`, expected one of `bucket`, `personal_bucket`, `region`, `account`, `writer`, `reader`, `external_id`, `retention`
    ");
    let target = LOG.replace("210987654321", "123456789012");
    insta::assert_snapshot!(read(&with(&[("[aws]\n", &target)])).unwrap().warnings[0], @"log.archives.one.account: is the account of the role `admin`, and who breaks the glass must not be near the log: expected a separate logging account");
}

#[test]
fn sinks_are_ones_that_take_entries() {
    insta::assert_snapshot!(said("\"/halligan/log\"", "\"a b\""), @"log.sinks.stream.log_group: `a b` is not the name of a log group: expected letters, digits and `_-/.#`");
    insta::assert_snapshot!(said("log_stream = \"test\"", "log_stream = \"a:b\""), @"log.sinks.stream.log_stream: `a:b` is not the name of a log stream: expected ASCII without spaces, `:` and `*`");
    let another = LOG.split_once("[log.sinks.stream]").unwrap().1.split_once("[log.sinks.siem]").unwrap().0;
    insta::assert_snapshot!(said("[log.sinks.siem]", &format!("[log.sinks.zwei]{another}[log.sinks.siem]")), @"log.sinks.zwei.log_stream: is that of `log.sinks.stream.log_stream` too: expected one of its own");
}

#[test]
fn witnesses_are_apart() {
    let witness = LOG.split_once("[log.witnesses.w1]").unwrap().1.split_once("[log.override]").unwrap().0;
    let renamed = witness.replace("w1+46beb325+", "w2+eda65361+");
    insta::assert_snapshot!(said("[log.override]", &format!("[log.witnesses.w2]{renamed}[log.override]")), @"
    log.witnesses.w2.key: is that of `log.witnesses.w1.key` too: expected one of its own
    log.witnesses.w2.url: is that of `log.witnesses.w1.url` too: expected one of its own
    ");
    insta::assert_snapshot!(said("https://witness", "http://witness"), @"log.witnesses.w1.url: `http://witness.example.com/` is not https: expected https, or http to this machine's loopback");
    insta::assert_snapshot!(said("example.com/\"", "example.com/?x\""), @"log.witnesses.w1.url: `https://witness.example.com/?x` has more than a path: expected such as `https://witness.example.com`");
    insta::assert_snapshot!(said("w1+46beb325+BCOC", "w1+a302ea51+ASOC"), @"log.witnesses.w1.key: is a log's key: expected a witness's, which `halligan witness` says at its start");
    insta::assert_snapshot!(said("witness.example.com/w1+46beb325+BCOCuH0+qTeHNNZzb+BpW1lMBICOE68DSpLUXLfX7GxI", "halligan/test+52e890d9+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"), @"log.witnesses.w1.key: has the log's own name: expected the key of somebody apart from the log");
}

#[test]
fn a_name_is_one_place_s() {
    insta::assert_snapshot!(said("[log.sinks.siem]", "[log.sinks.one]"), @"
    log.sinks.one: is the name of an archive too: expected a name of its own
    log.override.confirmed_by: `siem` is no sink: expected a sink: `one`, `stream`
    ");
    insta::assert_snapshot!(said("[log.witnesses.w1]", "[log.witnesses.two]"), @"log.witnesses.two: is the name of an archive too: expected a name of its own");
    insta::assert_snapshot!(said("[log.witnesses.w1]", "[log.witnesses.stream]"), @"log.witnesses.stream: is the name of a sink too: expected a name of its own");
    insta::assert_snapshot!(said("[log.sinks.siem]", "[log.sinks.Siem]"), @"
    TOML parse error at line 38, column 12
     |
    38 | [log.sinks.Siem]
     |            ^^^^
    `Siem` is not a name of a place: expected 1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit
    ");
}

#[test]
fn somebody_reads_and_somebody_overrides() {
    insta::assert_snapshot!(warned(&[("readers = [\"leads\"]", "readers = [\"auditors\"]")]), @"log.readers: nobody is in `auditors`: expected a group that somebody is in: `leads`, `oncall`");
    insta::assert_snapshot!(said("granters = [\"leads\"]", "granters = []"), @"log.override.granters: is empty, so nobody could: expected a group, or no `[log.override]`");
    insta::assert_snapshot!(warned(&[("granters = [\"leads\"]", "granters = [\"auditors\"]")]), @"log.override.granters: nobody is in `auditors`: expected a group that somebody is in: `leads`, `oncall`");
    insta::assert_snapshot!(said("[\"stream\", \"siem\"]", "[\"stream\", \"one\"]"), @"log.override.confirmed_by: `one` is no sink: expected a sink: `siem`, `stream`");
    insta::assert_snapshot!(said("[\"stream\", \"siem\"]", "[\"stream\", \"w1\"]"), @"log.override.confirmed_by: `w1` is a witness, which cosigns only what an archive holds and so could never confirm: expected a sink: `siem`, `stream`");
    insta::assert_snapshot!(said("granters = [\"leads\"]\n", ""), @"
    TOML parse error at line 46, column 1
     |
    46 | [log.override]
     | ^^^^^^^^^^^^^^
    missing field `granters`
    ");
}

#[test]
fn what_protects_less_than_it_seems_is_warned_about() {
    let one = LOG.split_once("[log.archives.one]").unwrap().1.split_once("[log.archives.two]").unwrap().0;
    let one = format!("[log.archives.one]{one}");
    let confirmations = ("confirmations = 2", "confirmations = 1");
    insta::assert_snapshot!(warned(&[(one.as_str(), ""), confirmations]), @r#"log.archives: directories alone, which protect from nobody who has access to this machine: expected one of `kind = "s3"` in a separate logging account"#);
    let two = "[log.archives.two]\nkind = \"directory\"\npath = \"../mnt/./log\"\n";
    insta::assert_snapshot!(warned(&[(two, ""), confirmations]), @"log.archives: there is one alone, and while it can't be reached no credentials leave: expected a second one in another Region");
    let witness = LOG.split_once("[log.witnesses.w1]").unwrap().1.split_once("[log.override]").unwrap().0;
    let witness = format!("[log.witnesses.w1]{witness}");
    insta::assert_snapshot!(warned(&[(witness.as_str(), ""), ("cosignatures = 1", "")]), @"log.witnesses: there is none, so whoever holds the log's key could show different logs to different readers: expected one, such as `halligan witness` in the logging account");
    insta::assert_snapshot!(warned(&[("[\"stream\", \"siem\"]", "[\"siem\"]")]), @"log.override.confirmed_by: are files of this machine alone, which protect from nobody who can write there: expected a sink elsewhere");
    let shared = with(&[("[aws]", "[store]\nurl_from = { env = \"STORE_URL\" }\n[aws]")]);
    let warnings: Vec<String> = read(&shared).unwrap().warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    log.key.file: is missing, so each replica would sign with a key of its own: expected one file or KMS key for all, unless there is one replica for good
    log.archives: there is none, so each replica would keep a log of its own: expected one for all, unless there is one replica for good
    log.archives: directories alone, which protect from nobody who has access to this machine: expected one of `kind = "s3"` in a separate logging account
    log.witnesses: there is none, so whoever holds the log's key could show different logs to different readers: expected one, such as `halligan witness` in the logging account
    "#);
}
