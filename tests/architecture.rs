//! The shape of the house, as docs/ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crates of ours a crate may depend on.
const ARROWS: [(&str, &[&str]); 9] = [
    ("halligan-core", &[]),
    ("halligan-log", &[]),
    ("halligan-policy", &["halligan-core"]),
    ("halligan-engine", &["halligan-core", "halligan-log", "halligan-policy"]),
    ("halligan-store", &["halligan-core", "halligan-engine", "halligan-log"]),
    ("halligan-aws", &["halligan-core", "halligan-engine", "halligan-log"]),
    ("halligan-connect", &["halligan-core", "halligan-engine", "halligan-log"]),
    ("halligan-server", &["halligan-core", "halligan-engine", "halligan-log"]),
    (
        "halligan",
        &[
            "halligan-aws",
            "halligan-connect",
            "halligan-core",
            "halligan-engine",
            "halligan-log",
            "halligan-policy",
            "halligan-server",
            "halligan-store",
        ],
    ),
];

/// Families of dependencies, and the only crates that may have them.
const ROOMS: [(&str, &[&str]); 7] = [
    ("aws-sdk", &["halligan-aws"]),
    ("aws-config", &["halligan-aws"]),
    ("sqlx", &["halligan-store"]),
    ("cedar", &["halligan-policy"]),
    ("axum", &["halligan-server", "halligan"]),
    ("reqwest", &["halligan-connect", "halligan-aws", "halligan"]),
    (
        "tokio",
        &["halligan-engine", "halligan-store", "halligan-aws", "halligan-connect", "halligan-server", "halligan"],
    ),
];

/// Legacy or home-grown cryptography that must not come back through a feature.
const NEVER_BUILT: [&str; 3] = ["ring", "openssl-sys", "native-tls"];

/// Its private keys leak through timing (RUSTSEC-2023-0071). Who verifies has none.
const VERIFIES_ONLY: (&str, &str) = ("rsa", "openidconnect");

/// Files that are one list, which grows with what there is to name.
const ONE_LIST: [&str; 1] = ["crates/core/src/event.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The normal dependencies of each of our crates, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps", "--offline"])).unwrap();
    let normal = |package: &Value| -> BTreeSet<String> {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), normal(package))).collect()
}

#[test]
fn crates_point_only_where_the_picture_points() {
    let found = dependencies();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        drawn,
        "the picture and the workspace differ"
    );
    for (name, allowed) in ARROWS {
        let ours = found[name].iter().filter(|dependency| dependency.starts_with("halligan"));
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn each_dependency_stays_in_its_room() {
    for (name, dependencies) in dependencies() {
        for (family, rooms) in ROOMS {
            let strays = dependencies.iter().filter(|dependency| dependency.starts_with(family));
            for stray in strays {
                assert!(rooms.contains(&name.as_str()), "{name} must not depend on {stray}");
            }
        }
    }
}

#[test]
fn what_must_never_be_built_is_not() {
    let tree = cargo(&["tree", "--workspace", "--edges=normal,build", "--prefix=none", "--offline", "--locked"]);
    let built: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(built.contains("aws-lc-rs") && built.len() > 200, "the tree was not read");
    for name in NEVER_BUILT {
        assert!(!built.contains(name), "{name} is built: see `cargo tree -i {name}`");
    }
}

#[test]
fn rsa_is_there_for_openidconnect_alone() {
    let (name, user) = VERIFIES_ONLY;
    let arguments = ["--workspace", "--edges=normal,build", "--prefix=depth", "--depth=1", "--offline", "--locked"];
    let tree = cargo(&[&["tree", "--invert", name][..], &arguments].concat());
    let users: Vec<&str> = tree.lines().filter_map(|line| line.strip_prefix('1')?.split(' ').next()).collect();
    assert_eq!(users, [user], "{tree}");
}

#[test]
fn there_is_one_binary() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps", "--offline"])).unwrap();
    let targets =
        metadata["packages"].as_array().unwrap().iter().flat_map(|p| p["targets"].as_array().unwrap().clone());
    let binaries = targets.filter(|t| t["kind"] == serde_json::json!(["bin"])).count();
    assert_eq!(binaries, 1, "a second binary makes `cargo run` ask which");
}

fn sources() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(|path| (path.into(), std::fs::read_to_string(root().join(path)).unwrap_or_default())).collect()
}

#[test]
fn no_file_is_two_things() {
    let mut long = Vec::new();
    for (path, text) in sources() {
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
        if !is_test && code > 500 && !ONE_LIST.contains(&path.to_str().unwrap_or_default()) {
            long.push(format!("{} has {code} lines without its tests", path.display()));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn pure_crates_read_no_clock_no_chance_and_no_file() {
    let pure = |path: &Path| path.starts_with("crates/core/src") || path.starts_with("crates/policy/src");
    for (path, text) in sources().into_iter().filter(|(path, _)| pure(path)) {
        for ambient in ["std::fs", "std::net", "std::env", "Timestamp::now", "SystemTime", "Instant::now", "rand::"] {
            assert!(!text.contains(ambient), "{} uses {ambient}", path.display());
        }
    }
}
