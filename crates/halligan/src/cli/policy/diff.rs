//! `halligan policy diff`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use halligan_policy::diff::{Diff, diff};
use halligan_policy::{Incident, LoadError, Occasion, PolicySet, World};

use super::files::Files;
use super::world;
use crate::cli::Context;
use crate::client::failure::{Exit, Failure};
use crate::client::words;

/// Say what a change of policies changes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policies as they are: a directory, or one file
    old: PathBuf,
    /// The policies as they would be
    new: PathBuf,
    /// The broker's configuration: the people, machines and roles to ask about. Without it, those of the tests
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A word of the incident tools for how bad something is, beside those that the policies name; may be given again
    #[arg(long, value_name = "WORD")]
    severity: Vec<String>,
}

/// What came of it.
enum Compared {
    /// With what is odd about the new ones, and wasn't about the old.
    Both(Diff, Vec<String>),
    Wrong(Vec<LoadError>),
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match compare(args, context)? {
        Compared::Both(diff, warnings) => {
            if context.ui.json {
                let mut told = serde_json::to_value(&diff).unwrap_or_default();
                if let Some(fields) = told.as_object_mut() {
                    fields.insert("warnings".to_owned(), warnings.into());
                }
                context.ui.print_json(&told)?;
            } else {
                context.ui.print(&told(&diff, &warnings))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Compared::Wrong(errors) => {
            if context.ui.json {
                context.ui.print_json(&serde_json::json!({ "errors": errors }))?;
            } else {
                let lines: Vec<_> = errors.iter().map(|error| words::lines(&error.to_string())).collect();
                context.ui.print(&lines.join("\n"))?;
            }
            Ok(Exit::Refused.into())
        }
    }
}

fn compare(args: &Args, context: &Context) -> Result<Compared, Failure> {
    let (old, new) = (Files::read(&args.old)?, Files::read(&args.new)?);
    let mut wrong = Vec::new();
    let (worlds, known) = match &args.config {
        Some(configuration) => {
            let loaded = world::configuration(configuration)?;
            (vec![world::of_configuration(&loaded)], world::known_of_configuration(&loaded))
        }
        None => {
            // The newer tests say who is who now.
            let mut worlds = Vec::new();
            for files in [&new, &old] {
                let (tests, errors) = world::tests(&files.tests);
                worlds.extend(tests.iter().map(|(_, file)| file.world()));
                wrong.extend(errors);
            }
            let known = world::known(&worlds);
            (worlds, known)
        }
    };
    let mut load = |files: &Files| PolicySet::load(&files.policies, &known).map_err(|errors| wrong.extend(errors)).ok();
    let (Some(before), Some(now)) = (load(&old), load(&new)) else { return Ok(Compared::Wrong(wrong)) };
    if !wrong.is_empty() {
        return Ok(Compared::Wrong(wrong));
    }
    let world = world::together(worlds);
    somebody_and_something(&world, args.config.as_deref())?;
    let severities: BTreeSet<String> = args.severity.iter().cloned().collect();
    // Grants are asked for with an incident, always.
    let occasion = Occasion {
        time: context.now(),
        incident: Some(Incident::default()),
        emergency: Some(false),
        ..Occasion::default()
    };
    let old = before.warnings();
    let warnings = now.warnings().iter().filter(|warning| !old.contains(warning)).cloned().collect();
    Ok(Compared::Both(diff(&before, &now, &world, &severities, &occasion), warnings))
}

fn told(diff: &Diff, warnings: &[String]) -> String {
    let mut text = words::lines(diff.to_string().trim_end());
    for warning in warnings {
        text.push_str(&format!("\nwarning: {}", words::lines(warning)));
    }
    text
}

fn somebody_and_something(world: &World, configuration: Option<&Path>) -> Result<(), Failure> {
    if world.people.is_empty() && world.machines.is_empty() {
        let where_from = match configuration {
            Some(_) => {
                "the configuration names nobody: ask `halligan policy explain --group` about those whom tokens name"
            }
            None => "nobody to ask about: pass --config, or have tests with people beside the policies",
        };
        return Err(Failure::Usage(where_from.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
pub fn shown(args: &[&str], context: &Context) -> String {
    match compare(&super::tests::parsed(args), context) {
        Ok(Compared::Both(diff, warnings)) => told(&diff, &warnings),
        Ok(Compared::Wrong(errors)) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(failure) => failure.chain(),
    }
}
