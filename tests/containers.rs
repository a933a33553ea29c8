//! The image and the composition: what they name exists, and it works together,
//! started without containers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use halligan_aws::provision::{Accounts, Plan};
use halligan_aws::{Attempt, Seen, StaticCredentials, Visitor};
use serde_json::Value;

use crate::support::stand_in::{StandIn, free_port};
use crate::support::{Broker, HALLIGAN, python, root};

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    serde_saphyr::from_str(&text("docker-compose.yml")).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// The instructions of a Dockerfile, with their continued lines.
fn instructions(path: &str) -> Vec<(String, String)> {
    let text = text(path);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    let instruction = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
    joined.lines().filter_map(instruction).collect()
}

fn only<'a>(instructions: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    instructions.iter().filter(|(found, _)| found == name).map(|(_, rest)| rest.as_str()).collect()
}

fn configured() -> toml::Table {
    text("deploy/compose/etc/halligan.toml").parse().unwrap()
}

#[test]
fn the_image_runs_the_one_binary_with_flags_and_paths_that_exist() {
    let image = instructions("Dockerfile");
    let entry: Vec<String> = serde_json::from_str(only(&image, "ENTRYPOINT")[0]).unwrap();
    let command: Vec<String> = serde_json::from_str(only(&image, "CMD")[0]).unwrap();
    assert_eq!(entry, ["halligan"]);
    let [subcommand, flag, file] = &command[..] else { panic!("{command:?}") };
    let help = Command::new(HALLIGAN).args([subcommand, "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains(&format!("{flag} <FILE>")), "{help}");

    // The composition mounts the file there, and the configuration listens on the port.
    let compose = compose();
    let mounts = strings(&compose["services"]["broker"]["volumes"]);
    let (directory, name) = file.rsplit_once('/').unwrap();
    assert!(mounts.contains(&format!("./deploy/compose/etc:{directory}:ro").as_str()), "{mounts:?}");
    assert!(root().join("deploy/compose/etc").join(name).is_file());
    let config = configured();
    let listen = config["server"]["listen"].as_str().unwrap();
    let port = listen.rsplit_once(':').unwrap().1;
    assert_eq!(only(&image, "EXPOSE"), [port]);
    let state = config["state_directory"].as_str().unwrap();
    assert_eq!(only(&image, "WORKDIR").last(), Some(&state));
    assert!(only(&image, "RUN").iter().any(|run| run.contains(&format!("--home-dir {state}"))), "the user owns it");
    assert!(mounts.contains(&format!("archive:{state}").as_str()), "{mounts:?}");

    // What it is built from.
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(only(&image, "FROM")[0].starts_with(&format!("rust:{rust}-")), "another Rust than the workspace's");
    let build = only(&image, "RUN").into_iter().find(|run| run.contains("cargo build")).unwrap();
    assert!(build.contains("--locked --package halligan --bin halligan"), "{build}");
    // What is not in the build's context can't be missed by it.
    for ignored in text(".dockerignore").lines().filter(|line| !line.starts_with('#') && !line.contains('*')) {
        let built = ["crates", "deploy", "deploy/aws", "Cargo.toml", "Cargo.lock"];
        assert!(!built.contains(&ignored), "the build needs {ignored}");
    }
}

#[test]
fn whatever_the_composition_names_exists() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let init = text("deploy/compose/init");
    let mut volumes = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    for (name, service) in services {
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            match how["condition"].as_str().unwrap() {
                "service_healthy" => assert!(services[other]["healthcheck"].is_object(), "{name} waits for {other}"),
                "service_completed_successfully" => assert!(services[other]["restart"].is_null(), "{other} never ends"),
                other => panic!("{name}: {other}"),
            }
        }
        for mount in strings(&service["volumes"]) {
            let (from, to) = mount.split_once(':').unwrap();
            assert!(to.starts_with('/'), "{name}: {mount}");
            match from.strip_prefix("./") {
                Some(path) => assert!(root().join(path).exists(), "{name}: {from} is not there"),
                None => assert!(volumes.insert(from) || volumes.contains(from)),
            }
        }
        secrets.extend(strings(&service["secrets"]));
        for (field, path) in [("build", &service["build"]), ("image", &service["image"])] {
            match (field, path) {
                ("build", Value::String(directory)) => assert!(root().join(directory).join("Dockerfile").is_file()),
                ("build", Value::Object(build)) => {
                    assert!(root().join(build["dockerfile"].as_str().unwrap()).is_file(), "{name}");
                }
                _ => {}
            }
        }
        for published in strings(&service["ports"]) {
            assert!(published.starts_with("127.0.0.1:"), "{name}: {published} is reached from other machines");
        }
    }
    assert_eq!(volumes, keys(&compose["volumes"]), "volumes that are declared, and those that are used");
    assert_eq!(secrets, keys(&compose["secrets"]), "secrets that are declared, and those that are used");
    for secret in &secrets {
        let file = compose["secrets"][secret]["file"].as_str().unwrap();
        let made = file.strip_prefix("./deploy/compose/").unwrap();
        assert!(init.contains(&format!(">{made}")), "deploy/compose/init doesn't write {file}");
    }

    // The broker: its secret, its port, the STS of the stand-in, the gateway that it trusts.
    let (config, broker) = (configured(), &services["broker"]);
    let url = config["store"]["url_from"]["file"].as_str().unwrap();
    assert_eq!(url, format!("/run/secrets/{}", strings(&broker["secrets"])[0]));
    let port = config["server"]["listen"].as_str().unwrap().rsplit_once(':').unwrap().1;
    assert_eq!(strings(&broker["ports"]), [format!("127.0.0.1:{port}:{port}")]);
    assert_eq!(config["server"]["public_url"].as_str().unwrap(), format!("http://127.0.0.1:{port}"));
    let check = strings(&broker["healthcheck"]["test"]).join(" ");
    assert!(check.contains(&format!("/dev/tcp/127.0.0.1/{port}")) && check.contains("GET /readyz "), "{check}");
    assert_eq!(broker["environment"]["AWS_ENDPOINT_URL"], config["aws"]["endpoint_url"].as_str().unwrap());
    let gateway = compose["networks"]["default"]["ipam"]["config"][0]["gateway"].as_str().unwrap();
    assert_eq!(config["server"]["trusted_proxies"][0].as_str().unwrap(), format!("{gateway}/32"));

    // The stand-in: its port is its own, and every variable is one that it reads.
    let stand_in = instructions("deploy/compose/standin.Dockerfile");
    let set = only(&stand_in, "ENV").join(" ");
    let set: BTreeSet<_> = set.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
    let port = set.iter().find(|(name, _)| *name == "GATEWAY_PORT").unwrap().1;
    assert_eq!(only(&stand_in, "EXPOSE"), [port]);
    assert_eq!(strings(&services["standin"]["ports"]), [format!("127.0.0.1:{port}:{port}")]);
    assert_eq!(broker["environment"]["AWS_ENDPOINT_URL"], format!("http://standin:{port}"));
    let package = root().join("target/test-tools/standin/ministack");
    let read = read_by(&package);
    for (name, _) in &set {
        assert!(read.contains(&format!("\"{name}\"")), "the stand-in reads no {name}");
    }
    for copied in only(&stand_in, "COPY") {
        assert!(root().join(copied.split(' ').next().unwrap()).is_file(), "{copied}");
    }

    // The provisioner reads what it is given, and is given what it reads.
    let script = text("deploy/compose/provision.py");
    let given = keys(&services["provision"]["environment"]);
    let reads: BTreeSet<_> =
        script.split("os.environ[\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(given, reads);
    let external_id = config["roles"]["admin"]["external_id"].as_str().unwrap();
    assert_eq!(services["provision"]["environment"]["EXTERNAL_ID"], external_id);
}

/// Every source of a Python package.
fn read_by(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&read_by(&path));
        } else if path.extension().is_some_and(|extension| extension == "py") {
            text.push_str(&fs::read_to_string(path).unwrap().replace('\'', "\""));
        }
    }
    text
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The files of the composition, its script and its configuration, with this
/// machine's paths and ports for those of the containers, and SQLite for PostgreSQL.
#[tokio::test]
async fn the_composition_works_without_its_containers() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name).display().to_string();
    run(Command::new("cp").arg("-r").arg(root().join("deploy/compose")).arg(path("compose")));
    for made in ["secrets", "home", "etc/people"] {
        let _ = fs::remove_dir_all(here.path().join("compose").join(made));
    }
    run(&mut Command::new(path("compose/init")));
    fs::create_dir(path("aws")).unwrap();
    let stand_in = StandIn::start().await;
    let compose = compose();
    let external_id = compose["services"]["provision"]["environment"]["EXTERNAL_ID"].as_str().unwrap();
    let mut provision = Command::new(python());
    provision.arg(path("compose/provision.py")).env("ENDPOINT", stand_in.url()).env("OUT", path("aws"));
    provision.env("TEMPLATES", root().join("deploy/aws")).env("EXTERNAL_ID", external_id);
    run(&mut provision);
    assert!(run(&mut provision).contains("there already"), "it comes up a second time");

    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    fs::write(path("database_url"), format!("sqlite:{}", path("halligan.db"))).unwrap();
    let replacements = [
        ("/etc/halligan", path("compose/etc")),
        ("/var/lib/halligan", path("state")),
        ("/run/secrets/database_url", path("database_url")),
        ("0.0.0.0:8080", format!("127.0.0.1:{port}")),
        ("http://127.0.0.1:8080", url.clone()),
        ("http://standin:4566", stand_in.url()),
    ];
    let here_instead = |text: String| {
        replacements.iter().fold(text, |text, (there, here)| {
            assert!(!there.is_empty());
            text.replace(there, here)
        })
    };
    let config = here.path().join("compose/etc/halligan.toml");
    fs::write(&config, here_instead(fs::read_to_string(&config).unwrap())).unwrap();
    for person in ["alice", "bob", "carol"] {
        let profile = here.path().join(format!("compose/home/profiles/{person}.toml"));
        let text = here_instead(fs::read_to_string(&profile).unwrap());
        fs::write(profile, text).unwrap();
    }
    let environment = compose["services"]["broker"]["environment"].as_object().unwrap();
    let environment: Vec<(&str, String)> = environment
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().unwrap().replace("/aws/", &format!("{}/", path("aws")));
            (name.as_str(), value.replace("http://standin:4566", &stand_in.url()))
        })
        .collect();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut broker = Broker::new(&url, &config, &environment);
    broker.start().await;

    let halligan = |profile: &str, arguments: &[&str]| -> Value {
        let mut command = Command::new(HALLIGAN);
        command.env_clear().env("HALLIGAN_HOME", path("compose/home")).args(["--profile", profile, "--json"]);
        serde_json::from_str(&run(command.args(arguments))).unwrap()
    };
    let ask = ["request", "admin", "--incident", "INC-1", "--reason", "checkout answers 500", "--duration", "10m"];
    let asked = halligan("alice", &ask);
    let id = asked["id"].as_str().unwrap();
    halligan("bob", &["ack", id, "--yes"]);
    let held = halligan("alice", &["credentials", id]);
    let accounts = Accounts::planned(&stand_in.url(), &Plan { region: "us-east-1".to_owned(), ..Plan::default() });
    let text = |name: &str| held[name].as_str().unwrap().to_owned();
    let visitor = Visitor::new(
        &accounts,
        &StaticCredentials {
            access_key_id: text("AccessKeyId"),
            secret_access_key: text("SecretAccessKey").into(),
            session_token: Some(text("SessionToken").into()),
        },
    );
    assert_eq!(visitor.attempt(Attempt::ListBuckets).await, Seen::Allowed);
    let revoked = halligan("carol", &["revoke", id, "--reason", "over"]);
    assert_eq!(revoked["state"], "revoked");
    assert!(broker.stop().await.success());
}
