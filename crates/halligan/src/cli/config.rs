//! `halligan config`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Context;
use crate::client::failure::{Exit, Failure};
use crate::client::words;
use crate::config::{Config, ConfigError, Loaded, Problem};

/// The broker's configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Read the configuration as the broker would, policies and all, and change nothing
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The configuration file of `halligan serve`
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// This is not the broker's machine: its secrets and certificates may be missing
    #[arg(long)]
    elsewhere: bool,
}

/// Prints what is wrong with it; the exit code is 1 where the broker would not start.
pub fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let What::Check(args) = &args.what;
    let loaded = if args.elsewhere { Config::load_elsewhere(&args.config) } else { Config::load(&args.config) };
    let name = words::inline(&args.config.display().to_string());
    if context.ui.json {
        context.ui.print_json(&as_json(&loaded))?;
    } else {
        context.ui.print(&told(&name, &loaded))?;
    }
    Ok(if loaded.is_ok() { ExitCode::SUCCESS } else { Exit::Refused.into() })
}

type Outcome = Result<Loaded, ConfigError>;

fn as_json(loaded: &Outcome) -> Value {
    let all = |problems: &[Problem]| {
        problems
            .iter()
            .map(|Problem { field, problem }| json!({ "field": field, "problem": problem }))
            .collect::<Vec<_>>()
    };
    match loaded {
        Ok(loaded) => json!({
            "ok": true, "sha256": loaded.sha256, "policies_sha256": loaded.rules.policies.sha256(),
            "errors": [], "warnings": all(&loaded.warnings),
        }),
        Err(error) => json!({ "ok": false, "errors": all(&error.problems()), "warnings": [] }),
    }
}

fn told(name: &str, loaded: &Outcome) -> String {
    let lines = |kind: &str, problems: &[Problem]| {
        let line = |problem: &Problem| format!("{kind}{}\n", words::lines(&problem.to_string()));
        problems.iter().map(line).collect::<String>()
    };
    match loaded {
        Ok(loaded) => {
            let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
            let people = count(loaded.rules.people.len(), "person", "people");
            let machines = count(loaded.rules.machines.len(), "machine", "machines");
            let roles = count(loaded.catalogue.roles.len(), "role", "roles");
            let policies = count(loaded.rules.policies.ids().len(), "policy", "policies");
            let warnings = lines("warning: ", &loaded.warnings);
            format!("{warnings}{name} can be used: {people}, {machines}, {roles}, {policies}")
        }
        Err(error) => {
            let problems = error.problems();
            format!("{}\n{name} can NOT be used: {} found wrong", lines("", &problems), problems.len())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::tests::SOUND;

    fn checked(text: &str) -> (String, Value) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("halligan.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = Config::load(&file);
        let without_place = |text: String| text.replace(&directory.path().display().to_string(), "");
        (without_place(told("halligan.toml", &loaded)), as_json(&loaded))
    }

    /// Nothing of the environment is needed.
    fn sound() -> String {
        SOUND.replace(r#"secret_headers = { Authorization = { env = "TOOL_TOKEN" } }"#, "")
    }

    #[test]
    fn one_that_can_be_used() {
        let (text, json) = checked(&sound());
        insta::assert_snapshot!(text, @r#"
        warning: log.archives: directories alone, which protect from nobody who has access to this machine: expected one of `kind = "s3"` in a separate logging account
        warning: log.witnesses: there is none, so whoever holds the log's key could show different logs to different readers: expected one, such as `halligan witness` in the logging account
        halligan.toml can be used: 2 people, 0 machines, 1 role, 13 policies
        "#);
        assert_eq!((&json["ok"], &json["errors"]), (&json!(true), &json!([])));
    }

    #[test]
    fn all_that_is_wrong_with_its_fields() {
        let (text, json) = checked(
            &sound()
                .replace("\"leads\", \"oncall\"]\n\n[roles", "]\n\n[roles")
                .replace("eu-central-1\"]", "Frankfurt\"]"),
        );
        insta::assert_snapshot!(text, @"
        roles.admin.regions[0]: `Frankfurt` is not the name of a Region: expected such as `eu-central-1`
        roles.admin.acknowledgers: is empty, so nobody could: expected a group that somebody is in: `leads`, `oncall`

        halligan.toml can NOT be used: 2 found wrong
        ");
        assert_eq!(json["ok"], json!(false));
        assert!(
            json["errors"].as_array().unwrap().iter().any(|error| error["field"] == "roles.admin.regions[0]"),
            "{json}"
        );
    }

    #[test]
    fn on_another_machine_secrets_may_be_missing_and_must_not_stand_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("halligan.toml");
        let store = "deployment = \"test\"\n\n[store]\nurl_from = { env = \"NO_SUCH_VARIABLE_HERE\" }\n\n[server]\nlisten = \"0.0.0.0:443\"\npublic_url = \"https://halligan.example.com\"\n\n[server.tls]\ncertificate_file = \"none.pem\"\nkey_file = \"none.key\"\n";
        let text = SOUND.replace("TOOL_TOKEN", "NO_SUCH_TOKEN_HERE").replace("deployment = \"test\"", store);
        std::fs::write(&file, &text).unwrap();
        let fields = |loaded: Outcome| -> Vec<String> {
            let problems = loaded.err().map(|error| error.problems()).unwrap_or_default();
            problems.into_iter().map(|problem| problem.field).collect()
        };
        let here = fields(Config::load(&file));
        for field in ["store.url_from", "server.tls.key_file", "incidents.tool.secret_headers.Authorization"] {
            assert!(here.iter().any(|found| found == field), "{field}: {here:?}");
        }
        assert_eq!(fields(Config::load_elsewhere(&file)), Vec::<String>::new());
        std::fs::write(&file, text.replace("{ env = \"NO_SUCH_TOKEN_HERE\" }", "\"Token s3cret\"")).unwrap();
        assert_eq!(fields(Config::load_elsewhere(&file)), ["incidents.tool.secret_headers.Authorization"]);
    }

    #[test]
    fn what_is_no_configuration_at_all() {
        insta::assert_snapshot!(checked("deployment = ").0, @"
        configuration: TOML parse error at line 1, column 14: string values must be quoted, expected literal string

        halligan.toml can NOT be used: 1 found wrong
        ");
        insta::assert_snapshot!(checked("colour = 1").0, @"
        configuration: TOML parse error at line 1, column 1: unknown field `colour`, expected one of `deployment`, `state_directory`, `server`, `store`, `log`, `aws`, `limits`, `issuers`, `people`, `sessions`, `passkeys`, `mail`, `policy`, `incidents`, `roles`

        halligan.toml can NOT be used: 1 found wrong
        ");
    }
}
