//! What was measured, against what it was to be.

use std::fmt;
use std::time::Duration;

/// Lines of the table, in the order in which they were measured.
#[derive(Default)]
pub struct Table(Vec<Row>);

struct Row {
    what: String,
    measured: String,
    target: String,
    verdict: &'static str,
}

impl Table {
    /// A number that must not be above `max`.
    pub fn at_most(&mut self, what: impl Into<String>, value: f64, max: f64, unit: &str) {
        let verdict = if value <= max { "held" } else { "MISSED" };
        let (measured, target) = (format!("{value:.2}{unit}"), format!("≤ {max}{unit}"));
        self.push(Row { what: what.into(), measured, target, verdict });
    }

    /// A number that is only told.
    pub fn told(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.push(Row { what: what.into(), measured: measured.into(), target: String::new(), verdict: "" });
    }

    fn push(&mut self, row: Row) {
        println!("{row}");
        self.0.push(row);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<62}{:>16}  {:<10}{}", self.what, self.measured, self.target, self.verdict)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<62}{:>16}  {:<10}", "what", "measured", "target")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// The one in the middle, in seconds.
pub fn median(samples: &mut [Duration]) -> f64 {
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64()
}

/// A time as people read it.
pub fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1_000.0)
}
