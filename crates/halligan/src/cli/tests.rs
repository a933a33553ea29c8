//! The definitions, and the manual against them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::CommandFactory as _;

use super::*;

const MANUAL: &str = include_str!("../../../../docs/cli.md");

/// Every command that is ours, with the names that lead to it.
fn commands(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands() {
        let path = format!("{path}{}", sub.get_name());
        found.push((path.clone(), sub.clone()));
        commands(sub, &format!("{path} "), found);
    }
}

fn all() -> Vec<(String, clap::Command)> {
    let mut found = Vec::new();
    commands(&Cli::command(), "", &mut found);
    assert!(found.len() > 15);
    found
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn no_secret_can_be_given_as_an_argument() {
    for (path, command) in all() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(!name.contains("secret") && !name.contains("password") && name != "token", "{path} {name}");
        }
    }
}

/// The words of a line, as a shell splits it: enough for the manual's samples.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn every_sample_of_the_manual_is_a_command() {
    let mut seen = 0;
    let samples =
        MANUAL.split("```").skip(1).step_by(2).filter(|block| block.starts_with("sh\n") || block.starts_with("ini\n"));
    for line in samples.flat_map(str::lines) {
        let Some(begin) = line.find("halligan ") else { continue };
        let command = line[begin..].split([')', '>']).next().unwrap().trim();
        if let Err(error) = Cli::try_parse_from(words(command)) {
            panic!("{command}: {error}");
        }
        seen += 1;
    }
    assert!(seen > 15, "only {seen} samples");
}

#[test]
fn the_manual_names_every_command_and_option() {
    let commands = all();
    let ours = commands.iter().filter(|(path, _)| !path.starts_with("demo"));
    for (path, command) in ours {
        let named = [format!("halligan {path}"), format!("alice {path}"), format!("`{path}")];
        assert!(named.iter().any(|name| MANUAL.contains(name)), "no {path} in the manual");
        for option in command.get_arguments().filter_map(clap::Arg::get_long).filter(|long| *long != "help") {
            assert!(
                MANUAL.contains(&format!("--{option}")) || path == "serve",
                "no --{option} of {path} in the manual"
            );
        }
    }
}

#[test]
fn the_manual_and_the_help_list_the_same_exit_codes() {
    let table = MANUAL.lines().filter_map(|line| {
        let (code, meaning) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        code.parse::<u8>().ok().map(|code| (code, meaning.to_owned()))
    });
    let help = EXIT_CODES.lines().filter_map(|line| {
        let (code, meaning) = line.trim().split_once("  ")?;
        code.parse::<u8>().ok().map(|code| (code, meaning.to_owned()))
    });
    let table: Vec<_> = table.collect();
    assert_eq!(table, help.collect::<Vec<_>>());
    assert_eq!(table.len(), 8);
}
