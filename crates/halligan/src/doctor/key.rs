//! The key that signs the log.

use halligan_aws::Aws;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{CheckpointSigner, Entropy};
use halligan_log::VerifierKey;

use super::check::Check;
use super::{NOT_YET, shown};
use crate::config::log::{KeyPlace, Log};
use crate::places;

/// Signed to see whether the key signs. No checkpoint begins so.
const MESSAGE: &[u8] = b"halligan doctor signs this to see whether the key signs\n";

const MEND_FILE: &str = "put the key file back, or set `log.key.file`; without a backup make another with `halligan log keygen`, and name the former key's public half in `log.key.former`";
const MEND_KMS: &str = "correct `log.key.kms`, enable the key, and let its role sign with it and read its public half, as deploy/aws/logging-account.yaml has it";

/// Whether it can be used; and its public half.
pub async fn look(
    log: &Log,
    deployment: &DeploymentId,
    aws: &Aws,
    entries: u64,
    entropy: &dyn Entropy,
) -> (Check, Option<VerifierKey>) {
    let check = Check::bare("key");
    let mend = match &log.key.kept {
        // Looked for only: making it is for who serves.
        KeyPlace::Embedded(path) if matches!(path.try_exists(), Ok(false)) => {
            let lost = format!("{} is not there, and {entries} entries are", path.display());
            return (if entries == 0 { check.skipped(NOT_YET) } else { check.failed(lost, Some(MEND_FILE)) }, None);
        }
        KeyPlace::Embedded(_) | KeyPlace::File(_) => MEND_FILE,
        KeyPlace::Kms(_) => MEND_KMS,
    };
    match places::signer(log, deployment, aws, entropy).await {
        Ok(signer) => signs(signer.as_ref(), mend).await,
        Err(error) => (check.failed(shown(&format!("{error:#}")), Some(mend)), None),
    }
}

/// Whether it signs what its public half verifies.
pub async fn signs(signer: &dyn CheckpointSigner, mend: &str) -> (Check, Option<VerifierKey>) {
    let check = Check::bare("key");
    let key = signer.key().clone();
    let check = match signer.sign(MESSAGE).await {
        Ok(signature) if key.verify(MESSAGE, &signature) => check.ok(format!("it signs as {key}")),
        Ok(_) => check.failed(format!("what it signs is not verified by its public half, {key}"), Some(mend)),
        Err(error) => check.failed(shown(&error.to_string()), Some(mend)),
    };
    (check, Some(key))
}
