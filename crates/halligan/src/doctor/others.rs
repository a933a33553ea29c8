//! Witnesses, sinks and trails.

use std::path::Path;

use halligan_connect::witness::HttpWitness;
use halligan_core::catalogue::Role;
use halligan_core::id::PlaceId;
use halligan_engine::ports::{Trails, Witness as _, WitnessError};
use halligan_log::SignedCheckpoint;
use rustix::fs::Access;

use super::check::Check;
use super::shown;
use crate::config::log::{Sink, Witness};

const MEND_WITNESS: &str = "start the witness with this log's public key in `--log`, or correct `log.witnesses`";

/// Whether a witness cosigns the newest checkpoint once more, as what follows itself:
/// that changes nothing at a witness that has seen it.
pub async fn witness(name: &PlaceId, settings: &Witness, newest: Option<&SignedCheckpoint>) -> Check {
    let check = Check::of("witness", name);
    let Some(note) = newest else { return check.skipped("there is no checkpoint yet that it could cosign") };
    let client = match HttpWitness::new(name.to_string(), &settings.url, settings.key.clone()) {
        Ok(client) => client,
        Err(because) => return check.failed(shown(&because), Some(MEND_WITNESS)),
    };
    let size = note.checkpoint().size;
    match client.add_checkpoint(size, &[], &note.to_bytes()).await {
        Ok(lines) => match note.clone().add_cosignature(&lines, &settings.key) {
            Ok(_) => check.ok(format!("it cosigns the newest checkpoint, of {size} entries")),
            Err(error) => check.failed(
                shown(&format!("its answer is no cosignature of its key: {error}")),
                Some("correct `key` in `log.witnesses` to what the witness says at its start"),
            ),
        },
        // One that sees a tree before the archives do is as it should be.
        Err(WitnessError::OtherSize { size: seen }) if seen > size => check.ok(format!(
            "it answers, and has cosigned {seen} entries; the newest checkpoint that was read here has {size}"
        )),
        Err(WitnessError::OtherSize { size: seen }) => check.failed(
            format!("it has cosigned {seen} of {size} entries"),
            Some("it catches up when the broker next publishes; if it doesn't, look into both traces"),
        ),
        Err(WitnessError::Unavailable(because) | WitnessError::Refused(because)) => {
            check.failed(shown(&because), Some(MEND_WITNESS))
        }
    }
}

/// As far as that can be told without writing to it.
pub fn sink(name: &PlaceId, sink: &Sink) -> Check {
    let check = Check::of("sink", name);
    match sink {
        Sink::CloudWatch(_) => check.skipped(
            "only writing to it would tell; while the broker serves, one that fails is an entry `log.place_failing` and an alarm",
        ),
        Sink::Ocsf { path } => match writable(path) {
            Ok(seen) => check.ok(seen),
            Err(because) => check.failed(
                format!("{}: {because}", path.display()),
                Some("make the file's directory, writable for the broker, and run doctor as the broker's user"),
            ),
        },
    }
}

/// Whether lines could be put at the end of the file.
fn writable(path: &Path) -> Result<String, String> {
    let may = |path: &Path, access| rustix::fs::access(path, access).map_err(|error| error.to_string());
    if path.exists() {
        if !path.is_file() {
            return Err("is no file".to_owned());
        }
        may(path, Access::READ_OK | Access::WRITE_OK)?;
        return Ok("its file can be written to".to_owned());
    }
    let directory = path.parent().unwrap_or(path);
    may(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|because| format!("its directory: {because}"))?;
    Ok("its file can be made".to_owned())
}

/// Whether what people do under a grant of `role` is recorded.
pub async fn trail(role: &Role, trails: Option<&dyn Trails>) -> Check {
    let check = Check::of("trail", &role.id);
    let account = role.arn.account();
    let Some(trails) = trails else {
        return check.failed(
            format!("there is no logging account that a trail of account {account} could deliver to"),
            Some(
                "deploy deploy/aws/logging-account.yaml into an account of its own, name its buckets as an archive of `kind = \"s3\"`, and make a trail that delivers there",
            ),
        );
    };
    match trails.missing(role).await {
        Ok(None) => check.ok(format!("CloudTrail records account {account} into a locked bucket")),
        Ok(Some(missing)) => check.failed(shown(&missing), None),
        Err(error) => check.failed(
            format!("the trails of account {account} can't be looked at: {}", shown(&error.to_string())),
            Some("deploy deploy/aws/target-account.yaml there: its revoker may look at trails, the log's reader at their bucket"),
        ),
    }
}
