//! Policies of a directory.

use std::fs;

use tempfile::TempDir;

use super::*;

const ASK: &str = r#"@id("leads-may-ask")
permit (
  principal in Halligan::Group::"leads",
  action == Halligan::Action::"request",
  resource == Halligan::Role::"admin"
);
"#;

/// A directory with these files, and what the configuration beside it comes to.
struct Desk(TempDir);

impl Desk {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("policies")).unwrap();
        for (name, text) in files {
            fs::write(directory.path().join("policies").join(name), text).unwrap();
        }
        Self(directory)
    }

    fn load(&self, more: &str) -> Result<Loaded, ConfigError> {
        let text = with(&[("[aws]", &format!("[policy]\ndirectory = \"policies\"\n{more}\n[aws]"))]);
        Config::read(&text, &self.0.path().join("halligan.toml"), &variable)
    }

    fn said(&self) -> String {
        let error = self.load("").unwrap_err().to_string();
        let said = error.replace(self.0.path().to_str().unwrap(), "/etc");
        said.split_once('\n')
            .unwrap()
            .1
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn warned(&self) -> Vec<String> {
        let loaded = self.load("").unwrap();
        let said = loaded.warnings.iter().filter(|warning| !warning.field.starts_with("log."));
        said.map(ToString::to_string).collect()
    }
}

#[test]
fn policies_of_a_directory_hold_in_place_of_the_built_in_ones() {
    let more = ASK.replace("leads-may-ask", "more");
    let desk = Desk::new(&[("b.cedar", ASK), ("a.cedar", &more), ("README.md", "not a policy"), (".a.cedar", "no")]);
    let loaded = desk.load("administrators = [\"leads\"]").unwrap();
    assert_eq!(loaded.rules.policies.ids(), ["more", "leads-may-ask"]);
    assert_eq!(loaded.rules.office.administrators, ["leads".parse().unwrap()].into());
    assert!(read(SOUND).unwrap().rules.policies.ids().contains(&"requesters-may-ask"));
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    let desk = Desk::new(&[
        ("ask.cedar", &ASK.replace(");", "}")),
        ("names.cedar", &ASK.replace("leads\"", "leaders\"").replace("\"admin\"", "\"administrator\"")),
        ("twice.cedar", &format!("{ASK}{ASK}")),
    ]);
    insta::assert_snapshot!(desk.said(), @r#"
    policy.directory: policies/ask.cedar:6:1: unexpected token `}`: expected `)` or `,`
    | }
    | ^
    policy.directory: policies/names.cedar:3:16: there is no group `leaders`: did you mean `leads`?
    |   principal in Halligan::Group::"leaders",
    |                ^
    policy.directory: policies/names.cedar:5:15: there is no role `administrator`: did you mean `admin`?
    |   resource == Halligan::Role::"administrator"
    |               ^
    policy.directory: policies/twice.cedar:1:1: two policies have the id `leads-may-ask`: give this one an id of its own: the first stands in another file
    | @id("leads-may-ask")
    | ^
    policy.directory: policies/twice.cedar:7:1: two policies have the id `leads-may-ask`: give this one an id of its own: the first stands in another file
    | @id("leads-may-ask")
    | ^
    "#);
}

#[test]
fn a_directory_without_policies_permits_nothing() {
    insta::assert_snapshot!(Desk::new(&[]).said(), @"policy.directory: /etc/policies holds no `*.cedar`, so nobody may do anything: expected policies, or no `policy.directory`, for the built-in ones");
    let desk = Desk::new(&[]);
    fs::remove_dir(desk.0.path().join("policies")).unwrap();
    insta::assert_snapshot!(desk.said(), @"policy.directory: the directory /etc/policies can't be read: No such file or directory (os error 2)");
    let long = Desk::new(&[("long.cedar", &"// a remark\n".repeat(400_000))]);
    insta::assert_snapshot!(long.said(), @"policy.directory: the files of /etc/policies are longer than 4 MiB: expected less");
    let unreadable = Desk::new(&[]);
    fs::write(unreadable.0.path().join("policies/a.cedar"), [0xff, 0xfe]).unwrap();
    assert!(unreadable.said().contains("a.cedar can't be read: "), "{}", unreadable.said());
}

#[test]
fn a_mounted_volume_is_made_of_links() {
    let desk = Desk::new(&[]);
    let volume = desk.0.path().join("policies/..2026_03_01");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("ask.cedar"), ASK).unwrap();
    std::os::unix::fs::symlink("..2026_03_01/ask.cedar", desk.0.path().join("policies/ask.cedar")).unwrap();
    assert_eq!(desk.load("").unwrap().rules.policies.ids(), ["leads-may-ask"]);
}

#[test]
fn who_asks_for_a_group_is_a_role_or_a_policy() {
    let guests = ("[\"oncall\", \"leads\"]", "[\"oncall\", \"leads\", \"guests\"]");
    insta::assert_snapshot!(warnings(&[guests]), @"people.bob.groups: no role names `guests`, so being in it permits nothing");
    let by_policy = ASK.replace("Group::\"leads\"", "Group::\"guests\"");
    let desk = Desk::new(&[("ask.cedar", &by_policy)]);
    let text = with(&[guests, ("[aws]", "[policy]\ndirectory = \"policies\"\n[aws]")]);
    let loaded = Config::read(&text, &desk.0.path().join("halligan.toml"), &variable).unwrap();
    assert!(!loaded.warnings.iter().any(|warning| warning.field.starts_with("people")), "{:?}", loaded.warnings);
    // What the policies' own check finds odd is said too.
    let warned = Desk::new(&[("ask.cedar", ASK)]).warned();
    assert!(
        warned.contains(&"policy.directory: nothing permits `acknowledge`: everybody is refused it".to_owned()),
        "{warned:?}"
    );
    insta::assert_snapshot!(warnings(&[("[aws]", "[policy]\nadministrators = [\"admins\"]\n[aws]")]), @"policy.administrators: nobody is in `admins`: expected a group that somebody is in: `leads`, `oncall`");
}
