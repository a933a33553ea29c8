//! Why policies were refused.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a text of policies, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LoadError {
    /// The file's name; empty if it is about all.
    pub file: String,
    /// The line, from 1; 0 if it is about all.
    pub line: usize,
    /// The column in characters, from 1; 0 if it is about all.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected, or what to do.
    pub expected: Option<String>,
    /// The line that it is about.
    pub excerpt: Option<String>,
}

impl std::error::Error for LoadError {}

impl LoadError {
    pub(super) fn of_all(message: impl Into<String>) -> Self {
        Self { file: String::new(), line: 0, column: 0, message: message.into(), expected: None, excerpt: None }
    }

    pub(super) fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        }
        write!(f, "{}", self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, ": {expected}")?;
        }
        if let Some(excerpt) = &self.excerpt {
            // A tab stays one, so that the caret stands under what it means.
            let indent: String =
                excerpt.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n  | {excerpt}\n  | {indent}^")?;
        }
        Ok(())
    }
}
