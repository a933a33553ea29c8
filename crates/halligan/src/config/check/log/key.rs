//! The key that signs the log.

use std::collections::BTreeSet;

use halligan_log::VerifierKey;
use halligan_log::key::Kind;

use super::Surroundings;
use crate::config::check::{Findings, external_id, is_region, shown};
use crate::config::log::{KeyPlace, KmsKey, LogKey};
use crate::config::model;

const EMBEDDED: &str = "log.key";
/// Far more than a name needs, and little enough for a signature line.
const ORIGIN_BYTES_MAX: usize = 200;

pub(super) fn key(key: model::LogKey, around: &Surroundings<'_>, found: &mut Findings<'_>) -> Option<LogKey> {
    let model::LogKey { origin, file, kms, former } = key;
    let said = origin.unwrap_or_else(|| format!("halligan/{}", around.deployment));
    let origin = origin_of(said, found);
    let kept = match (file, kms) {
        (Some(_), Some(_)) => {
            found.refuse("log.key.kms", "stands beside `log.key.file`: expected one of them");
            None
        }
        (Some(file), None) => Some(KeyPlace::File(found.path(&file))),
        (None, Some(kms)) => kms_key(kms, found).map(KeyPlace::Kms),
        (None, None) => {
            if around.shared_store {
                let problem = "is missing, so each replica would sign with a key of its own: expected one file or KMS key for all, unless there is one replica for good";
                found.warn("log.key.file", problem);
            }
            Some(KeyPlace::Embedded(around.state_directory.join(EMBEDDED)))
        }
    };
    let expected = former.len();
    let former = former_keys(&former, origin.as_deref(), found);
    (former.len() == expected).then_some(())?;
    Some(LogKey { origin: origin?, kept: kept?, former })
}

fn origin_of(origin: String, found: &mut Findings<'_>) -> Option<String> {
    let legal = VerifierKey::new(&origin, Kind::Log, [0; 32]).is_ok()
        && origin.len() <= ORIGIN_BYTES_MAX
        && origin.bytes().all(|b| b.is_ascii_graphic());
    if !legal {
        let problem = format!(
            "`{}` can't be a log's name: expected 1 to {ORIGIN_BYTES_MAX} ASCII characters without spaces and `+`, such as `halligan.example.com/prod`",
            shown(&origin)
        );
        found.refuse("log.key.origin", problem);
    }
    legal.then_some(origin)
}

fn former_keys(texts: &[String], origin: Option<&str>, found: &mut Findings<'_>) -> Vec<VerifierKey> {
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let field = format!("log.key.former[{index}]");
        let Some(key) = verifier_key(&field, text, Kind::Log, found) else { continue };
        match origin {
            Some(origin) if key.name() != origin => {
                let name = shown(key.name());
                let problem = format!("is a key of the log `{name}`: expected one of `{origin}`, this log's origin");
                found.refuse(&field, problem);
            }
            Some(_) | None => {}
        }
        if !seen.insert(key.clone()) {
            found.refuse(field, "is there twice: expected each key once");
        }
        keys.push(key);
    }
    keys
}

/// A public key as a log or a cosigner has it.
pub(super) fn verifier_key(field: &str, text: &str, kind: Kind, found: &mut Findings<'_>) -> Option<VerifierKey> {
    if text.contains("PRIVATE+KEY+") {
        let problem = "is a private key: expected its public half, and a new key if this file has been seen";
        found.refuse(field, problem);
        return None;
    }
    let key: VerifierKey = match text.parse() {
        Ok(key) => key,
        Err(error) => {
            found.refuse(field, format!("`{}`: {error}", shown(text)));
            return None;
        }
    };
    if key.kind() == kind {
        return Some(key);
    }
    let (is, expected) = match key.kind() {
        Kind::Log => ("a log's", "a witness's, which `halligan witness` says at its start"),
        Kind::Cosigner => ("a cosigner's", "a log's, as `halligan log keygen` prints it"),
    };
    found.refuse(field, format!("is {is} key: expected {expected}"));
    None
}

fn kms_key(kms: model::Kms, found: &mut Findings<'_>) -> Option<KmsKey> {
    let model::Kms { key, role, external_id: id } = kms;
    external_id("log.key.kms.external_id".to_owned(), &id, found);
    let region = region_of(&key);
    if region.is_none() {
        let problem = format!(
            "`{}` is not the ARN of a KMS key: expected such as `arn:aws:kms:eu-central-1:210987654321:key/0f1e2d3c-…`",
            shown(&key)
        );
        found.refuse("log.key.kms.key", problem);
    }
    Some(KmsKey { region: region?, arn: key, role, external_id: id })
}

fn region_of(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    let (scheme, partition, service, region, account, resource) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    let id = resource.strip_prefix("key/")?;
    let legal = (scheme, service) == ("arn", "kms")
        && partition.starts_with("aws")
        && is_region(region)
        && super::places::is_account(account)
        && (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    legal.then(|| region.to_owned())
}
