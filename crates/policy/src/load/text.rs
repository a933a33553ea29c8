//! A file's text, and where in it something stands.

use miette::Diagnostic;

use super::{LoadError, Source};

/// A text, to point into.
pub(crate) struct Text<'a> {
    source: &'a Source,
}

impl<'a> Text<'a> {
    pub const fn new(source: &'a Source) -> Self {
        Self { source }
    }

    pub fn text(&self) -> &'a str {
        &self.source.text
    }

    /// Something is wrong at this byte.
    pub fn error(&self, offset: usize, message: impl Into<String>) -> LoadError {
        let text = self.text();
        // A place beyond the text (the parser's "end of input") is its end; one inside a character, its beginning.
        let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let (before, after) = text.split_at(offset);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        let rest = after.lines().next().unwrap_or_default();
        LoadError {
            file: self.source.name.clone(),
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
            message: message.into(),
            expected: None,
            excerpt: Some(format!("{in_line}{rest}")),
        }
    }

    /// What is no such JSON.
    pub fn refused_by_json(&self, error: &serde_json::Error) -> LoadError {
        let before = self.text().split_inclusive('\n').take(error.line().saturating_sub(1));
        let offset = before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        self.error(offset, text.strip_suffix(&place).unwrap_or(&text))
    }

    /// What Cedar's parser refused.
    pub fn refused_by_cedar(&self, diagnostic: &dyn Diagnostic) -> LoadError {
        self.located(self.text().len(), diagnostic)
    }

    /// What the validator says of a policy that begins at this byte.
    pub fn refused_in(&self, begin: usize, diagnostic: &dyn Diagnostic) -> LoadError {
        self.located(begin, diagnostic)
    }

    fn located(&self, otherwise: usize, diagnostic: &dyn Diagnostic) -> LoadError {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map_or(otherwise, miette::LabeledSpan::offset);
        let expected = label.as_ref().and_then(|label| label.label().map(str::to_owned));
        let expected = expected.into_iter().chain(diagnostic.help().map(|help| help.to_string()));
        let mut error = self.error(offset, diagnostic.to_string());
        error.expected = Some(expected.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty());
        error
    }
}
