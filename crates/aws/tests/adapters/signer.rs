//! The log's key in KMS.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_aws::{AssumedRole, KmsSettings};
use halligan_core::catalogue::RoleArn;
use halligan_engine::ports::{CheckpointSigner as _, SignError};
use halligan_log::{Checkpoint, Hash, SignedCheckpoint};

use crate::proxy::Trouble;
use crate::world::{REGION, World, deployment};

const ORIGIN: &str = "halligan.example.com/test";

fn settings(world: &World) -> KmsSettings {
    let accounts = &world.accounts;
    let role = AssumedRole {
        arn: RoleArn::try_from(accounts.log_signer.clone()).unwrap(),
        external_id: accounts.external_id.clone(),
    };
    KmsSettings { key: accounts.log_key.clone(), role: Some(role), origin: ORIGIN.to_owned() }
}

#[tokio::test]
async fn a_checkpoint_is_signed_by_a_key_that_never_leaves() {
    let world = World::new().await;
    let signer = world.aws.kms_signer(&deployment(), settings(&world)).await.unwrap();
    assert_eq!(signer.key().name(), ORIGIN);
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 42, root: Hash([9; 32]) };
    let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
    signed.sign(signer.key(), signer.sign(checkpoint.body().as_bytes()).await.unwrap());
    signed.cosign(signer.key(), 1_000, &signer.sign(checkpoint.timed_body(1_000).as_bytes()).await.unwrap());
    let read = SignedCheckpoint::parse(&signed.to_bytes()).unwrap();
    assert_eq!(read.signer(&[signer.key().clone()]).unwrap(), signer.key());
    assert_eq!(read.cosigned(signer.key()).unwrap(), Some(1_000));

    let again = world.aws.kms_signer(&deployment(), settings(&world)).await.unwrap();
    assert_eq!(again.key(), signer.key());
    assert_eq!(world.proxy.seen("Action=AssumeRole").len(), 2, "one a signer");
    let sent = world.proxy.seen("ED25519_SHA_512").pop().unwrap();
    assert!(sent.body.contains(r#""MessageType":"RAW""#), "{}", sent.body);
}

#[tokio::test]
async fn a_message_that_kms_would_refuse_is_not_sent() {
    let world = World::new().await;
    let signer = world.aws.kms_signer(&deployment(), settings(&world)).await.unwrap();
    signer.sign(&[7; 4_096]).await.unwrap();
    let error = signer.sign(&[7; 4_097]).await.unwrap_err();
    insta::assert_snapshot!(error, @"the log's key can't sign: KMS signs at most 4096 bytes: these are 4097");
}

#[tokio::test]
async fn another_kind_of_key_is_refused_in_words() {
    let world = World::new().await;
    let kms = aws_sdk_kms::Client::new(&world.accounts.root(LOGGING_ACCOUNT_ID));
    let root = world.root(LOGGING_ACCOUNT_ID).await;
    let mut said = Vec::new();
    let specs = [
        (KeySpec::EccNistP256, KeyUsageType::SignVerify),
        (KeySpec::Rsa2048, KeyUsageType::SignVerify),
        (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
        (KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
    ];
    for (spec, usage) in specs {
        let name = format!("{spec} {usage}");
        let made = kms.create_key().key_spec(spec).key_usage(usage).send().await.unwrap();
        let key = made.key_metadata().unwrap().arn().unwrap().to_owned();
        let settings = KmsSettings { key, role: None, ..settings(&world) };
        let error = root.kms_signer(&deployment(), settings).await.unwrap_err();
        said.push(format!("{name}: {error}"));
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    ECC_NIST_P256 SIGN_VERIFY: the log's key can't sign: it is of the spec ECC_NIST_P256: expected ECC_NIST_EDWARDS25519, make another key
    RSA_2048 SIGN_VERIFY: the log's key can't sign: it is of the spec RSA_2048: expected ECC_NIST_EDWARDS25519, make another key
    RSA_2048 ENCRYPT_DECRYPT: the log's key can't sign: it is of the spec RSA_2048: expected ECC_NIST_EDWARDS25519, make another key
    SYMMETRIC_DEFAULT ENCRYPT_DECRYPT: the log's key can't sign: GetPublicKey: UnsupportedOperationException: GetPublicKey is only valid for asymmetric keys
    ");
}

#[tokio::test]
async fn what_is_no_key_is_refused_in_words() {
    let world = World::new().await;
    let mut said = Vec::new();
    for key in [
        "",
        "0f1e2d3c-0000-4000-8000-000000000000",
        "arn:aws:kms:eu-central-1:333333333333:alias/log",
        "arn:aws:iam::333333333333:role/halligan-log-signer",
        "arn:aws:kms:eu-central-1:333333333333:key/0f1e2d3c-0000-4000-8000-000000000000",
    ] {
        let settings = KmsSettings { key: key.to_owned(), ..settings(&world) };
        said.push(world.aws.kms_signer(&deployment(), settings).await.unwrap_err().to_string());
    }
    let unnamed = KmsSettings { origin: "two words".to_owned(), ..settings(&world) };
    said.push(world.aws.kms_signer(&deployment(), unnamed).await.unwrap_err().to_string());
    insta::assert_snapshot!(said.join("\n"), @r"
    the log's key can't sign: `` is not the ARN of a KMS key: expected `arn:aws:kms:REGION:ACCOUNT:key/ID`, and no alias
    the log's key can't sign: `0f1e2d3c-0000-4000-8000-000000000000` is not the ARN of a KMS key: expected `arn:aws:kms:REGION:ACCOUNT:key/ID`, and no alias
    the log's key can't sign: `arn:aws:kms:eu-central-1:333333333333:alias/log` is not the ARN of a KMS key: expected `arn:aws:kms:REGION:ACCOUNT:key/ID`, and no alias
    the log's key can't sign: `arn:aws:iam::333333333333:role/halligan-log-signer` is not the ARN of a KMS key: expected `arn:aws:kms:REGION:ACCOUNT:key/ID`, and no alias
    the log's key can't sign: GetPublicKey: AccessDeniedException: User: arn:aws:sts::333333333333:assumed-role/halligan-log-signer/halligan-example is not authorized to perform: kms:GetPublicKey because no identity-based policy allows the kms:GetPublicKey action
    the log's key can't sign: the origin `two words`: a key's name has no spaces and no `+`, and is not empty
    ");
}

#[tokio::test]
async fn what_nobody_could_verify_is_no_signature() {
    let world = World::new().await;
    let signer = world.aws.kms_signer(&deployment(), settings(&world)).await.unwrap();
    let answer = |signature: &str| {
        Trouble::Answer(
            200,
            format!(r#"{{"KeyId":"k","Signature":"{signature}","SigningAlgorithm":"ED25519_SHA_512"}}"#),
        )
    };
    let cases = [
        ("another's", answer(&format!("{}==", "A".repeat(86)))),
        ("none", Trouble::Answer(200, "{}".to_owned())),
        ("a refusal", Trouble::Answer(400, r#"{"__type":"DisabledException","message":"off"}"#.to_owned())),
        ("throttling", Trouble::Answer(400, r#"{"__type":"ThrottlingException","message":"slow"}"#.to_owned())),
        ("a failure", Trouble::Answer(500, r#"{"__type":"KMSInternalException","message":"sorry"}"#.to_owned())),
        ("silence", Trouble::Silence),
    ];
    for (name, trouble) in cases {
        world.proxy.peace();
        world.proxy.trouble("ED25519_SHA_512", usize::MAX, trouble);
        let SignError(text) = signer.sign(b"head").await.unwrap_err();
        assert!(text.starts_with("Sign: "), "{name}: {text}");
    }
    world.proxy.peace();
    world.proxy.trouble("ED25519_SHA_512", 1, Trouble::Reset);
    signer.sign(b"head").await.unwrap();
}

#[tokio::test]
async fn only_the_signer_signs() {
    let world = World::new().await;
    let settings = settings(&world);
    let mut stranger = settings.clone();
    "another-external-id".clone_into(&mut stranger.role.as_mut().unwrap().external_id);
    let own = KmsSettings { role: None, ..settings.clone() };
    for (name, settings) in [("a wrong external id", stranger), ("the broker itself", own)] {
        let error = world.aws.kms_signer(&deployment(), settings).await.unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{name}: {error}");
    }
    // It is asked where the key is.
    let elsewhere = KmsSettings { key: settings.key.replace(REGION, "us-west-2"), ..settings };
    let _ = world.aws.kms_signer(&deployment(), elsewhere).await;
    let asked = world.proxy.seen("KeyId").pop().unwrap();
    assert!(asked.headers["authorization"].to_str().unwrap().contains("/us-west-2/kms/"));
}
