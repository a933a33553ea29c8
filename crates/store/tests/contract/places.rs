//! Where the properties are tried.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use halligan_core::entry::Draft;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Grant, Transition};
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{
    Ceremonies, Change, Committed, Cursors, Facts, GrantStore, Head, IdempotencyStore, Leases, LogRestore, LogStore,
    LoginGroups, Passkeys, PersonalData, QueuedEntry, RoleLedger, Sessions, SignOuts, StoreError, Version, WorkQueue,
};
use halligan_log::Edge;
use halligan_store::Database;
use jiff::Timestamp;
use pgtemp::{PgTempDB, PgTempDBBuilder};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor};

/// Something that holds at every `T`.
pub struct Property<T> {
    pub name: &'static str,
    pub test: fn(T) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<T: Send + 'static> Property<T> {
    /// Tries it, and goes on with the others whatever comes of it.
    pub async fn hold(&self, at: T, failed: &mut Vec<&'static str>) {
        if tokio::spawn((self.test)(at)).await.is_err() {
            failed.push(self.name);
        }
    }
}

/// The functions of a module as properties.
macro_rules! properties {
    ($place:ty: $($name:ident),* $(,)?) => {
        pub fn properties() -> Vec<$crate::places::Property<$place>> {
            vec![$($crate::places::Property {
                name: concat!(module_path!(), "::", stringify!($name)),
                test: |at| Box::pin($name(at)),
            }),*]
        }
    };
}
pub(crate) use properties;

/// The ports, wherever they lead.
#[derive(Clone)]
pub struct Store {
    pub grants: Arc<dyn GrantStore>,
    pub log: Arc<dyn LogStore>,
    pub restore: Arc<dyn LogRestore>,
    pub personal: Arc<dyn PersonalData>,
    pub cursors: Arc<dyn Cursors>,
    pub facts: Arc<dyn Facts>,
    pub work: Arc<dyn WorkQueue>,
    pub leases: Arc<dyn Leases>,
    pub roles: Arc<dyn RoleLedger>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub sessions: Arc<dyn Sessions>,
    pub sign_outs: Arc<dyn SignOuts>,
    pub ceremonies: Arc<dyn Ceremonies>,
    pub groups: Arc<dyn LoginGroups>,
    pub passkeys: Arc<dyn Passkeys>,
}

impl Store {
    pub fn over<T>(store: Arc<T>) -> Self
    where
        T: GrantStore + WorkQueue + Leases + RoleLedger + IdempotencyStore + 'static,
        T: LogStore + LogRestore + PersonalData + Cursors + Facts,
        T: Sessions + SignOuts + Ceremonies + LoginGroups + Passkeys,
    {
        Self {
            grants: store.clone(),
            log: store.clone(),
            restore: store.clone(),
            personal: store.clone(),
            cursors: store.clone(),
            facts: store.clone(),
            work: store.clone(),
            leases: store.clone(),
            roles: store.clone(),
            idempotency: store.clone(),
            sessions: store.clone(),
            sign_outs: store.clone(),
            ceremonies: store.clone(),
            groups: store.clone(),
            passkeys: store,
        }
    }

    /// Commits a grant and nothing else.
    pub async fn put(&self, grant: &Grant, version: Option<Version>) -> Result<Committed, StoreError> {
        let change = Change { grant: Some((grant.clone(), version)), ..Change::default() };
        self.grants.commit(change, fixtures::start()).await
    }

    /// Commits entries and nothing else.
    pub async fn note(&self, grant: &Grant, numbers: &[u64], now: Timestamp) -> Result<Committed, StoreError> {
        let entries = numbers.iter().map(|number| fixtures::draft(grant, happened(), *number)).collect();
        self.grants.commit(Change { entries, ..Change::default() }, now).await
    }

    /// Commits entries that somebody gave a reason for, and nothing else.
    pub async fn explain(&self, grant: &Grant, numbers: &[u64], now: Timestamp) -> Result<Committed, StoreError> {
        let entries = numbers.iter().map(|number| explained(grant, *number)).collect();
        self.grants.commit(Change { entries, ..Change::default() }, now).await
    }

    /// Moves a sink's cursor from where it is.
    pub async fn move_cursor(&self, sink: &str, position: u64) {
        let from = self.cursors.cursor(sink).await.unwrap();
        self.cursors.move_cursor(sink, from, position).await.unwrap();
    }

    /// Up to which position a sink has kept everything.
    pub async fn cursor(&self, sink: &str) -> u64 {
        self.cursors.cursor(sink).await.unwrap().position
    }

    /// Every entry.
    pub async fn entries(&self) -> Vec<QueuedEntry> {
        self.log.entries(1, 10_000).await.unwrap()
    }
}

/// The tree of these entries.
pub fn tree(entries: &[QueuedEntry]) -> Head {
    let growth = Edge::default().grow(entries.iter().map(|entry| Arc::clone(&entry.leaf))).unwrap();
    Head { size: growth.edge.size(), root: growth.edge.root() }
}

/// Some entry with a personal part.
pub fn explained(grant: &Grant, number: u64) -> Draft {
    let why = fixtures::reason(&format!("because of {number}"));
    fixtures::draft(grant, Recorded::with_reason(Event::GrantWithdrawn {}, &why), number)
}

/// Some event.
pub fn happened() -> Recorded {
    Recorded::plain(Event::GrantWithdrawn {})
}

/// All that a transition is, as one change. Its entries' ids begin at `number`.
pub fn change(transition: Transition, version: Option<Version>, number: u64) -> Change {
    let Transition { grant, events, effects } = transition;
    let entries = (number..).zip(events).map(|(number, event)| fixtures::draft(&grant, event, number)).collect();
    Change { grant: Some((grant, version)), entries, effects, answers: None }
}

/// A database of a property's own.
#[derive(Clone)]
pub struct Place {
    pub url: String,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
}

impl Place {
    pub async fn open(&self) -> Arc<Database> {
        Arc::new(Database::open(&self.url).await.unwrap())
    }

    /// A connection past the store.
    pub async fn sql(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match &self.file {
            Some(path) => format!("sqlite://{}?mode=rwc", path.display()),
            None => self.url.clone(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }

    /// Runs one statement past the store; returns how many rows it changed.
    pub async fn tamper(&self, statement: &str) -> u64 {
        let mut connection = self.sql().await;
        let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
        let changed = done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected();
        connection.close().await.unwrap();
        changed
    }
}

/// A SQLite file in a directory that goes away with this.
pub struct Sqlite(tempfile::TempDir);

impl Sqlite {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn place(&self) -> Place {
        Place::file(&self.0.path().join("halligan.db"))
    }
}

impl Place {
    pub fn file(path: &Path) -> Self {
        Self { url: format!("sqlite:{}", path.display()), file: Some(path.to_owned()) }
    }
}

/// A PostgreSQL server that goes away with this.
pub struct Postgres {
    server: PgTempDB,
    admin: AnyPool,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts one, with the programs in `HALLIGAN_PG_BIN` or on the path.
    pub async fn start() -> Self {
        let mut builder = PgTempDBBuilder::new()
            .with_initdb_arg("encoding", "UTF8")
            .with_initdb_arg("locale", "C.UTF-8")
            // Nobody reads its pipe: a server that has much to say would wait for ever.
            .with_config_param("log_min_messages", "panic");
        if let Some(bin) = std::env::var_os("HALLIGAN_PG_BIN") {
            builder = builder.with_bin_path(PathBuf::from(bin));
        }
        let server = builder.start_async().await;
        sqlx::any::install_default_drivers();
        // The pool tries until the server listens.
        let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(60));
        let admin = pool.connect(&server.connection_uri()).await.unwrap();
        Self { server, admin, databases: AtomicU32::new(0) }
    }

    /// A new database. It sorts as people do, where the server can, so that what
    /// relies on the order of bytes shows.
    pub async fn place(&self) -> Place {
        let name = format!("property_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let sorted = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'";
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {sorted}");
        if self.admin.execute(AssertSqlSafe(create)).await.is_err() {
            // Before PostgreSQL 15, or built without ICU.
            self.admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        }
        let (user, password, port) = (self.server.db_user(), self.server.db_pass(), self.server.db_port());
        Place { url: format!("postgres://{user}:{password}@localhost:{port}/{name}"), file: None }
    }
}
