//! What it signs with: made at its start, and never written.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use halligan_engine::ports::Entropy;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::client::token::KeyPair;

const KID: &str = "demo";
/// The raw key is the end of what describes it ([RFC 8410](https://www.rfc-editor.org/rfc/rfc8410#section-4)).
const RAW_BYTES: usize = 32;

pub(super) struct Key {
    signing: EncodingKey,
    public: Vec<u8>,
    secret: SecretString,
}

impl Key {
    pub(super) fn generate(entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let pair = KeyPair::generate(entropy)?;
        let signing = EncodingKey::from_ed_pem(pair.private_pem.as_bytes()).context("the key can't sign")?;
        let public = pem::parse(&pair.public_pem).context("the key can't be read")?.into_contents();
        let raw = public.len().checked_sub(RAW_BYTES).and_then(|from| public.get(from..));
        let secret = pair.private_pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        Ok(Self { signing, public: raw.context("the key is too short")?.to_vec(), secret: secret.into() })
    }

    pub(super) const fn secret(&self) -> &SecretString {
        &self.secret
    }

    pub(super) fn sign(&self, claims: &Value) -> anyhow::Result<String> {
        let header = Header { kid: Some(KID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.signing).context("the ID token can't be signed")
    }

    /// Its public half, as a JWK set.
    pub(super) fn set(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(&self.public);
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": KID, "alg": "EdDSA", "use": "sig" }] })
    }
}
