//! Clients in other languages that know nothing but the proto: they make a picture and follow the job early, late, twice and
//! after its end.

use crate::support::{Server, skip};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use unitscope_tests::build::checkout;

/// What the clients ask for.
const STEPS: u64 = 400;
/// After which event their resumed stream begins.
const RESUMED_AFTER: u64 = 50;

/// Runs a client against a server of its own and holds what it saw against the contract.
fn check(client: impl FnOnce(&str) -> Command) {
    let server = Server::start();
    let output = client(server.address()).output().expect("the interpreter runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed:\n{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("the client prints one JSON object");
    assert_eq!(summary["state"], "STATE_SUCCEEDED");
    assert_eq!(summary["steps"], STEPS);
    assert!(summary["score"].as_f64() > summary["startScore"].as_f64(), "{summary}");
    let png = summary["png"].as_str().expect("the PNG comes in base64");
    assert!(png.starts_with("iVBORw0KGgo"), "the picture is a PNG: {png}");
    let early = check_stream(&summary, "early", 1);
    for name in ["late", "twice", "after"] {
        assert_eq!(check_stream(&summary, name, 1), early, "{name}");
    }
    assert_eq!(check_stream(&summary, "resumed", RESUMED_AFTER + 1), early[RESUMED_AFTER as usize..]);
}

/// The numbered events of a stream, consecutive from `first`, and `done` at the end.
fn check_stream(summary: &Value, name: &str, first: u64) -> Vec<Value> {
    let events = summary["streams"][name].as_array().unwrap_or_else(|| panic!("no stream `{name}`")).clone();
    assert_eq!(events.last().map(|event| event[1].clone()), Some("done".into()), "{name}");
    let numbered: Vec<Value> = events.into_iter().filter(|event| event[0] != 0).collect();
    let numbers: Vec<u64> = numbered.iter().filter_map(|event| event[0].as_u64()).collect();
    assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>(), "{name}");
    let steps: Vec<u64> =
        numbered.iter().filter(|event| event[1] == "step").filter_map(|e| e[2].as_u64()).collect();
    assert_eq!(steps.last(), Some(&STEPS), "{name}");
    assert!(steps.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{name}: {steps:?}");
    numbered
}

/// Where `make test` puts what the clients need.
fn packages(client: &str) -> Option<PathBuf> {
    Some(checkout().join(".test-clients").join(client)).filter(|folder| folder.is_dir())
}

fn runs(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn python() {
    let packages = packages("python")
        .expect("`make test` installs grpcio and grpcio-tools: run it once, or scripts/test_clients.py");
    check(|address| {
        let mut python = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
        python
            .arg(checkout().join("tests/clients/python/client.py"))
            .arg(address)
            .arg(checkout().join("proto"));
        python.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    });
}

#[test]
fn node() {
    if !runs("node") {
        return skip("the Node client: there is no node on this machine");
    }
    let Some(packages) = packages("node") else {
        return skip(
            "the Node client: its packages are not installed, which `make test` does where there is npm",
        );
    };
    check(|address| {
        let mut node = Command::new("node");
        node.arg(checkout().join("tests/clients/node/client.js")).arg(address);
        node.env("NODE_PATH", packages.join("node_modules"));
        node
    });
}
