//! Sixteen writers append entries, beside the same transactions without us.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use halligan_core::entry::Draft;
use halligan_engine::fakes::fixtures::{self, Asking};
use halligan_engine::ports::{Change, GrantStore as _, QueuedEntry};
use halligan_store::Database;
use pgtemp::PgTempDBBuilder;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, AssertSqlSafe, Executor as _, SqlSafeStr as _};
use tokio::sync::Mutex;

use crate::publish::directory;
use crate::table::{Table, median};

const WRITERS: usize = 16;
const EACH: usize = 40;
const ROUNDS: usize = 9;

/// An entry as a mint leaves it.
fn draft(number: u64) -> Draft {
    let grant = Asking::new(1).active();
    let (mut transition, _) = fixtures::mint(&grant, number, fixtures::at(90));
    fixtures::draft(&grant, transition.events.remove(0), number)
}

/// A database that is written to past the store, with the store's tables.
struct Bare {
    pool: AnyPool,
    begin: &'static str,
    /// SQLite's writers take turns: its own waiting is by chance.
    turn: Option<Mutex<()>>,
}

const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

impl Bare {
    async fn open(url: &str) -> Self {
        let sqlite = url.starts_with("sqlite:");
        // It makes the tables.
        Database::open(url).await.unwrap().close().await;
        let settings = if sqlite { SQLITE } else { "SELECT 1" };
        let pool = AnyPoolOptions::new()
            .max_connections(if sqlite { 4 } else { 16 })
            .after_connect(move |connection, _| Box::pin(async move { connection.execute(settings).await.map(drop) }));
        let pool = pool.connect(url).await.unwrap();
        for table in ["bare", "apart"] {
            let sql = format!("CREATE TABLE {table} (id TEXT NOT NULL PRIMARY KEY, entry TEXT NOT NULL)");
            pool.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let begin = if sqlite { "BEGIN IMMEDIATE" } else { "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" };
        Self { pool, begin, turn: sqlite.then(Mutex::default) }
    }

    /// The store's transaction: the head, the entry, the commit.
    async fn commit(&self, number: u64, text: &str) {
        let _turn = match &self.turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let mut transaction = self.pool.begin_with(self.begin.into_sql_str()).await.unwrap();
        let head = "UPDATE entries_head SET position = position + 1, time_ns = CASE WHEN time_ns < $1 THEN $1 ELSE time_ns END RETURNING position";
        let head = sqlx::query(head).bind(1_i64).fetch_one(&mut *transaction).await.unwrap();
        let position: i64 = sqlx::Row::get(&head, 0);
        let insert = "INSERT INTO entries (position, id, grant_id, entry, personal) VALUES ($1, $2, $3, $4, NULL)";
        let insert = sqlx::query(insert).bind(position).bind(number.to_string()).bind("grant").bind(text);
        insert.execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// One row that no other waits for, as the database commits by itself.
    async fn insert(&self, number: u64, text: &str) {
        let _turn = match &self.turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let insert = sqlx::query("INSERT INTO apart (id, entry) VALUES ($1, $2)");
        insert.bind(number.to_string()).bind(text).execute(&self.pool).await.unwrap();
    }
}

/// All writers at once, each one after the other.
async fn writers(each: impl AsyncFn(u64)) -> Duration {
    let each = &each;
    let began = Instant::now();
    let writer = |writer: usize| async move {
        for turn in 0..EACH {
            each(u64::try_from(writer * EACH + turn).unwrap()).await;
        }
    };
    join_all((0..WRITERS).map(writer)).await;
    began.elapsed()
}

async fn one(table: &mut Table, name: &str, ours: &str, theirs: &str) {
    let store = Arc::new(Database::open(ours).await.unwrap());
    let bare = Bare::open(theirs).await;
    let text =
        String::from_utf8(QueuedEntry::new(1, draft(1).seal(fixtures::at(90), fixtures::at(90))).leaf.entry.clone())
            .unwrap();
    let mut samples = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let first = u64::try_from(round * WRITERS * EACH + 10).unwrap();
        let drafts: Vec<Draft> = (0..WRITERS * EACH).map(|at| draft(first + u64::try_from(at).unwrap())).collect();
        let drafts = &drafts;
        let appended = writers(async |at| {
            let entries = vec![drafts[usize::try_from(at).unwrap()].clone()];
            store.commit(Change { entries, ..Change::default() }, fixtures::at(90)).await.unwrap();
        });
        let appended = appended.await;
        let committed = writers(async |at| bare.commit(first + at, &text).await).await;
        let inserted = writers(async |at| bare.insert(first + at, &text).await).await;
        if round > 0 {
            samples.iter_mut().zip([appended, committed, inserted]).for_each(|(all, took)| all.push(took));
        }
    }
    let [appended, committed, inserted] = samples.map(|mut all| median(&mut all));
    let rate = |seconds: f64| format!("{:.0} /s", (WRITERS * EACH) as f64 / seconds);
    table.told(format!("{WRITERS} writers append, {name}"), rate(appended));
    table.told(format!("  the same transactions past the store, {name}"), rate(committed));
    table.told(format!("  rows that know no order, {name}"), rate(inserted));
    table.told(format!("  an append ÷ its bare commit, {name}"), format!("{:.2}", appended / committed));
    table.told(format!("  an append ÷ a row that knows no order, {name}"), format!("{:.2}", appended / inserted));
    store.close().await;
    bare.pool.close().await;
}

pub async fn measure(table: &mut Table) {
    let directory = directory();
    let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    sqlx::any::install_default_drivers();
    one(table, "SQLite", &file("ours.db"), &file("bare.db")).await;

    let mut builder = PgTempDBBuilder::new().with_config_param("log_min_messages", "panic");
    if let Some(bin) = std::env::var_os("HALLIGAN_PG_BIN") {
        builder = builder.with_bin_path(PathBuf::from(bin));
    }
    let server = builder.start_async().await;
    let waiting = AnyPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(60));
    let admin = waiting.connect(&server.connection_uri()).await.unwrap();
    let (user, password, port) = (server.db_user(), server.db_pass(), server.db_port());
    let mut urls = Vec::new();
    for name in ["ours", "bare"] {
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        urls.push(format!("postgres://{user}:{password}@localhost:{port}/{name}"));
    }
    admin.close().await;
    one(table, "PostgreSQL", &urls[0], &urls[1]).await;
}
