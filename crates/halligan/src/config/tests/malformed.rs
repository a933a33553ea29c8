//! Syntax, names and types: line, column, and what was expected.

use super::{message, refusal};

#[test]
fn a_mistake_of_syntax_is_shown_where_it_is() {
    insta::assert_snapshot!(message("deployment = \"test\n"), @r#"
    the configuration file /etc/halligan.toml can't be understood
    TOML parse error at line 1, column 19
      |
    1 | deployment = "test
      |                   ^
    invalid basic string, expected `"`
    "#);
    insta::assert_snapshot!(message("deployment = \"a\"\ndeployment = \"b\"\n"), @r#"
    the configuration file /etc/halligan.toml can't be understood
    TOML parse error at line 2, column 1
      |
    2 | deployment = "b"
      | ^^^^^^^^^^
    duplicate key
    "#);
    insta::assert_snapshot!(refusal("[aws]", "[aws"), @"
    TOML parse error at line 4, column 5
    |
    4 | [aws
    |     ^
    unclosed table, expected `]`
    ");
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(message(""), @"
    the configuration file /etc/halligan.toml can't be understood
    TOML parse error at line 1, column 1
      |
    1 | 
      | ^
    missing field `deployment`
    ");
    insta::assert_snapshot!(refusal("region = \"eu-central-1\"", ""), @"
    TOML parse error at line 4, column 1
    |
    4 | [aws]
    | ^^^^^
    missing field `region`
    ");
    insta::assert_snapshot!(refusal("external_id = \"test-0001\"", ""), @"
    TOML parse error at line 46, column 1
     |
    46 | [roles.admin]
     | ^^^^^^^^^^^^^
    missing field `external_id`
    ");
    insta::assert_snapshot!(refusal("people = true", ""), @"
    TOML parse error at line 7, column 1
    |
    7 | [[issuers]]
    | ^^^^^^^^^^^
    missing field `people`
    ");
    insta::assert_snapshot!(refusal("status = \"/status\"", ""), @"
    TOML parse error at line 39, column 1
     |
    39 | [incidents.tool]
     | ^^^^^^^^^^^^^^^^
    missing field `status`
    ");
}

#[test]
fn what_is_too_much_is_named() {
    insta::assert_snapshot!(refusal("[aws]", "[aws]\nsecret_key = \"x\""), @r#"
    TOML parse error at line 5, column 1
    |
    5 | secret_key = "x"
    | ^^^^^^^^^^
    unknown field `secret_key`, expected one of `region`, `endpoint_url`, `federation_endpoint`
    "#);
    insta::assert_snapshot!(refusal("external_id", "session_maximum = \"1h\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 1
     |
    49 | session_maximum = "1h"
     | ^^^^^^^^^^^^^^^
    unknown field `session_maximum`, expected one of `description`, `arn`, `revoker`, `external_id`, `regions`, `session_max`, `duration_max`, `total_max`, `acknowledge_within`, `emergency_acknowledge_within`, `scopes`, `default_scope`, `probe`, `console`, `requesters`, `acknowledgers`, `revokers`, `emergency_starters`
    "#);
    insta::assert_snapshot!(refusal("status = ", "state = "), @"
    TOML parse error at line 39, column 1
     |
    39 | [incidents.tool]
     | ^^^^^^^^^^^^^^^^
    unknown field `state`, expected one of `url`, `headers`, `secret_headers`, `status`, `open_values`, `closed_values`, `severity`, `creator`, `opened_at`, `title`
    ");
    insta::assert_snapshot!(refusal("[aws]", "[slack]\ntoken = 1\n[aws]"), @"
    TOML parse error at line 4, column 2
    |
    4 | [slack]
    |  ^^^^^
    unknown field `slack`, expected one of `deployment`, `state_directory`, `server`, `store`, `log`, `aws`, `limits`, `issuers`, `people`, `sessions`, `passkeys`, `mail`, `policy`, `incidents`, `roles`
    ");
}

#[test]
fn a_value_of_another_sort_is_shown_with_what_was_expected() {
    insta::assert_snapshot!(refusal("deployment = \"test\"", "deployment = \"Test Site\""), @r#"
    TOML parse error at line 2, column 14
    |
    2 | deployment = "Test Site"
    |              ^^^^^^^^^^^
    `Test Site` is not a deployment name: expected 1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit
    "#);
    insta::assert_snapshot!(refusal("[people.alice]", "[people.\"Alice Example\"]"), @r#"
    TOML parse error at line 27, column 9
     |
    27 | [people."Alice Example"]
     |         ^^^^^^^^^^^^^^^
    `Alice Example` is not a person id: expected 1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit
    "#);
    insta::assert_snapshot!(refusal("external_id", "duration_max = 900\nexternal_id"), @r#"
    TOML parse error at line 49, column 16
     |
    49 | duration_max = 900
     |                ^^^
    invalid type: integer `900`, expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(refusal("external_id", "duration_max = \"900\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 16
     |
    49 | duration_max = "900"
     |                ^^^^^
    invalid value: string "900", expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(refusal("external_id", "duration_max = \"0s\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 16
     |
    49 | duration_max = "0s"
     |                ^^^^
    invalid value: string "0s", expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(refusal("external_id", "duration_max = \"-1h\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 16
     |
    49 | duration_max = "-1h"
     |                ^^^^^
    invalid value: string "-1h", expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(refusal("external_id", "duration_max = \"1500ms\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 16
     |
    49 | duration_max = "1500ms"
     |                ^^^^^^^^
    invalid value: string "1500ms", expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(refusal("[aws]", "[server]\nlisten = \"8080\"\n[aws]"), @r#"
    TOML parse error at line 5, column 10
    |
    5 | listen = "8080"
    |          ^^^^^^
    invalid value: string "8080", expected an address and a port, such as "127.0.0.1:8080" or "[::]:8443"
    "#);
    insta::assert_snapshot!(refusal("[aws]", "[server]\ntrusted_proxies = [\"10.0.0.1\"]\n[aws]"), @r#"
    TOML parse error at line 5, column 20
    |
    5 | trusted_proxies = ["10.0.0.1"]
    |                    ^^^^^^^^^^
    invalid value: string "10.0.0.1", expected a range of addresses, such as "10.0.0.0/8" or "192.0.2.7/32"
    "#);
    insta::assert_snapshot!(refusal("people = true", "people = \"yes\""), @r#"
    TOML parse error at line 10, column 10
     |
    10 | people = "yes"
     |          ^^^^^
    invalid type: string "yes", expected a boolean
    "#);
    insta::assert_snapshot!(refusal("people = true", "people = true\nalgorithms = [\"HS256\"]"), @r#"
    TOML parse error at line 11, column 15
     |
    11 | algorithms = ["HS256"]
     |               ^^^^^^^
    unknown variant `HS256`, expected one of `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`
    "#);
    insta::assert_snapshot!(refusal("kind = \"file\"", "kind = \"jira\""), @r#"
    TOML parse error at line 36, column 8
     |
    36 | kind = "jira"
     |        ^^^^^^
    unknown variant `jira`, expected `file` or `http`
    "#);
    insta::assert_snapshot!(refusal("role/admin\"", "user/admin\""), @r#"
    TOML parse error at line 47, column 7
     |
    47 | arn = "arn:aws:iam::123456789012:user/admin"
     |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    `arn:aws:iam::123456789012:user/admin` is not the ARN of an IAM role: expected `arn:aws:iam::123456789012:role/name`
    "#);
    insta::assert_snapshot!(refusal("external_id", "probe = \"sts:GetCallerIdentity\"\nexternal_id"), @r#"
    TOML parse error at line 49, column 9
     |
    49 | probe = "sts:GetCallerIdentity"
     |         ^^^^^^^^^^^^^^^^^^^^^^^
    unknown variant `sts:GetCallerIdentity`, expected `s3:ListAllMyBuckets` or `iam:ListAccountAliases`
    "#);
    insta::assert_snapshot!(refusal("Effect = \"Allow\"", "Effect = \"Permit\""), @r#"
    TOML parse error at line 56, column 26
     |
    56 | statements = [{ Effect = "Permit", Action = "*", Resource = "*" }]
     |                          ^^^^^^^^
    unknown variant `Permit`, expected `Allow` or `Deny`
    "#);
    insta::assert_snapshot!(refusal("{ env = \"TOOL_TOKEN\" }", "{ vault = \"TOOL_TOKEN\" }"), @"
    TOML parse error at line 39, column 1
     |
    39 | [incidents.tool]
     | ^^^^^^^^^^^^^^^^
    unknown field `vault`, expected `env` or `file`
    ");
    insta::assert_snapshot!(refusal("{ env = \"TOOL_TOKEN\" }", "{ env = \"TOOL_TOKEN\", file = \"token\" }"), @"
    TOML parse error at line 39, column 1
     |
    39 | [incidents.tool]
     | ^^^^^^^^^^^^^^^^
    a secret is kept in one place: expected either `env` or `file`
    ");
}
