//! What the documents say is so: links lead somewhere, commands exist, samples run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{HALLIGAN, python, root};

/// Every page of the repository.
fn pages() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(root()).output().unwrap();
    let pages = String::from_utf8(listed.stdout).unwrap();
    let read = |path: &str| (PathBuf::from(path), fs::read_to_string(root().join(path)).unwrap());
    let pages: Vec<_> = pages.lines().map(read).collect();
    assert!(pages.len() > 10, "the pages were not found");
    pages
}

/// A page without its code blocks, and those with their languages.
fn apart(page: &str) -> (String, Vec<(String, String)>) {
    let (mut prose, mut blocks, mut block) = (String::new(), Vec::new(), None::<(String, String)>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut block) {
            (Some(language), None) => block = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (None, Some((_, text))) => text.push_str(&format!("{line}\n")),
            (None, None) => prose.push_str(&format!("{line}\n")),
        }
    }
    (prose, blocks)
}

/// A heading as a link names it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for (path, page) in pages() {
        let (prose, _) = apart(&page);
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let beside = root().join(&path);
            let target = if file.is_empty() { beside } else { beside.parent().unwrap().join(file) };
            let there = target.exists()
                && (anchor.is_empty() || {
                    let (prose, _) = apart(&fs::read_to_string(&target).unwrap_or_default());
                    prose.lines().any(|line| line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor)
                });
            if !there {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty() && followed > 20, "{broken:#?}");
}

/// A source as a page names it: from the root, from `crates`, or within a crate.
fn is_source(named: &str) -> bool {
    let crates = root().join("crates");
    let (first, rest) = named.split_once('/').unwrap();
    let within = fs::read_dir(&crates).unwrap().map(|entry| entry.unwrap().path().join("src").join(named));
    let places = [root().join(named), crates.join(named), crates.join(first).join("src").join(rest)];
    places.into_iter().chain(within).any(|path| path.exists())
}

#[test]
fn sources_that_are_named_exist() {
    let (mut missing, mut named) = (Vec::new(), 0);
    for (path, page) in pages() {
        let (prose, _) = apart(&page);
        let quoted = prose.split('`').skip(1).step_by(2).filter(|text| !text.contains(['*', '<', ' ', '{']));
        for text in quoted.filter(|text| text.contains('/') && text.ends_with(".rs")) {
            named += 1;
            if !is_source(text) {
                missing.push(format!("{}: {text}", path.display()));
            }
        }
    }
    assert!(missing.is_empty() && named > 10, "{named} named: {missing:#?}");
}

/// The commands of `halligan` in a block for a shell.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        let line = line.trim_start().trim_start_matches("$ ");
        // Within `$(…)` too, and as an argument of `eval`.
        for start in line.match_indices("halligan ").map(|(at, _)| at) {
            let before = line[..start].chars().next_back();
            if before.is_some_and(|c| !" (\"$".contains(c)) || line[..start].contains('#') {
                continue;
            }
            let command = line[start..].split(&['|', ')', '#', ';'][..]).next().unwrap();
            found.push(command.split_whitespace().skip(1).map(str::to_owned).collect());
        }
        if let Some((_, arguments)) = line.split_once("cargo run -- ") {
            let arguments = arguments.split('#').next().unwrap();
            found.push(arguments.split_whitespace().map(str::to_owned).collect());
        }
    }
    found
}

fn help(cache: &mut BTreeMap<Vec<String>, Option<String>>, command: &[String]) -> Option<String> {
    let ask = || {
        let output = Command::new(HALLIGAN).args(command).arg("--help").output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    cache.entry(command.to_vec()).or_insert_with(ask).clone()
}

/// Commands that have commands.
const GROUPS: [&str; 4] = ["config", "log", "policy", "token"];

/// Why a command line is none, if it isn't one.
fn fault(cache: &mut BTreeMap<Vec<String>, Option<String>>, arguments: &[String]) -> Option<String> {
    let own = arguments.split(|argument| argument == "--").next().unwrap();
    let mut command: Vec<String> = Vec::new();
    let mut words = own.iter().peekable();
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix("--") {
            flags.push(flag.split('=').next().unwrap().to_owned());
            // Its value, where it takes one: no subcommand has that name.
            if command.is_empty() && flag == "profile" {
                words.next();
            }
        } else if command.is_empty() || GROUPS.iter().any(|group| command == [*group]) {
            command.push(word.clone());
        }
    }
    if command.is_empty() && flags.is_empty() {
        return None;
    }
    let Some(text) = help(cache, &command) else { return Some(format!("there is no `{}`", command.join(" "))) };
    let known = |flag: &String| text.contains(&format!("--{flag} ")) || text.contains(&format!("--{flag}\n"));
    let unknown: Vec<_> = flags.iter().filter(|flag| !known(flag) && *flag != "help" && *flag != "version").collect();
    (!unknown.is_empty()).then(|| format!("`{}` has no {unknown:?}", command.join(" ")))
}

#[test]
fn commands_exist_with_their_flags() {
    let mut cache = BTreeMap::new();
    let (mut faults, mut tried) = (Vec::new(), 0);
    for (path, page) in pages() {
        let (_, blocks) = apart(&page);
        let shells = blocks
            .iter()
            .filter(|(language, _)| ["", "sh", "bash", "console", "text", "yaml", "ini"].contains(&language.as_str()));
        for command in shells.flat_map(|(_, block)| commands(block)) {
            tried += 1;
            faults.extend(fault(&mut cache, &command).map(|fault| format!("{}: {fault}", path.display())));
        }
    }
    assert!(faults.is_empty() && tried > 8, "{tried} tried: {faults:#?}");
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let mut cache = BTreeMap::new();
    let mut of = |line: &str| commands(line).iter().find_map(|command| fault(&mut cache, command));
    assert_eq!(of("$ halligan --profile alice request prod-admin --incident INC-1 \\\n --wait"), None);
    assert_eq!(of("eval \"$(halligan credentials GRANT --format env)\""), None);
    assert_eq!(of("halligan exec GRANT -- aws s3 ls --recursive"), None);
    assert!(of("halligan grab prod-admin").is_some());
    assert!(of("halligan request prod-admin --forever").is_some());
}

#[test]
fn the_request_hash_is_what_the_page_computes() {
    let page = fs::read_to_string(root().join("docs/request-hash.md")).unwrap();
    let (_, blocks) = apart(&page);
    let [(language, code), (_, printed)] = &blocks[..] else { panic!("{blocks:?}") };
    assert_eq!(language, "python");
    let output = Command::new(python()).args(["-c", code]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), *printed, "{}", String::from_utf8_lossy(&output.stderr));
}

/// The sources below a directory, without their tests.
fn sources(directory: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned());
        }
    }
}

/// An event's name in the log, by its name in the code: `LogKeyChanged` is `log.key_changed`.
fn entry_type(event: &str) -> String {
    let mut words = String::new();
    for c in event.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
    }
    words.replacen('_', ".", 1)
}

/// The alarms that a source raises. What is no text is a constant of the source, or the kind
/// of whichever event it has.
fn alarms(source: &str) -> BTreeSet<String> {
    let mut raised = BTreeSet::new();
    for value in source.split("alarm = ").skip(1) {
        let value = value.split(&[',', ')'][..]).next().unwrap();
        if let Some(text) = value.strip_prefix('"') {
            raised.insert(text.trim_end_matches('"').to_owned());
        } else if value.starts_with("event.kind(") {
            let events = source.split("Event::").skip(1);
            raised.extend(events.map(|text| entry_type(text.split(|c: char| !c.is_alphanumeric()).next().unwrap())));
        } else {
            let (_, text) = source.split_once(&format!("const {value}: &str = \"")).unwrap_or_else(|| {
                panic!("`alarm = {value}`: expected a text, a constant of this file, or `event.kind()`")
            });
            raised.insert(text.split('"').next().unwrap().to_owned());
        }
    }
    raised
}

#[test]
fn every_alarm_is_in_the_list_of_alarms() {
    let mut texts = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut texts);
    }
    let raised: BTreeSet<String> = texts.iter().flat_map(|text| alarms(text)).collect();
    let page = fs::read_to_string(root().join("docs/LOGGING.md")).unwrap();
    let section = page.split("\n## Alarms\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let listed: BTreeSet<String> =
        names.flat_map(|cell| cell.split("`, `").map(|name| name.trim_end_matches(['`', ' ']).to_owned())).collect();
    let only_in = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(only_in(&raised, &listed), Vec::<String>::new(), "raised, and not in docs/LOGGING.md");
    assert_eq!(only_in(&listed, &raised), Vec::<String>::new(), "in docs/LOGGING.md, and raised by nobody");
    assert!(raised.len() > 20, "the alarms were not found: {raised:?}");
}

#[test]
fn an_alarm_is_found_however_it_is_written() {
    let source = r#"
        const DRIFT: &str = "revocation.drift";
        tracing::warn!(alarm = event.kind(), "");
        tracing::error!(
            alarm = "log.fork",
            place,
        );
        tracing::error!(alarm = DRIFT, "");
        Event::LogKeyChanged { before, after }
    "#;
    let found: Vec<String> = alarms(source).into_iter().collect();
    assert_eq!(found, ["log.fork", "log.key_changed", "revocation.drift"]);
}
