//! Opening a database.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use halligan_core::text::printable;
use halligan_engine::ports::StoreError;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::MigrateError;
use sqlx::{AnyConnection, AnyPool, Connection, Executor, SqlSafeStr, SqlStr};
use tokio::sync::{Mutex, MutexGuard};

use crate::migrations;
use crate::writing::Failure;

/// How long a connection may take to be made, or to become free.
pub const CONNECT: Duration = Duration::from_secs(10);

/// In the one process that has the file open, writers take turns: more readers
/// than this have nothing to win.
const SQLITE_CONNECTIONS: u32 = 4;
/// A replica's. PostgreSQL takes 100 by default, of all its clients together.
const POSTGRES_CONNECTIONS: u32 = 16;

/// `synchronous=FULL` makes each commit durable in WAL mode too, where SQLite
/// would otherwise sync at checkpoints alone (SQLite, PRAGMA synchronous).
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

/// A replica that stalls in a transaction must not keep the others from appending
/// entries for longer than they wait. A cluster that answers commits before they
/// are durable is told not to; a stricter setting stays.
const POSTGRES_SETTINGS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '20s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not the URL of a database that there is an adapter for. What it says is
    /// not shown: it may hold a password.
    #[error("the database's URL is not one: expected `sqlite:/path/to/file.db` or `postgres://user@host/name`")]
    Url,
    /// The file can't be made or read.
    #[error(
        "the database file `{path}` can't be opened: expected a file that can be read and written in a directory that exists"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The server or the file doesn't answer.
    #[error("the database can't be reached")]
    Unreachable(#[source] sqlx::Error),
    /// Nobody answered in time.
    #[error("the database didn't answer within {} seconds", CONNECT.as_secs())]
    TimedOut,
    /// The tables can't be brought up to date, and are as they were.
    #[error("the database's tables can't be brought up to date")]
    Migration(#[source] MigrateError),
}

/// Which database it is, for the few things that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Begins a transaction that may write. SQLite's takes the lock at once: one
    /// that reads first can't wait for it later (SQLite, "Deferred, Immediate, and
    /// Exclusive Transactions"). PostgreSQL's is said, whatever the cluster's default.
    pub fn begin(self) -> SqlStr {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE".into_sql_str(),
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE".into_sql_str(),
        }
    }

    const fn settings(self) -> &'static str {
        match self {
            Self::Sqlite => SQLITE_SETTINGS,
            Self::Postgres => POSTGRES_SETTINGS,
        }
    }

    const fn connections(self) -> u32 {
        match self {
            Self::Sqlite => SQLITE_CONNECTIONS,
            Self::Postgres => POSTGRES_CONNECTIONS,
        }
    }
}

/// The store over a database.
#[derive(Debug)]
pub struct Database {
    pool: AnyPool,
    engine: Engine,
    /// SQLite has one writer at a time. Waiting here is fair; SQLite's own waiting
    /// is by chance, and fails after five seconds.
    turn: Mutex<()>,
}

impl Database {
    /// Opens `sqlite:/path/to/file.db`, whose directory exists, or
    /// `postgres://user@host/name`, and brings its tables up to date.
    ///
    /// # Errors
    /// Why it can't be used.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let (engine, options) = migrated(url, None).await?;
        let pool = AnyPoolOptions::new()
            .max_connections(engine.connections())
            .acquire_timeout(CONNECT)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(engine.settings()).await.map(drop) })
            })
            .connect_lazy_with(options);
        // The first with the pool's settings.
        pool.acquire().await.map_err(OpenError::Unreachable)?;
        Ok(Self { pool, engine, turn: Mutex::new(()) })
    }

    /// Whether the database answers, and its tables are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let head = sqlx::query("SELECT position FROM entries_head").fetch_one(&self.pool).await;
        head.map(drop).map_err(|error| Failure::from(error).into())
    }

    /// Whether other replicas may use the same database.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match self.engine {
            Engine::Sqlite => false,
            Engine::Postgres => true,
        }
    }

    /// Waits for what is under way, and closes it. A process that dies without
    /// loses nothing that was committed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) const fn pool(&self) -> &AnyPool {
        &self.pool
    }

    pub(crate) const fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.engine {
            Engine::Sqlite => Some(self.turn.lock().await),
            Engine::Postgres => None,
        }
    }
}

/// Brings the tables up to the migration `last`: for tests that begin with older ones.
///
/// # Errors
/// As [`Database::open`].
pub async fn migrate(url: &str, last: i64) -> Result<(), OpenError> {
    migrated(url, Some(last)).await.map(drop)
}

async fn migrated(url: &str, last: Option<i64>) -> Result<(Engine, AnyConnectOptions), OpenError> {
    sqlx::any::install_default_drivers();
    let (engine, options) = located(url)?;
    let mut connection = connect(engine, &options).await?;
    migrations::run(&mut connection, engine, last).await.map_err(OpenError::Migration)?;
    // It is up to date: what saying goodbye says no longer matters.
    let _ = connection.close().await;
    Ok((engine, options))
}

fn located(url: &str) -> Result<(Engine, AnyConnectOptions), OpenError> {
    let (engine, url, file) = locate(url)?;
    if let Some(path) = file {
        create(&path).map_err(|source| OpenError::File { path, source })?;
    }
    Ok((engine, url.parse().map_err(|_| OpenError::Url)?))
}

/// Which database it is, its URL as the driver takes it, and the file that it is in.
pub fn locate(url: &str) -> Result<(Engine, String, Option<PathBuf>), OpenError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Engine::Postgres, url.to_owned(), None));
    }
    let path = url.strip_prefix("sqlite:").ok_or(OpenError::Url)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') {
        // `:memory:` would be another database for each connection.
        return Err(OpenError::Url);
    }
    let path = std::path::absolute(path).map_err(|source| OpenError::File { path: path.into(), source })?;
    let text = path.to_str().ok_or(OpenError::Url)?;
    // What a URL gives a meaning to stands for itself in a path.
    let text = text.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok((Engine::Sqlite, format!("sqlite:///{}", text.trim_start_matches('/')), Some(path)))
}

/// Makes the file, for nobody else to read. SQLite gives the files beside it the same mode.
fn create(path: &std::path::Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The first connection, which no pool keeps trying to make: what is wrong is told at once.
async fn connect(engine: Engine, options: &AnyConnectOptions) -> Result<AnyConnection, OpenError> {
    let making = AnyConnection::connect_with(options);
    let mut connection = tokio::time::timeout(CONNECT, making)
        .await
        .map_err(|_| OpenError::TimedOut)?
        .map_err(OpenError::Unreachable)?;
    if engine == Engine::Sqlite {
        to_wal(&mut connection).await.map_err(OpenError::Unreachable)?;
    }
    Ok(connection)
}

/// Changing the mode doesn't wait for a second process that is just doing the
/// same (SQLite, WAL mode), so it is asked for again for a while.
async fn to_wal(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let mut left = 100;
    loop {
        match connection.execute(SQLITE_SETTINGS).await {
            Err(error) if left > 0 && is_busy(&error) => {
                left -= 1;
                tracing::debug!(error = printable(&error.to_string(), 200), "another process is opening the database");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome.map(drop),
        }
    }
}

/// SQLITE_BUSY and its extended codes.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn what_is_no_url_is_refused_without_being_shown() {
        let texts = [
            "",
            "halligan.db",
            "mysql://alice:hunter2@localhost/x",
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "postgres://a:hunter2@:x/y",
        ];
        for text in texts {
            let error = Database::open(text).await.unwrap_err();
            assert!(matches!(error, OpenError::Url), "{text}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_named() {
        let error = Database::open("sqlite:/nowhere/at/all/halligan.db").await.unwrap_err();
        assert!(error.to_string().contains("`/nowhere/at/all/halligan.db`"), "{error}");
    }

    #[tokio::test]
    async fn a_file_can_have_any_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["plain.db", "with a space", "50%25?mode=memory#x.db", "ü.db"] {
            let path = directory.path().join(name);
            for prefix in ["sqlite:", "sqlite://"] {
                let database = Database::open(&format!("{prefix}{}", path.display())).await.unwrap();
                database.ping().await.unwrap();
                database.close().await;
            }
            assert!(std::fs::metadata(&path).unwrap().len() > 0, "{name}");
        }
    }

    #[tokio::test]
    async fn every_connection_to_a_file_syncs_its_commits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("halligan.db");
        let database = Database::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let mut connections = Vec::new();
        for _ in 0..SQLITE_CONNECTIONS {
            let mut connection = database.pool().acquire().await.unwrap();
            let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
            assert_eq!(mode.get::<String, _>(0), "wal");
            let synchronous = sqlx::query("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
            assert_eq!(synchronous.get::<i64, _>(0), 2, "2 is FULL");
            connections.push(connection);
        }
    }
}
