//! Signs the log's heads with a key that never leaves AWS KMS.

use std::fmt;

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_kms::Client;
use aws_sdk_kms::operation::get_public_key::GetPublicKeyOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use halligan_core::id::DeploymentId;
use halligan_core::text::printable;
use halligan_engine::ports::{CheckpointSigner, SignError};
use halligan_log::VerifierKey;
use halligan_log::key::Kind;

use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{As, AssumedRole, Sessions, in_time};

/// What KMS signs as it is, in bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;
/// A SubjectPublicKeyInfo of Ed25519 up to the key itself (RFC 8410).
const DER_BEFORE_KEY: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Where the log's key is.
#[derive(Debug, Clone)]
pub struct KmsSettings {
    /// Its ARN.
    pub key: String,
    /// Who signs; none: the process's own credentials.
    pub role: Option<AssumedRole>,
    /// The log's name, and so the key's.
    pub origin: String,
}

/// [`CheckpointSigner`] by AWS KMS. Each call is over after twice
/// [`Limits::operation`](crate::Limits).
pub struct KmsSigner {
    settings: KmsSettings,
    sessions: Sessions<Client>,
    limit: std::time::Duration,
    key: VerifierKey,
}

impl fmt::Debug for KmsSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsSigner").field("key", &self.settings.key).field("public", &self.key.to_string()).finish()
    }
}

impl KmsSigner {
    /// Fetches the public key, once.
    pub(crate) async fn open(
        aws: Aws,
        assumer: Assumer,
        deployment: &DeploymentId,
        settings: KmsSettings,
    ) -> Result<Self, SignError> {
        let region = Region::new(region_of(&settings.key)?.to_owned());
        let (observer, limit) = (aws.observer.clone(), 2 * aws.limits.operation);
        let client = move |sdk: aws_config::SdkConfig| {
            let config = aws_sdk_kms::config::Builder::from(&sdk).region(region.clone());
            Client::from_conf(config.interceptor(observer.clone()).build())
        };
        let sessions = Sessions::new(aws, assumer, deployment, client);
        let get = |kms: Client| kms.get_public_key().key_id(&settings.key).send();
        let answer = async {
            let call = sessions.call(who(&settings), "GetPublicKey", get);
            call.await.map_err(|error| SignError(error.into_text()))
        };
        let public = public_key(&in_time(limit, answer, SignError).await?)?;
        let key = VerifierKey::new(&settings.origin, Kind::Log, public)
            .map_err(|error| SignError(format!("the origin `{}`: {error}", printable(&settings.origin, 80))))?;
        Ok(Self { settings, sessions, limit, key })
    }
}

fn who(settings: &KmsSettings) -> As<'_> {
    settings.role.as_ref().map_or(As::Own, As::from)
}

/// The Region of `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`. An alias is refused:
/// whoever may move it could put another key in the log's place.
fn region_of(arn: &str) -> Result<&str, SignError> {
    let region = || {
        let (_, rest) = arn.strip_prefix("arn:")?.split_once(":kms:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, id) = rest.split_once(":key/")?;
        (!region.is_empty() && account.len() == 12 && !id.is_empty()).then_some(region)
    };
    region().ok_or_else(|| {
        let expected = "expected `arn:aws:kms:REGION:ACCOUNT:key/ID`, and no alias";
        SignError(format!("`{}` is not the ARN of a KMS key: {expected}", printable(arn, 120)))
    })
}

fn public_key(answer: &GetPublicKeyOutput) -> Result<[u8; 32], SignError> {
    let spec = answer.key_spec().map_or("unknown", KeySpec::as_str);
    if spec != KeySpec::EccNistEdwards25519.as_str() {
        return Err(SignError(format!("it is of the spec {spec}: expected ECC_NIST_EDWARDS25519, make another key")));
    }
    let usage = answer.key_usage().map_or("unknown", KeyUsageType::as_str);
    if usage != KeyUsageType::SignVerify.as_str() {
        return Err(SignError(format!("it is for {usage}: expected SIGN_VERIFY, make another key")));
    }
    if !answer.signing_algorithms().contains(&SigningAlgorithmSpec::Ed25519Sha512) {
        return Err(SignError("it does not sign by ED25519_SHA_512, which the log's signatures are".to_owned()));
    }
    let der = answer.public_key().map(AsRef::as_ref).unwrap_or_default();
    let key = <[u8]>::strip_prefix(der, &DER_BEFORE_KEY).and_then(|key| key.try_into().ok());
    key.ok_or_else(|| SignError("GetPublicKey: the answer is not the public key of an Ed25519 key".to_owned()))
}

#[async_trait]
impl CheckpointSigner for KmsSigner {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    #[tracing::instrument(name = "kms_sign", skip_all)]
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if message.len() > MESSAGE_BYTES_MAX {
            let found = message.len();
            return Err(SignError(format!("KMS signs at most {MESSAGE_BYTES_MAX} bytes: these are {found}")));
        }
        let sign = |kms: Client| {
            kms.sign()
                .key_id(&self.settings.key)
                .message(Blob::new(message))
                .message_type(MessageType::Raw)
                .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512)
                .send()
        };
        let answer = async {
            let call = self.sessions.call(who(&self.settings), "Sign", sign);
            call.await.map_err(|error| SignError(error.into_text()))
        };
        let signature = in_time(self.limit, answer, SignError).await?.signature.unwrap_or_else(|| Blob::new([]));
        // What nobody could verify must not get into a checkpoint.
        if !self.key.verify(message, signature.as_ref()) {
            return Err(SignError("Sign: the answer is no signature of the key that KMS gave at the start".to_owned()));
        }
        Ok(signature.into_inner())
    }
}
