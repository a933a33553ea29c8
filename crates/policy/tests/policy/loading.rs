//! Texts that are refused, each at its place and with what was expected.

use halligan_policy::explain::Alternatives;
use halligan_policy::{Action, Known, LoadError, PolicySet, Source};
use insta::assert_snapshot;

use crate::world::{Alice, role};

fn known() -> Known {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Known {
        persons: names(&["alice", "bob"]).iter().map(|name| name.parse().unwrap()).collect(),
        machines: names(&["deploys"]).iter().map(|name| name.parse().unwrap()).collect(),
        groups: names(&["oncall", "leads"]).iter().map(|name| name.parse().unwrap()).collect(),
        roles: names(&["prod-admin"]).iter().map(|name| name.parse().unwrap()).collect(),
        ..Known::default()
    }
}

fn errors(texts: &[&str]) -> Vec<LoadError> {
    let sources: Vec<Source> =
        texts.iter().enumerate().map(|(n, text)| Source::new(format!("{}.cedar", n + 1), *text)).collect();
    PolicySet::load(&sources, &known()).map(|policies| policies.ids().join(" ")).expect_err("it was taken")
}

fn refused(text: &str) -> String {
    let errors = errors(&[text]);
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const GOOD: &str = r#"@id("good") permit (principal, action == Halligan::Action::"request", resource);"#;

#[test]
fn a_syntax_error_has_line_and_column() {
    assert_snapshot!(refused("// ü\n@id(\"a\")\npermit (principal, action resource);\n"), @r#"
    1.cedar:3:27: unexpected token `resource`: expected `!=`, `)`, `,`, `:`, `<`, `<=`, `==`, `>`, `>=`, `in`, or `is`
      | permit (principal, action resource);
      |                           ^
    "#);
    assert_snapshot!(refused("@id(\"a\")\npermit (principal, action, resource) when { true "), @r#"
    1.cedar:2:49: unexpected end of input: expected `!=`, `&&`, `(`, `*`, `+`, `-`, `.`, `::`, `<`, `<=`, `==`, `>`, `>=`, `[`, `||`, `}`, `has`, `in`, `is`, or `like`
      | permit (principal, action, resource) when { true 
      |                                                 ^
    "#);
    assert_snapshot!(refused("@id('a') permit (principal, action, resource);"), @r#"
    1.cedar:1:5: invalid token: strings must use double quotes, not single quotes
      | @id('a') permit (principal, action, resource);
      |     ^
    "#);
}

#[test]
fn every_syntax_error_is_told() {
    let text =
        "@id(\"a\") permit (principal, action, resource) when { 1 + };\n@id(\"b\") permit (x, action, resource);";
    assert_snapshot!(refused(text), @r#"
    1.cedar:1:58: unexpected token `}`: expected `!`, `(`, `-`, `[`, `{`, `false`, identifier, `if`, number, `?principal`, `?resource`, string literal, or `true`
      | @id("a") permit (principal, action, resource) when { 1 + };
      |                                                          ^
    "#);
}

#[test]
fn somebody_unknown_is_refused_with_the_nearest_name() {
    assert_snapshot!(refused(r#"@id("a") permit (principal in Halligan::Group::"onacll", action, resource);"#), @r#"
    1.cedar:1:31: there is no group `onacll`: did you mean `oncall`?
      | @id("a") permit (principal in Halligan::Group::"onacll", action, resource);
      |                               ^
    "#);
    assert_snapshot!(
        refused(
            "@id(\"a\")\n@satisfiedBy(\"no\")\nforbid (principal, action, resource == Halligan::Role::\"staging\")\nwhen { principal == Halligan::Person::\"alicia\" || principal == Halligan::Machine::\"x\" };"
        ),
        @r#"
    1.cedar:3:40: there is no role `staging`: name one that the configuration has under `roles`, or add it there
      | forbid (principal, action, resource == Halligan::Role::"staging")
      |                                        ^
    1.cedar:4:21: there is no person `alicia`: did you mean `alice`?
      | when { principal == Halligan::Person::"alicia" || principal == Halligan::Machine::"x" };
      |                     ^
    1.cedar:4:64: there is no machine `x`: name one that the configuration has under `machines`, or add it there
      | when { principal == Halligan::Person::"alicia" || principal == Halligan::Machine::"x" };
      |                                                                ^
    "#
    );
    assert_snapshot!(refused(r#"@id("a") permit (principal, action, resource == Halligan::Log::"logs");"#), @r#"
    1.cedar:1:49: there is no log `logs`: did you mean `log`?
      | @id("a") permit (principal, action, resource == Halligan::Log::"logs");
      |                                                 ^
    "#);
}

#[test]
fn what_the_schema_does_not_have_is_refused() {
    assert_snapshot!(refused(r#"@id("a") permit (principal is User, action, resource);"#), @r#"
    1.cedar:1:31: for policy `a`, unrecognized entity type `User`: expected one of Halligan::Person, Halligan::Machine, Halligan::Group, Halligan::Role, Halligan::Gate, Halligan::Log, Halligan::Broker
      | @id("a") permit (principal is User, action, resource);
      |                               ^
    "#);
    assert_snapshot!(refused(r#"@id("a") permit (principal, action == Halligan::Action::"acknowlege", resource);"#), @r#"
    1.cedar:1:39: there is no action `acknowlege`: did you mean `acknowledge`?
      | @id("a") permit (principal, action == Halligan::Action::"acknowlege", resource);
      |                                       ^
    "#);
    assert_snapshot!(
        refused("@id(\"a\") permit (principal, action, resource)\nwhen { context.colour == \"red\" };"),
        @r#"
    1.cedar:2:8: for policy `a`, attribute `colour` in context for Halligan::Action::"acknowledge" not found: did you mean `scope`?
      | when { context.colour == "red" };
      |        ^
    "#
    );
}

/// Nothing that is unknown passes for an answer: a policy has to ask `has` first.
#[test]
fn what_may_be_missing_has_to_be_asked_for_first() {
    assert_snapshot!(
        refused(
            "@id(\"fresh\")\n@satisfiedBy(\"prove it\")\nforbid (principal, action == Halligan::Action::\"request\", resource)\nwhen { context.mfaAgeSeconds > 900 };"
        ),
        @r#"
    1.cedar:4:8: for policy `fresh`, unable to guarantee safety of access to optional attribute `mfaAgeSeconds` in context for Halligan::Action::"request": try testing for the attribute's presence with `context has mfaAgeSeconds && ..`
      | when { context.mfaAgeSeconds > 900 };
      |        ^
    "#
    );
}

#[test]
fn an_id_is_there_in_kebab_case_and_unique() {
    assert_snapshot!(refused("permit (principal, action, resource);"), @r#"
    1.cedar:1:1: a policy has no `@id`: expected a name in kebab-case of at most 64 characters: `@id("oncall-may-ask")`
      | permit (principal, action, resource);
      | ^
    "#);
    assert_snapshot!(refused("@id(\"Not Kebab\") permit (principal, action, resource);"), @r#"
    1.cedar:1:1: `Not Kebab` is no id: expected a name in kebab-case of at most 64 characters: `@id("oncall-may-ask")`
      | @id("Not Kebab") permit (principal, action, resource);
      | ^
    "#);
    for bad in ["", "-a", "a-", "a--b", "1a", "ä", "a_b", "A", &"a".repeat(65)] {
        let text = format!("@id(\"{bad}\") permit (principal, action, resource);");
        assert!(refused(&text).contains("is no id"), "{bad}");
    }
    assert_snapshot!(refused(&format!("{GOOD}\n{GOOD}")), @r#"
    1.cedar:2:1: two policies have the id `good`: give this one an id of its own: the first stands above
      | @id("good") permit (principal, action == Halligan::Action::"request", resource);
      | ^
    "#);
    let elsewhere = errors(&[GOOD, &format!("\n{GOOD}")]);
    assert_eq!(elsewhere.len(), 1);
    assert!(elsewhere[0].to_string().starts_with("2.cedar:2:1: two policies have the id `good`"), "{}", elsewhere[0]);
    assert!(elsewhere[0].to_string().contains("in another file"), "{}", elsewhere[0]);
}

#[test]
fn a_forbid_says_what_would_satisfy_it() {
    assert_snapshot!(refused("@id(\"a\") forbid (principal, action, resource);"), @r#"
    1.cedar:1:1: a forbid has no `@satisfiedBy`: say what would satisfy it: `@satisfiedBy("sign the acknowledgement with a passkey")`
      | @id("a") forbid (principal, action, resource);
      | ^
    "#);
    assert_snapshot!(refused("@id(\"a\")\n@satisfiedBy(\"be in {groups}\")\nforbid (principal, action, resource);"), @r#"
    1.cedar:2:1: `@satisfiedBy` can't be shown: nothing fills `{groups}`: expected `{principal}`, `{action}`, `{resource}`, `{resource.name}` or `{resource.LIST}`, LIST being one or more (with `|` between) of requesters, acknowledgers, revokers, emergencyStarters, readers, overriders, administrators
      | @satisfiedBy("be in {groups}")
      | ^
    "#);
}

#[test]
fn an_obligation_is_one_that_somebody_can_meet() {
    assert_snapshot!(refused("@id(\"a\") @satisfiedBy(\"x\") @obliges(\"dance\") forbid (principal, action, resource);"), @r#"
    1.cedar:1:28: nobody knows how to `dance`: expected `@obliges("stepUp")` or `@obliges("sign")`
      | @id("a") @satisfiedBy("x") @obliges("dance") forbid (principal, action, resource);
      |                            ^
    "#);
    assert_snapshot!(refused("@id(\"a\") @obliges(\"sign\") permit (principal, action, resource);"), @r#"
    1.cedar:1:10: a permit obliges to nothing: put `@obliges` on the forbid that refuses
      | @id("a") @obliges("sign") permit (principal, action, resource);
      |          ^
    "#);
}

#[test]
fn an_annotation_that_means_nothing_is_refused() {
    assert_snapshot!(refused("@id(\"a\") @satisfedBy(\"x\") permit (principal, action, resource);"), @r#"
    1.cedar:1:10: `@satisfedBy` means nothing: did you mean `@satisfiedBy`? Known are `@id`, `@satisfiedBy`, `@obliges`
      | @id("a") @satisfedBy("x") permit (principal, action, resource);
      |          ^
    "#);
    // Nor is there one that lifts a limit.
    assert_snapshot!(refused("@id(\"a\") @durationMax(\"8h\") permit (principal, action, resource);"), @r#"
    1.cedar:1:10: `@durationMax` means nothing: known are `@id`, `@satisfiedBy`, `@obliges`
      | @id("a") @durationMax("8h") permit (principal, action, resource);
      |          ^
    "#);
}

#[test]
fn templates_are_refused() {
    assert_snapshot!(refused("@id(\"a\")\npermit (principal == ?principal, action, resource);"), @r#"
    1.cedar:1:1: a template is no policy: write a policy without `?principal` and `?resource`: nothing here would fill them
      | @id("a")
      | ^
    "#);
}

#[test]
fn all_that_is_wrong_is_told_in_the_order_of_the_files() {
    let errors = errors(&["permit (principal, action, resource);", GOOD, "nonsense", "\n\npermit(principal);"]);
    let places: Vec<String> = errors.iter().map(|e| format!("{}:{}", e.file, e.line)).collect();
    assert_eq!(places, ["1.cedar:1", "3.cedar:1", "4.cedar:3", "4.cedar:3"], "{errors:#?}");
}

#[test]
fn what_is_odd_is_told() {
    let odd = "@id(\"never\") permit (principal is Halligan::Machine, action == Halligan::Action::\"acknowledge\", resource);";
    let policies = PolicySet::load(&[Source::new("odd.cedar", format!("{GOOD}\n{odd}"))], &known()).unwrap();
    assert_snapshot!(policies.warnings().join("\n"), @r#"
    odd.cedar:2:1: for policy `never`, policy is impossible: the policy expression evaluates to false for all valid requests
      | @id("never") permit (principal is Halligan::Machine, action == Halligan::Action::"acknowledge", resource);
      | ^
    nothing permits `startEmergency`: everybody is refused it
    nothing permits `acknowledge`: everybody is refused it
    nothing permits `decline`: everybody is refused it
    nothing permits `mint`: everybody is refused it
    nothing permits `extend`: everybody is refused it
    nothing permits `revoke`: everybody is refused it
    nothing permits `review`: everybody is refused it
    nothing permits `read`: everybody is refused it
    nothing permits `administer`: everybody is refused it
    nothing permits `signIn`: everybody is refused it
    "#);
    assert!(PolicySet::defaults().warnings().is_empty(), "{:?}", PolicySet::defaults().warnings());
}

/// The schema has what the program doesn't know yet: whoever goes by it is told.
#[test]
fn what_is_not_kept_yet_is_told() {
    let text = "// reviewDebt\n@id(\"reviews-first\")\n@satisfiedBy(\"close your reviews\")\n\
                forbid (principal, action == Halligan::Action::\"request\", resource)\nwhen { context.reviewDebt > 3 };";
    let sources = [Source::new("default.cedar", halligan_policy::DEFAULT), Source::new("ours.cedar", text)];
    let policies = PolicySet::load(&sources, &Known::default()).unwrap();
    assert_snapshot!(policies.warnings().join("\n"), @"
    ours.cedar:5:16: `reviews-first` goes by `reviewDebt`, which is 0 for everybody: no reviews are kept yet
      | when { context.reviewDebt > 3 };
      |                ^
    ");
}

#[test]
fn the_hash_is_of_names_and_texts() {
    let load = |sources: &[(&str, &str)]| {
        let sources: Vec<Source> = sources.iter().map(|(name, text)| Source::new(*name, *text)).collect();
        PolicySet::load(&sources, &known()).unwrap().sha256().to_owned()
    };
    let other = GOOD.replace("good", "other");
    let hashes = [
        load(&[]),
        load(&[("a.cedar", GOOD)]),
        load(&[("b.cedar", GOOD)]),
        load(&[("a.cedar", &format!("{GOOD}\n"))]),
        load(&[("a.cedar", GOOD), ("b.cedar", &other)]),
        load(&[("a.cedar", &other), ("b.cedar", GOOD)]),
        load(&[("a.cedar", &format!("{GOOD}b.cedar{other}").replace("b.cedar", "\n"))]),
    ];
    for (n, hash) in hashes.iter().enumerate() {
        assert_eq!(hash.len(), 64);
        assert!(!hashes[..n].contains(hash), "{n}");
    }
    assert_eq!(hashes[1], load(&[("a.cedar", GOOD)]));
}

/// Cedar's parser would not come back from these: a file must not end the process.
#[test]
fn what_is_nested_too_deep_is_refused() {
    let when = |condition: &str| format!("@id(\"a\")\npermit (principal, action, resource)\nwhen {{ {condition} }};");
    let nested = |n: usize| when(&format!("{}context.signed{}", "(".repeat(n), ")".repeat(n)));
    assert_snapshot!(refused(&nested(10_000)).get(..90).unwrap_or_default(), @r#"1.cedar:3:106: the conditions are nested too deep: write several policies instead of one"#);
    for deep in [
        vec!["context.signed"; 5_000].join(" || "),
        format!("context{}", ".signed".repeat(5_000)),
        "if context.signed then true else ".repeat(2_000) + "false",
        format!("1{} > 0", " + 1".repeat(5_000)),
        "[".repeat(50_000),
        "!".repeat(50_000),
    ] {
        assert!(refused(&when(&deep)).contains("nested too deep"), "{}", &deep[..40]);
    }
}

/// As deep as is allowed, and many of them, on the small stack of a worker's thread.
#[test]
fn what_is_nested_as_deep_as_may_be_is_answered() {
    let nested = |n: usize| {
        let condition = format!("{}context.signed{}", "!(".repeat(n / 2), ")".repeat(n / 2));
        format!("@id(\"p-{n}\") permit (principal, action, resource) when {{ {condition} }};\n")
    };
    let chained = |n: usize| {
        let condition = vec!["context.signed"; if n == 0 { 85 } else { 5 }].join(" && ");
        format!("@id(\"c-{n}\") permit (principal, action, resource) when {{ {condition} }};\n")
    };
    let text: String = (0..9).map(|n| nested(if n == 0 { 86 } else { 2 * n })).chain((0..9).map(chained)).collect();
    let work = move || {
        let policies =
            PolicySet::load(&[Source::new("deep.cedar", text)], &known()).unwrap_or_else(|e| panic!("{}", e[0]));
        let (alice, role) = (Alice::in_groups(&[]), role());
        let decision = alice.decide(&policies, Action::Request, &role);
        let explained = policies.explain(&alice.asks(Action::Request, &role), &Alternatives::default());
        (decision, explained.decision)
    };
    let (decision, explained) =
        std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap().join().unwrap();
    assert_eq!(decision.errors, Vec::<String>::new());
    assert_eq!(decision, explained);
    assert!(decision.allow, "an even number of nots is there too");
}
