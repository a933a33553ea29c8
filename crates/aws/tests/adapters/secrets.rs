//! No secret reaches an error or a trace, however closely somebody looks.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use halligan_core::iam::{SessionName, probe_policy};
use halligan_engine::ports::{Minter as _, ProbeSpec, Probes as _, RolePolicies as _};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::proxy::Trouble;
use crate::revoker::deny;
use crate::world::{REGION, World, deployment, grant_id};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Everything that this thread traces from now on, at every level.
    fn listen(level: tracing::Level) -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(lines.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn no_secret_is_traced_at_any_level() {
    let world = World::new().await;
    let (lines, _guard) = Lines::listen(tracing::Level::TRACE);
    let credentials = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();
    let spec = ProbeSpec {
        session_name: SessionName::new([1; 16]),
        tag: grant_id(1),
        policy: probe_policy(world.role.probe, world.now() + SignedDuration::from_mins(10)),
    };
    let probe = world.aws.probes().open(&world.role, &spec).await.unwrap();
    probe.call(REGION).await;
    let policies = world.aws.role_policies(&deployment());
    policies.write(&world.role, &deny(&[1])).await.unwrap();
    probe.call(REGION).await;

    let traced = lines.text();
    assert!(traced.contains("aws_smithy") && traced.len() > 10_000, "the SDK was listened to: {} bytes", traced.len());
    world.assert_untold(&traced);
    for secret in [&credentials.secret_access_key, &credentials.session_token] {
        assert_eq!(
            traced.lines().find(|line| line.contains(secret.expose_secret())),
            None,
            "a minted secret is traced"
        );
    }
}

/// At TRACE the SDK shows AWS's error messages as they are, so the broker never listens to it there.
#[tokio::test]
async fn no_secret_that_aws_repeats_is_traced_down_to_debug() {
    let world = World::new().await;
    let (lines, _guard) = Lines::listen(tracing::Level::DEBUG);
    world.proxy.trouble_all(Trouble::error(403, "SignatureDoesNotMatch", &world.echo()));
    world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
    let traced = lines.text();
    assert!(traced.contains("aws_smithy") && traced.contains("SignatureDoesNotMatch"), "{traced}");
    world.assert_untold(&traced);
}

#[tokio::test]
async fn an_answer_that_repeats_the_request_is_not_repeated() {
    let world = World::new().await;
    world.proxy.trouble_all(Trouble::error(403, "SignatureDoesNotMatch", &world.echo()));
    let error = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("SignatureDoesNotMatch") && shown.contains("x-amz-security-token"), "{shown}");
    world.assert_untold(&shown);
}

#[tokio::test]
async fn whoever_waits_sees_why() {
    let world = World::new().await;
    let (lines, _guard) = Lines::listen(tracing::Level::INFO);
    world.proxy.trouble("", 1, Trouble::error(400, "Throttling", "Rate exceeded"));
    world.proxy.trouble("", 1, Trouble::Silence);
    world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();
    let traced = lines.text();
    let warnings: Vec<&str> = traced.lines().filter(|line| line.contains("an attempt to reach AWS failed")).collect();
    assert_eq!(warnings.len(), 2, "{traced}");
    for (line, told) in warnings.iter().zip([["attempt=1", "Throttling"], ["attempt=2", "timeout"]]) {
        assert!(
            line.contains("WARN")
                && line.contains("mint{grant=0")
                && line.contains("AssumeRole")
                && told.iter().all(|told| line.contains(told)),
            "{line}"
        );
    }
}
