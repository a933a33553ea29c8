//! Machines: what their tokens say, and whom they act for.

use super::*;

const BOB: &str = "[people.bob]";

/// [`SOUND`] with an issuer of machines that has these.
fn machines(machines: &str, named: &str) -> String {
    let issuer = format!(
        "[[issuers]]\nissuer = \"https://ci.example.com\"\naudience = \"halligan\"\npeople = false\ndiscovery = true\n\
         {machines}\n[people.alice]\n{named}"
    );
    SOUND.replace("[people.alice]", &issuer)
}

fn machine(name: &str, claims: &str) -> String {
    format!("[[issuers.machines]]\nname = \"{name}\"\nclaims = {{ {claims} }}\ngroups = [\"oncall\"]\n")
}

fn said(text: &str) -> String {
    let message = message(text);
    let (_, rest) = message.split_once('\n').unwrap();
    rest.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn warned(text: &str) -> String {
    let loaded = read(text).unwrap();
    let said = loaded.warnings.iter().filter(|warning| !warning.field.starts_with("log."));
    said.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_issuer_vouches_for_people_or_for_machines() {
    insta::assert_snapshot!(said(&machines("", "")), @"issuers[2].machines: is empty, and the issuer vouches for no people either: expected what its tokens are, as `[[issuers.machines]]`");
    let deploy = machine("deploy", "repository = \"example/app\"");
    assert_eq!(warned(&machines(&deploy, "")), "");
    insta::assert_snapshot!(said(&machines(&deploy, "").replace("people = false", "people = true")), @"issuers[2].machines: is set, and the issuer vouches for people, so a machine's token could acknowledge: expected an issuer of its own with `people = false`");
    insta::assert_snapshot!(said(&machines(&format!("unlinked = \"admit\"\nsign_in = {{ name = \"ci\", client_id = \"web\" }}\n{deploy}"), "")), @"
    issuers[2].sign_in: is set, and the issuer vouches for no people: expected it with `people = true`
    issuers[2].unlinked: is set, and the issuer vouches for no people: expected it with `people = true`
    ");
}

#[test]
fn a_machine_is_known_by_what_its_tokens_say() {
    insta::assert_snapshot!(said(&machines(&machine("deploy", ""), "")), @r#"issuers[2].machines[0].claims: is empty, so every token of the issuer would be this machine's: expected what its tokens say, such as `{ repository = "example/app" }`"#);
    insta::assert_snapshot!(said(&machines(&machine("deploy", "repository = \"\", sub = \"repo:example/app:*\""), "")), @"
    issuers[2].machines[0].claims.repository: is empty: expected what the tokens of this machine say there
    issuers[2].machines[0].claims.sub: `repo:example/app:*` looks like a pattern, and values are compared to the letter: expected the whole value, or a claim that says less, such as `repository` in place of `sub`
    ");
    insta::assert_snapshot!(said(&machines(&machine("alice", "repository = \"example/app\""), "")), @"people.alice: is a machine's name too: expected a name of its own for each");
    let two = machine("deploy", "repository = \"example/app\"") + &machine("deploy", "repository = \"example/web\"");
    insta::assert_snapshot!(said(&machines(&two, "")), @"issuers[2].machines[1].name: `deploy` is another machine's name too: expected a name of its own");
    let idle = machine("deploy", "repository = \"example/app\"").replace("[\"oncall\"]", "[]");
    insta::assert_snapshot!(warned(&machines(&idle, "")), @"issuers[2].machines[0].groups: is empty, so this machine may do nothing, unless its tokens say groups");
    let other = machine("deploy", "repository = \"example/app\"").replace("oncall", "pipelines");
    insta::assert_snapshot!(warned(&machines(&other, "")), @"issuers[2].machines[0].groups: no role names `pipelines`, so being in it permits nothing");
}

#[test]
fn no_token_is_two_machines() {
    let app = "repository = \"example/app\"";
    for (name, first, second, sound) in [
        ("another value", app, "repository = \"example/web\"", true),
        (
            "another value beside the same",
            "repository = \"example/app\", ref = \"main\"",
            "repository = \"example/app\", ref = \"dev\"",
            true,
        ),
        ("the one that demands more comes first", "repository = \"example/app\", ref = \"main\"", app, true),
        ("the one that demands more comes last", app, "repository = \"example/app\", ref = \"main\"", false),
        ("the same", app, app, false),
        ("other claims", app, "environment = \"prod\"", false),
        (
            "some in common",
            "repository = \"example/app\", ref = \"main\"",
            "repository = \"example/app\", environment = \"prod\"",
            false,
        ),
    ] {
        let text = machines(&(machine("one", first) + &machine("two", second)), "");
        assert_eq!(read(&text).is_ok(), sound, "{name}");
    }
    let said = |first: &str, second: &str| said(&machines(&(machine("one", first) + &machine("two", second)), ""));
    insta::assert_snapshot!(said(app, "repository = \"example/app\", ref = \"main\""), @"issuers[2].machines[1]: no token is this machine's, since each is `one`'s, `machines[0]`, which demands no more: expected it before that one");
    insta::assert_snapshot!(said(app, "environment = \"prod\""), @"issuers[2].machines[1]: a token could fit this machine and `one`, `machines[0]`: expected a claim of which both say something else, or one that demands all that the other does, and stands before it");
}

#[test]
fn whoever_sets_a_machine_off_is_a_person() {
    let deploy =
        |claim: &str| machine("deploy", "repository = \"example/app\"") + &format!("human_claim = \"{claim}\"\n");
    let named = |by: &str, claim: &str, value: &str| {
        format!("named = [{{ by = \"{by}\", claim = \"{claim}\", value = \"{value}\" }}]\n")
    };
    let ci = "https://ci.example.com";
    assert_eq!(warned(&machines(&deploy("actor_id"), &named(ci, "actor_id", "1"))), "");
    insta::assert_snapshot!(warned(&machines(&deploy("actor_id"), "")), @r#"issuers[2].machines[0].human_claim: no person is named by `actor_id`, so each token of this machine is refused: expected `people.NAME.named` with `by = "https://ci.example.com"`"#);
    for claim in ["actor", "email", "preferred_username", "user_login"] {
        let problem = said(&machines(&deploy(claim), ""));
        assert!(problem.starts_with("issuers[2].machines[0].human_claim: "), "{problem}");
    }
    insta::assert_snapshot!(said(&machines(&deploy("actor_id"), &named("https://other.example.com", "actor_id", "1"))), @"people.alice.named[0].by: `https://other.example.com` is no incident tool and no issuer of machines: expected one of `drill`, `https://ci.example.com`, `tool`");
    insta::assert_snapshot!(said(&machines(&deploy("actor_id"), &named(ci, "creator", "1"))), @"people.alice.named[0].claim: `creator` is nothing that `https://ci.example.com` names people by: expected `actor_id`");
    insta::assert_snapshot!(said(&machines(&machine("deploy", "repository = \"example/app\""), &named(ci, "actor_id", "1"))), @"people.alice.named[0].claim: `actor_id` is nothing that `https://ci.example.com` names people by: expected a machine of it with `human_claim`");
    insta::assert_snapshot!(said(&machines(&deploy("actor_id"), &named("halligan:alice", "sub", "1"))), @"people.alice.named[0].by: `halligan:alice` is no incident tool and no issuer of machines: expected one of `drill`, `https://ci.example.com`, `tool`");
    insta::assert_snapshot!(said(&machines(&deploy("actor_id"), &named(ci, "actor_id", " "))), @"people.alice.named[0].value: is empty: expected what this person is called there");
    // Who opened an incident is somebody too.
    assert_eq!(warned(&with(&[(BOB, &format!("{BOB}\n{}", named("tool", "creator", "U1")))])), "");
    insta::assert_snapshot!(refusal(BOB, &format!("{BOB}\n{}", named("tool", "author", "U1"))), @"people.bob.named[0].claim: `author` is nothing that `tool` names people by: expected `creator`");
}

#[test]
fn a_name_means_one_person() {
    let named = |value: &str| format!("named = [{{ by = \"tool\", claim = \"creator\", value = \"{value}\" }}]");
    let two = |one: &str, other: &str| {
        [("[people.alice]", format!("[people.alice]\n{}", named(one))), (BOB, format!("{BOB}\n{}", named(other)))]
    };
    let refused = |one: &str, other: &str| {
        let [(a, b), (c, d)] = two(one, other);
        refusals(&[(a, &b), (c, &d)])
    };
    insta::assert_snapshot!(refused("U1", "U1"), @"people.bob.named[0]: `U1` means `alice` (case aside): expected each name to mean one person, or whoever asked could acknowledge");
    assert_eq!(refused("U1", "u1").lines().count(), 1);
    let [(a, b), (c, d)] = two("U1", "U2");
    assert_eq!(warnings(&[(a, &b), (c, &d)]), "");
}

#[test]
fn what_a_machine_asks_for_needs_two_people() {
    let deploy = machine("deploy", "repository = \"example/app\"");
    let text = machines(&deploy, "").replace("acknowledgers = [\"leads\", \"oncall\"]", "acknowledgers = [\"leads\"]");
    insta::assert_snapshot!(warned(&text), @"
    roles.admin.acknowledgers: `bob` alone may acknowledge, and what a machine asks for needs two people
    roles.admin.acknowledgers: `bob` alone may acknowledge, so nobody can acknowledge what `bob` asks for
    ");
    // Machines ask, and do nothing else.
    let only = machine("deploy", "repository = \"example/app\"").replace("oncall", "pipelines");
    let asks = machines(&only, "").replace("requesters = [\"oncall\"]", "requesters = [\"oncall\", \"pipelines\"]");
    assert_eq!(warned(&asks), "");
    let answers =
        machines(&only, "").replace("acknowledgers = [\"leads\"", "acknowledgers = [\"pipelines\", \"leads\"");
    insta::assert_snapshot!(warned(&answers), @"roles.admin.acknowledgers: nobody is in `pipelines`: expected a group that somebody is in: `leads`, `oncall`");
}
