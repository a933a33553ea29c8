//! `halligan serve`: the broker, wired from its configuration.

mod fixed;
mod identity;
mod keys;
mod reload;
mod vouching;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use halligan_connect::mail::Addresses;
use halligan_core::catalogue::{Access, Role};
use halligan_engine::access::{AccessInForce, Reload};
use halligan_engine::broker::{Broker, Ports, Settings};
use halligan_engine::changes::Identity;
use halligan_engine::ports::{Clock, Console, Entropy, Sink, Trails};
use halligan_engine::publish::{OverrideRules, PublishPorts, PublishSettings};
use halligan_engine::reconcile::{
    Deadlines, Forwarding, ForwardingPorts, GuardPorts, Guards, Housekeeping, IncidentWatch, Personal, Publishing,
    RevocationPorts, Revocations, SignIns,
};
use halligan_server::{App, Metrics};
use halligan_store::Database;
use metrics_exporter_prometheus::PrometheusBuilder;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::client::machine::{MachineClock, MachineEntropy};
use crate::config::{Config, Fingerprint, Loaded};
use crate::places;
use crate::replica::Replica;
use crate::workers::Workers;

use self::fixed::Fixed;
use self::identity::Mailer;
use self::keys::IssuerKeys;
use self::reload::{Asked, Reloading};
use self::vouching::Vouching;

/// Which configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; docs/configuration.md describes it
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Serves until SIGTERM or SIGINT.
pub fn run(args: &Args) -> ExitCode {
    trace_to_stderr();
    let outcome = tokio::runtime::Runtime::new()
        .context("can't start the runtime")
        .and_then(|runtime| runtime.block_on(serve(&args.config)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On standard error in full, whatever the log's filter: it is why nothing serves.
            #[expect(clippy::print_stderr, reason = "the operator's terminal")]
            {
                eprintln!("halligan serve: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Traces as lines of JSON on standard error.
pub fn trace_to_stderr() {
    let chosen = EnvFilter::try_from_env("HALLIGAN_LOG").unwrap_or_else(|_| EnvFilter::new("info,aws_config=warn"));
    // At TRACE the AWS SDK prints AWS's answers, some of which repeat the request, its token and all.
    let harmless = filter_fn(|about| *about.level() != Level::TRACE || !about.target().starts_with("aws_"));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(chosen.and(harmless))).init();
}

async fn serve(file: &Path) -> anyhow::Result<()> {
    let recorded = PrometheusBuilder::new().install_recorder().context("metrics can't be recorded")?;
    let file = std::path::absolute(file).context("the configuration's path can't be made absolute")?;
    // Before it is read: what changes meanwhile is read again.
    let (asked, read) = (Asked::listen()?, Fingerprint::of(&file));
    let mut loaded = Config::load(&file)?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "the configuration works and is likely a mistake");
    }
    loaded.make_state_directory().context("the state directory can't be made")?;
    let clock: Arc<dyn Clock> = Arc::new(MachineClock);
    let entropy: Arc<dyn Entropy> = Arc::new(MachineEntropy);
    let fixed = Fixed::of(&loaded);
    let parts = Parts::build(&mut loaded, clock.clone(), entropy.clone()).await?;
    let policy = parts.broker.judge().access().now().sha256.clone();
    let broker = parts.broker.clone();
    let vouching = Vouching::new(&loaded, &broker, parts.mailer.clone(), clock.clone())
        .context("the configuration's issuers can't be used")?;
    let (authenticator, sign_in) = (vouching.authenticator().clone(), vouching.sign_ins().clone());
    let orphans = broker.orphans().await?;
    if !orphans.is_empty() {
        bail!(
            "the catalogue can't end these grants any more: {}; put their roles back as they were until they are over",
            orphans.join(", ")
        );
    }
    broker.started(env!("CARGO_PKG_VERSION"), &loaded.sha256).await;
    let store = parts.store.clone();
    changes(&loaded, &broker, policy).note(store.as_ref(), broker.recorder(), clock.now()).await?;

    let reload = Reload::new(broker.judge().access().clone(), store, broker.recorder().clone(), clock.clone());
    let keys = IssuerKeys::new(authenticator.clone());
    let wake_keys = vouching.changed();
    let reloading = Reloading::new((file, read), fixed, reload, vouching, parts.addresses.clone(), asked.clone());
    let (workers, _replica) = parts.work(clock.clone());
    workers.run(reloading, Some(asked.wake()));
    // Beside everything else: a provider that is down keeps nobody from starting.
    workers.run(keys, Some(wake_keys));
    let metrics =
        Metrics { render: Box::new(move || recorded.render()), networks: loaded.server.metrics_networks.clone() };
    let recorder = broker.recorder().clone();
    let app = App::new(halligan_server::Parts {
        broker,
        authenticator,
        clock: clock.clone(),
        entropy,
        trusted_proxies: loaded.server.trusted_proxies.clone(),
        metrics: Some(metrics),
        sign_in,
    });
    let served = halligan_server::serve::serve(settings(&loaded), app, stop()?, |address| {
        tracing::info!(%address, "serving");
    })
    .await;
    recorder.close_last_window(clock.now()).await;
    workers.stop().await;
    served.context("the HTTP server failed")
}

/// The adapters and what they are wired into. One process at a time has those of a state directory.
pub struct Parts {
    broker: Arc<Broker>,
    store: Arc<Database>,
    addresses: Arc<Addresses>,
    mailer: Option<Arc<Mailer>>,
    sinks: Vec<Arc<dyn Sink>>,
    trails: Option<Arc<dyn Trails>>,
    personal: Personal,
    revocations: RevocationPorts,
    replica: Replica,
}

impl Parts {
    /// Connects everything that the configuration names. Nothing works yet.
    pub async fn build(loaded: &mut Loaded, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let store = Database::open(loaded.store.url.expose_secret()).await.context("the store can't be opened")?;
        let store = Arc::new(store);
        let aws = places::aws(&loaded.aws, clock.clone()).await;
        // Some partitions have no console that we know; only roles with one need it.
        let console: Option<Arc<dyn Console>> = match loaded.catalogue.roles.values().any(|role| role.console) {
            true => Some(Arc::new(
                aws.console(&loaded.server.public_url, loaded.aws.federation_endpoint.as_deref())
                    .context("the console's sign-in can't be used")?,
            )),
            false => None,
        };
        let replica = Replica::of(&loaded.state_directory, clock.as_ref(), entropy.as_ref())?;
        let catalogue = Arc::new(loaded.catalogue.clone());
        let deployment = catalogue.deployment.clone();
        let (log, signing) = (&loaded.log, places::signer(&loaded.log, &deployment, &aws, entropy.as_ref()));
        let publish = PublishPorts {
            log: store.clone(),
            restore: store.clone(),
            leases: store.clone(),
            facts: store.clone(),
            cursors: store.clone(),
            passkeys: store.clone(),
            archives: places::archives(log, &deployment, &aws).await?,
            signer: signing.await?,
            witnesses: places::witnesses(log)?,
        };
        let sinks = places::sinks(log, &deployment, &aws);
        let trails = places::trails(log, &deployment, &aws);
        let mut personal = places::personal_data(log).await?;
        personal.push(store.clone());
        let addresses = Arc::new(Addresses::new(loaded.rules.mail()));
        let mailer = identity::mailer(loaded.mail.as_ref(), &addresses)?;
        let ports = Ports {
            clock: clock.clone(),
            entropy: entropy.clone(),
            grants: store.clone(),
            idempotency: store.clone(),
            publish,
            access: Arc::new(AccessInForce::new(loaded.rules.access())),
            identity: identity::ports(&store, mailer.clone()),
            incidents: Arc::new(loaded.take_incident_tools()),
            minter: Arc::new(aws.minter()),
            console,
            clock_offset: Arc::new(aws.clock_offset()),
        };
        let settings = Settings {
            publish: publishing(loaded, &replica, store.is_shared()),
            log_wait: loaded.log.wait,
            mints_per_minute: loaded.limits.mints_per_minute,
            identity: identity::settings(loaded),
            rates: identity::rates(loaded),
        };
        let revocations = RevocationPorts {
            clock,
            entropy,
            grants: store.clone(),
            work: store.clone(),
            leases: store.clone(),
            ledger: store.clone(),
            policies: Arc::new(aws.role_policies(&deployment)),
            probes: Arc::new(aws.probes()),
        };
        let broker = Arc::new(Broker::new(catalogue, ports, settings));
        let kept = loaded.log.personal_kept;
        let personal = Personal { places: personal, kept };
        Ok(Self { broker, store, addresses, mailer, sinks, trails, personal, revocations, replica })
    }

    /// The broker.
    pub const fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Starts every worker. They are this replica's for as long as that value lives.
    fn work(self, clock: Arc<dyn Clock>) -> (Workers, Replica) {
        let Self { broker, store, addresses: _, mailer: _, sinks, trails, personal, revocations, replica } = self;
        let (workers, wake) = (Workers::new(clock, store.is_shared()), broker.wake().clone());
        workers.run(Publishing::new(broker.publisher().clone()), Some(wake.publisher.clone()));
        for sink in sinks {
            let (publisher, overrides) = (broker.publisher().clone(), broker.overrides().clone());
            let follower = publisher.follow();
            let (log, cursors, leases) = (store.clone(), store.clone(), store.clone());
            let ports = ForwardingPorts { log, cursors, leases, publisher, overrides };
            workers.run(Forwarding::new(sink, ports, replica.id().to_owned()), Some(follower));
        }
        workers.run(Deadlines::new(broker.clone()), Some(wake.deadlines.clone()));
        workers.run(IncidentWatch::new(broker.clone(), store.clone()), None);
        workers.run(Revocations::new(broker.clone(), revocations, replica.id().to_owned()), Some(wake.work.clone()));
        let ports = GuardPorts {
            facts: store.clone(),
            archives: broker.publisher().archives().into_iter().map(|(archive, _)| archive).collect(),
            trails,
            catalogue: broker.catalogue().clone(),
            recorder: broker.recorder().clone(),
        };
        workers.run(Guards::new(ports), None);
        workers.run(SignIns::new(broker.clone()), Some(wake.enrolments.clone()));
        workers.run(Housekeeping::new(broker, store.clone(), store, personal), None);
        (workers, replica)
    }
}

fn publishing(loaded: &Loaded, replica: &Replica, shared: bool) -> PublishSettings {
    let log = &loaded.log;
    let overrides = log.overriding.as_ref().map_or_else(OverrideRules::default, |rules| OverrideRules {
        confirmed_by: rules.confirmed_by.iter().map(ToString::to_string).collect(),
        longest: rules.longest,
    });
    PublishSettings {
        deployment: loaded.catalogue.deployment.clone(),
        replica: replica.id().to_owned(),
        shared,
        confirmations: log.confirmations,
        cosignatures: log.cosignatures,
        heartbeat: log.heartbeat,
        former: log.key.former.clone(),
        overrides,
    }
}

/// What this broker is, for the record of changes.
fn changes(loaded: &Loaded, broker: &Broker, policy: String) -> Identity {
    // The lists of roles are part of the rules.
    let means = |role: &Role| sha256(&format!("{:?}", Role { access: Access::default(), ..role.clone() }));
    let roles = loaded.catalogue.roles.iter().map(|(name, role)| (name.to_string(), means(role)));
    let places = places::fingerprints(&loaded.log).into_iter().map(|(name, place)| (name, sha256(&place)));
    Identity { key: broker.publisher().key().to_string(), places: places.collect(), roles: roles.collect(), policy }
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn settings(loaded: &Loaded) -> halligan_server::serve::Settings {
    let tls = loaded.server.tls.as_ref().map(|tls| halligan_server::serve::Tls {
        certificate_file: tls.certificate_file.clone(),
        key_file: tls.key_file.clone(),
    });
    halligan_server::serve::Settings { listen: loaded.server.listen, tls }
}

/// Done on SIGTERM or SIGINT.
pub fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping");
    })
}
