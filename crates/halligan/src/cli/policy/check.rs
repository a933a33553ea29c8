//! `halligan policy check` and `halligan policy test`

use std::path::PathBuf;
use std::process::ExitCode;

use halligan_policy::testing::{self, Outcome};
use halligan_policy::{DEFAULT, LoadError, PolicySet};
use serde::Serialize;

use super::files::Files;
use super::world;
use crate::cli::Context;
use crate::client::failure::{Exit, Failure};
use crate::client::words;
use crate::config::{Config, Problem};

/// Read policies as the broker would, and run the tests beside them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policies' directory: its `*.cedar`, and `*.tests.json` beside them; where it isn't said, that of
    /// the configuration, else `policies`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The broker's configuration: policies may name whom and what it has. Without it, what the tests have
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What is wrong.
    Findings,
    /// Every test.
    Everything,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    place: String,
    policies: usize,
    errors: Vec<LoadError>,
    warnings: Vec<String>,
    tests: Vec<Tested>,
}

/// A test, and what became of it.
#[derive(Debug, Serialize)]
struct Tested {
    file: String,
    passed: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Prints what is found; the exit code is 1 where something isn't as it should be.
pub fn run(args: &Args, detail: Detail, context: &Context) -> Result<ExitCode, Failure> {
    let report = examine(args)?;
    if context.ui.json {
        context.ui.print_json(&serde_json::to_value(&report).unwrap_or_default())?;
    } else {
        context.ui.print(&told(&report, detail))?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { Exit::Refused.into() })
}

fn examine(args: &Args) -> Result<Report, Failure> {
    let files = Files::of(args.directory.as_deref(), args.config.as_deref())?;
    let (tests, mut errors) = world::tests(&files.tests);
    let mut known = world::known(&tests.iter().map(|(_, file)| file.world()).collect::<Vec<_>>());
    // With a configuration, what it doesn't have can't be named, whatever the tests have.
    if let Some(configuration) = &args.config {
        match Config::load_elsewhere(configuration) {
            Ok(loaded) => known = world::known_of_configuration(&loaded),
            Err(error) => {
                errors.extend(error.problems().into_iter().map(|problem| of_configuration(&problem)));
                return Ok(Report { place: files.place, errors, ..Report::default() });
            }
        }
    }
    let policies = match PolicySet::load(&files.policies, &known) {
        Ok(policies) => policies,
        Err(wrong) => {
            let mut warnings = Vec::new();
            if !errors.is_empty() && args.config.is_none() {
                let unread = "what only unreadable tests have counts as unknown: mend those first, or add --config";
                warnings.push(unread.to_owned());
            }
            errors.splice(0..0, wrong);
            return Ok(Report { place: files.place, errors, warnings, ..Report::default() });
        }
    };
    let mut warnings = policies.warnings().to_vec();
    let mut tested = Vec::new();
    for (name, file) in &tests {
        let outcomes = testing::run(&policies, file).into_iter();
        tested.extend(outcomes.map(|outcome| Tested { file: name.clone(), passed: outcome.passed(), outcome }));
    }
    let outcomes: Vec<_> = tested.iter().map(|tested| tested.outcome.clone()).collect();
    let untested = testing::undecided(&policies, &outcomes).into_iter().filter(|id| !is_built_in(id, &files));
    warnings.extend(untested.map(|id| format!("no test shows what `{id}` decides")));
    Ok(Report {
        ok: errors.is_empty() && tested.iter().all(|tested| tested.passed),
        place: files.place,
        policies: policies.ids().len(),
        errors,
        warnings,
        tests: tested,
    })
}

/// Whether it stands in the built-in policies, or an exact copy: those have tests of their own.
fn is_built_in(id: &str, files: &Files) -> bool {
    let theirs = files.policies.iter().filter(|source| source.text != DEFAULT);
    !theirs.into_iter().any(|source| source.text.contains(&format!("@id(\"{id}\")")))
}

fn of_configuration(problem: &Problem) -> LoadError {
    let message = problem.to_string();
    LoadError { file: String::new(), line: 0, column: 0, message, expected: None, excerpt: None }
}

fn told(report: &Report, detail: Detail) -> String {
    let mut lines: Vec<String> = report.errors.iter().map(|error| words::lines(&error.to_string())).collect();
    let mut file = None;
    for tested in report.tests.iter().filter(|tested| detail == Detail::Everything || !tested.passed) {
        if file != Some(&tested.file) {
            lines.push(format!("{}:", words::inline(&tested.file)));
            file = Some(&tested.file);
        }
        lines.push(words::lines(&format!("  {}", tested.outcome).replace('\n', "\n  ")));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {}", words::lines(warning))));
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(summary(report));
    lines.join("\n")
}

fn summary(report: &Report) -> String {
    let place = words::inline(&report.place);
    if report.policies == 0 {
        let tests = if report.tests.is_empty() { "" } else { ", so nothing was tested" };
        return format!("{place}: {} found wrong{tests}", report.errors.len());
    }
    let (all, failed) = (report.tests.len(), report.tests.iter().filter(|tested| !tested.passed).count());
    let tests = match (all, failed) {
        (0, _) => "no tests".to_owned(),
        (all, 0) => format!("{all} tests, all passed"),
        (all, failed) => format!("{failed} of {all} tests FAILED"),
    };
    let unread =
        if report.errors.is_empty() { String::new() } else { format!(", {} found wrong", report.errors.len()) };
    format!("{place}: {} policies, {tests}{unread}", report.policies)
}

#[cfg(test)]
pub fn shown(args: &[&str], detail: Detail) -> (String, bool) {
    let report = examine(&super::tests::parsed(args));
    match report {
        Ok(report) => (told(&report, detail), report.ok),
        Err(failure) => (failure.chain(), false),
    }
}
