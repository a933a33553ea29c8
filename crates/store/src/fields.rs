//! Reading a row's columns, so that what can't be read names itself.

use halligan_core::text::printable;
use halligan_engine::ports::StoreError;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row, Type};

/// A row of `table`, and the key that an error names it by.
pub struct Fields<'r> {
    table: &'static str,
    key: String,
    row: &'r AnyRow,
}

impl<'r> Fields<'r> {
    /// Reads `row`, whose key is made of the text columns `key`.
    pub fn new(table: &'static str, key: &[&'static str], row: &'r AnyRow) -> Result<Self, StoreError> {
        let mut fields = Self { table, key: "?".to_owned(), row };
        let parts: Result<Vec<String>, StoreError> = key.iter().map(|column| fields.text(column)).collect();
        fields.key = printable(&parts?.join("/"), 200);
        Ok(fields)
    }

    /// As [`Fields::new`], for a key that is a number.
    pub fn numbered(table: &'static str, key: &'static str, row: &'r AnyRow) -> Result<Self, StoreError> {
        let mut fields = Self { table, key: "?".to_owned(), row };
        fields.key = fields.integer(key)?.to_string();
        Ok(fields)
    }

    /// That `column` holds what it can't.
    pub fn corrupt(&self, column: &'static str, because: impl Into<String>) -> StoreError {
        StoreError::Corrupt { table: self.table, column, row: self.key.clone(), because: because.into() }
    }

    pub fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub fn text_or_null(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub fn integer_or_null(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A number that counts something.
    pub fn count<N: TryFrom<i64>>(&self, column: &'static str) -> Result<N, StoreError> {
        let number = self.integer(column)?;
        N::try_from(number).map_err(|_| self.corrupt(column, format!("{number} counts nothing")))
    }

    pub fn instant(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        let milliseconds = self.integer(column)?;
        Timestamp::from_millisecond(milliseconds)
            .map_err(|_| self.corrupt(column, format!("{milliseconds} ms is no instant")))
    }

    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        self.parsed(column, &self.text(column)?)
    }

    pub fn json_or_null<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.text_or_null(column)?.map(|text| self.parsed(column, &text)).transpose()
    }

    /// That a copy says what the body says.
    pub fn agrees<T: PartialEq + std::fmt::Debug>(
        &self,
        column: &'static str,
        found: T,
        body: T,
    ) -> Result<(), StoreError> {
        if found == body {
            return Ok(());
        }
        Err(self.corrupt(column, format!("it says {}, and the body {}", shown(&found), shown(&body))))
    }

    fn parsed<T: DeserializeOwned>(&self, column: &'static str, text: &str) -> Result<T, StoreError> {
        parsed(text).map_err(|because| self.corrupt(column, because))
    }

    fn get<T: Decode<'r, Any> + Type<Any>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|error| self.corrupt(column, printable(&error.to_string(), 200)))
    }
}

/// What JSON says, or why it doesn't say it.
pub fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // Where, but not what: serde's message may quote a person's free text.
    serde_json::from_str(text).map_err(|error| {
        let fault = match error.classify() {
            serde_json::error::Category::Data => "it is JSON, but not of what it should be",
            serde_json::error::Category::Eof => "the JSON ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is no JSON",
        };
        format!("{fault}, at character {}", error.column())
    })
}

fn shown(value: &impl std::fmt::Debug) -> String {
    printable(&format!("{value:?}"), 100)
}
