//! A look at a database that changes nothing of it: no file is made, no table
//! brought up to date.

use std::collections::BTreeSet;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::migrations;
use crate::open::{CONNECT, OpenError, locate};

/// A database, as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No broker has opened it yet: the first one makes its tables.
    Empty,
    /// It holds a broker's tables.
    Tables {
        /// How many entries there are.
        entries: u64,
        /// How many migrations the next start has to run.
        behind: usize,
    },
}

/// Looks at the database at `url`, as [`crate::Database::open`] takes it.
///
/// # Errors
/// It can't be reached or read.
pub async fn examine(url: &str) -> Result<Found, OpenError> {
    sqlx::any::install_default_drivers();
    let (_, text, file) = locate(url)?;
    let text = match file {
        Some(file) => match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Empty),
            Err(source) => return Err(OpenError::File { path: file, source }),
            // Made by a broker that came no further.
            Ok(metadata) if metadata.len() == 0 => return Ok(Found::Empty),
            Ok(_) => format!("{text}?mode=ro"),
        },
        None => text,
    };
    let options: AnyConnectOptions = text.parse().map_err(|_| OpenError::Url)?;
    let looking = async {
        let mut connection = AnyConnection::connect_with(&options).await?;
        let found = look(&mut connection).await;
        let _ = connection.close().await;
        found
    };
    tokio::time::timeout(CONNECT, looking).await.map_err(|_| OpenError::TimedOut)?.map_err(OpenError::Unreachable)
}

async fn look(connection: &mut AnyConnection) -> Result<Found, sqlx::Error> {
    let rows = match sqlx::query("SELECT version FROM _sqlx_migrations").fetch_all(&mut *connection).await {
        Err(error) if is_no_table(&error) => return Ok(Found::Empty),
        rows => rows?,
    };
    let run = rows.iter().map(|row| row.try_get::<i64, _>(0)).collect::<Result<BTreeSet<_>, _>>()?;
    let behind = migrations::versions().filter(|version| !run.contains(version)).count();
    let head = match sqlx::query("SELECT position FROM entries_head").fetch_one(connection).await {
        Err(error) if is_no_table(&error) => return Ok(Found::Tables { entries: 0, behind }),
        head => head?,
    };
    let entries = u64::try_from(head.try_get::<i64, _>(0)?).unwrap_or(0);
    Ok(Found::Tables { entries, behind })
}

/// PostgreSQL's `undefined_table`; SQLite has no code for it.
fn is_no_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().is_some_and(|code| code == "42P01") || error.message().starts_with("no such table")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, migrate};

    #[tokio::test]
    async fn a_look_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("50%25?x#.db");
        let url = format!("sqlite:{}", path.display());
        assert_eq!(examine(&url).await.unwrap(), Found::Empty);
        assert!(!path.exists(), "it was made");

        migrate(&url, 2).await.unwrap();
        let behind = migrations::versions().count() - 2;
        assert_eq!(examine(&url).await.unwrap(), Found::Tables { entries: 0, behind });
        assert_eq!(examine(&url).await.unwrap(), Found::Tables { entries: 0, behind }, "it was brought up to date");

        let database = Database::open(&url).await.unwrap();
        assert_eq!(examine(&url).await.unwrap(), Found::Tables { entries: 0, behind: 0 }, "beside a broker");
        database.close().await;
    }

    #[tokio::test]
    async fn what_is_no_database_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        std::fs::write(&path, "this is a text of more than a hundred bytes ".repeat(100)).unwrap();
        let error = examine(&format!("sqlite:{}", path.display())).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        let error = examine("postgres://halligan@127.0.0.1:1/halligan").await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        assert!(matches!(examine("mysql://x/y").await, Err(OpenError::Url)));
    }
}
