//! What is printed of it all.

use std::path::Path;

use super::*;

fn report() -> Report {
    let checks = vec![
        Check::bare("configuration").ok("it can be used"),
        Check::of("archive", &"frankfurt").failed("access denied\u{1b}[2J", Some("let the broker assume its reader")),
        Check::of("protection", &"frankfurt").failed("retention: 1 day, expected 400: set it", None),
        Check::of("sink", &"cloudwatch").skipped("only writing would tell"),
    ];
    let warnings = vec![Problem { field: "log.witnesses".to_owned(), problem: "there is none".to_owned() }];
    Report { checks, warnings }
}

#[test]
fn people_read_a_line_a_check() {
    let ui = crate::cli::Ui { json: false, colours: false };
    insta::assert_snapshot!(present::text(&report(), ui), @r#"
    ok       configuration         it can be used
    FAILED   archive frankfurt     access denied\u{1b}[2J
                                   to mend it: let the broker assume its reader
    FAILED   protection frankfurt  retention: 1 day, expected 400: set it
    skipped  sink cloudwatch       only writing would tell
    warning  log.witnesses: there is none

    1 ok, 2 failed, 1 skipped
    "#);
    let coloured = present::text(&report(), crate::cli::Ui { json: false, colours: true });
    assert!(coloured.contains("\u{1b}[31mFAILED   \u{1b}[0m") && !coloured.contains("\u{1b}[2J"), "{coloured}");
}

#[test]
fn machines_read_all_of_it() {
    insta::assert_snapshot!(format!("{:#}", present::json(&report())), @r#"
    {
      "ok": false,
      "checks": [
        {
          "check": "configuration",
          "of": null,
          "status": "ok",
          "finding": "it can be used"
        },
        {
          "check": "archive",
          "of": "frankfurt",
          "status": "failed",
          "finding": "access denied\u001b[2J",
          "mend": "let the broker assume its reader"
        },
        {
          "check": "protection",
          "of": "frankfurt",
          "status": "failed",
          "finding": "retention: 1 day, expected 400: set it",
          "mend": null
        },
        {
          "check": "sink",
          "of": "cloudwatch",
          "status": "skipped",
          "finding": "only writing would tell"
        }
      ],
      "warnings": [
        {
          "field": "log.witnesses",
          "problem": "there is none"
        }
      ]
    }
    "#);
}

#[test]
fn without_a_configuration_nothing_else_is_looked_at() {
    let error = Config::load(Path::new("/none/halligan.toml")).unwrap_err();
    let report = Report::of_nothing(&error);
    assert!(!report.is_sound());
    insta::assert_snapshot!(told(&report.checks), @"
    configuration FAILED: the configuration file /none/halligan.toml can't be read: No such file or directory (os error 2)
    store skipped: the configuration can't be used
    key skipped: the configuration can't be used
    archive skipped: the configuration can't be used
    witness skipped: the configuration can't be used
    sink skipped: the configuration can't be used
    trail skipped: the configuration can't be used
    ");
}
