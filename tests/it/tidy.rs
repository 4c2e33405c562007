//! Holds the code to ARCHITECTURE.md: reads manifests, sources and proto files, and builds nothing.
//!
//! Each rule is a small function from a file to what breaks it, and stands beside samples that break it: a rule that cannot
//! fail is no rule.

mod files;
mod manifests;
mod proto;
mod sources;

use files::{File, checkout_files};

/// One thing that ARCHITECTURE.md or the style promises.
struct Rule {
    /// What it says.
    says: &'static str,
    /// Finds what breaks it in a file of the checkout.
    find: fn(&File) -> Vec<String>,
    /// Samples (path, text) that break it.
    bad: &'static [(&'static str, &'static str)],
    /// Samples that look alike and do not.
    good: &'static [(&'static str, &'static str)],
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    [manifests::RULES, sources::RULES, proto::RULES].into_iter().flatten()
}

#[test]
fn the_code_keeps_every_rule() {
    let files = checkout_files();
    let mut broken = Vec::new();
    for rule in rules() {
        let found = files.iter().flat_map(|file| (rule.find)(file));
        broken.extend(found.map(|place| format!("{place}\n        {}", rule.says)));
    }
    assert!(broken.is_empty(), "{} places break a rule:\n    {}", broken.len(), broken.join("\n    "));
}

#[test]
fn every_rule_can_fail() {
    let find = |rule: &Rule, (path, text): (&str, &str)| (rule.find)(&File::new(path, text));
    for rule in rules() {
        assert!(!rule.bad.is_empty(), "{}: no sample breaks it", rule.says);
        for sample in rule.bad {
            assert!(!find(rule, *sample).is_empty(), "{}: not broken by {sample:?}", rule.says);
        }
        for sample in rule.good {
            assert_eq!(find(rule, *sample), [""; 0], "{}: broken by {sample:?}", rule.says);
        }
    }
}

#[test]
fn the_whole_checkout_is_read() {
    let files = checkout_files();
    for path in
        ["Cargo.toml", "service/engine/src/lib.rs", "proto/unitscope/v1/job.proto", ".ci/run", "README.md"]
    {
        assert!(files.iter().any(|file| file.path == path), "{path} is not read");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.starts_with(".git/")));
}

#[test]
fn the_map_names_every_folder_that_is_a_crate() {
    let files = checkout_files();
    let read = |path: &str| &files.iter().find(|file| file.path == path).expect("it is in the checkout").text;
    let workspace: toml::Table = read("Cargo.toml").parse().expect("cargo reads it too");
    let map = read("ARCHITECTURE.md");
    for member in workspace["workspace"]["members"].as_array().expect("members are a list") {
        let member = member.as_str().expect("a member is a folder");
        // The folders of plugins and fixtures share a row.
        let row = member.split('/').next().filter(|top| *top != "service").unwrap_or(member);
        assert!(map.contains(&format!("| `{row}/` |")), "ARCHITECTURE.md has no row for `{row}/`");
    }
}
