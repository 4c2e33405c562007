//! Who may depend on whom.

use super::Rule;
use super::files::File;

/// The crates that are plugins, built in or not.
fn is_plugin(path: &str) -> bool {
    path.starts_with("plugins/") || (path.starts_with("tests/fixtures/") && path.ends_with("/Cargo.toml"))
}

pub const RULES: &[Rule] = &[
    Rule {
        says: "a crate depends on these crates of ours alone (invariants 1, 3, 5, 15)",
        find: own_dependencies,
        bad: &[
            ("cli/Cargo.toml", "[dependencies]\nunitscope-engine.workspace = true"),
            ("service/engine/Cargo.toml", "[dependencies]\nunitscope-proto.workspace = true"),
            ("service/engine/Cargo.toml", "[build-dependencies]\nunitscope-server = { path = '..' }"),
            (
                "plugins/objectives/Cargo.toml",
                "[dependencies]\nunitscope-engine = { path = '../../service/engine' }",
            ),
            ("sdk/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nunitscope-proto = '1'"),
            ("proto/Cargo.toml", "[dependencies]\nunitscope-sdk = '1'"),
            ("new/Cargo.toml", "[dependencies]\nunitscope-proto = '1'"),
        ],
        good: &[
            ("cli/Cargo.toml", "[dependencies]\nunitscope-proto.workspace = true"),
            ("service/engine/Cargo.toml", "[dev-dependencies]\nunitscope-tests.workspace = true"),
        ],
    },
    Rule {
        says: "plugins know the SDK and nothing else; the SDK knows std and nothing else (invariant 5)",
        find: no_foreign_dependencies,
        bad: &[
            ("sdk/Cargo.toml", "[dependencies]\nserde = '1'"),
            ("plugins/objectives/Cargo.toml", "[dependencies]\nrand = '1'"),
            ("tests/fixtures/misbehaving/Cargo.toml", "[dependencies]\nlibc = '1'"),
        ],
        good: &[
            ("plugins/objectives/Cargo.toml", "[dependencies]\nunitscope-sdk.workspace = true"),
            ("sdk/Cargo.toml", "[dev-dependencies]\nproptest = '1'"),
        ],
    },
    Rule {
        says: "the engine knows no tokio, no tonic, no prost, no clap (invariant 2)",
        find: |file| forbidden(file, |path| path == "service/engine/Cargo.toml", ENGINE_NEVER),
        bad: &[
            ("service/engine/Cargo.toml", "[dependencies]\ntokio = '1'"),
            ("service/engine/Cargo.toml", "[dependencies]\ntonic-types.workspace = true"),
        ],
        good: &[("service/Cargo.toml", "[dependencies]\ntokio = '1'")],
    },
    Rule {
        says: "only the engine knows tch; the tests use it to look at what was made (invariant 3)",
        find: |file| {
            forbidden(file, |path| path != "service/engine/Cargo.toml" && path != "Cargo.toml", TORCH)
        },
        bad: &[
            ("service/Cargo.toml", "[dependencies]\ntch.workspace = true"),
            ("cli/Cargo.toml", "[dependencies]\ntorch-sys = '1'"),
        ],
        good: &[
            ("service/engine/Cargo.toml", "[dependencies]\ntch = { optional = true }"),
            ("tests/Cargo.toml", "[dev-dependencies]\ntch.workspace = true"),
        ],
    },
    Rule {
        says: "every crate keeps the workspace's lints, edition and license",
        find: inherits,
        bad: &[
            ("new/Cargo.toml", "[package]\nname = 'new'"),
            ("cli/Cargo.toml", "[package]\nedition.workspace = true\nlicense.workspace = true"),
        ],
        good: &[(
            "cli/Cargo.toml",
            "[package]\nedition.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true",
        )],
    },
];

const ENGINE_NEVER: &[&str] = &["tokio", "tonic", "prost", "clap", "tracing", "futures", "chrono"];

const TORCH: &[&str] = &["tch", "torch-sys"];

/// The crates of this workspace that a crate may be built with.
fn allowed(path: &str) -> &'static [&'static str] {
    match path {
        "service/Cargo.toml" => &["unitscope-engine", "unitscope-proto"],
        "service/engine/Cargo.toml" => &["unitscope-sdk"],
        "cli/Cargo.toml" => &["unitscope-proto"],
        "fuzz/Cargo.toml" => &["unitscope-engine"],
        path if is_plugin(path) => &["unitscope-sdk"],
        _ => &[],
    }
}

fn own_dependencies(file: &File) -> Vec<String> {
    let own = dependencies(file).into_iter().filter(|name| name.starts_with("unitscope-"));
    own.filter(|name| !allowed(&file.path).contains(&name.as_str())).map(|name| named(file, &name)).collect()
}

fn no_foreign_dependencies(file: &File) -> Vec<String> {
    if file.path != "sdk/Cargo.toml" && !is_plugin(&file.path) {
        return Vec::new();
    }
    let foreign = dependencies(file).into_iter().filter(|name| !name.starts_with("unitscope-"));
    foreign.map(|name| named(file, &name)).collect()
}

fn forbidden(file: &File, applies: fn(&str) -> bool, never: &[&str]) -> Vec<String> {
    if !applies(&file.path) {
        return Vec::new();
    }
    let is = |name: &str| never.iter().any(|one| name == *one || name.starts_with(&format!("{one}-")));
    dependencies(file).into_iter().filter(|name| is(name)).map(|name| named(file, &name)).collect()
}

fn inherits(file: &File) -> Vec<String> {
    let Some(manifest) = manifest(file).filter(|manifest| manifest.contains_key("package")) else {
        return Vec::new();
    };
    let inherited = |value: Option<&toml::Value>| value.and_then(|value| value.get("workspace")).is_some();
    let package = &manifest["package"];
    let parts = [
        ("lints", inherited(manifest.get("lints"))),
        ("edition", inherited(package.get("edition"))),
        ("license", inherited(package.get("license"))),
    ];
    parts.iter().filter(|(_, kept)| !kept).map(|(part, _)| named(file, part)).collect()
}

/// Everything that a crate is built with, for any target; what its tests alone use is not.
fn dependencies(file: &File) -> Vec<String> {
    let Some(manifest) = manifest(file) else { return Vec::new() };
    let of = |table: &toml::Table| {
        let kinds = ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|kind| table.get(kind)?.as_table().cloned());
        kinds.flat_map(|dependencies| dependencies.into_iter().map(|(name, _)| name)).collect::<Vec<_>>()
    };
    let mut names = of(&manifest);
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    names.extend(targets.filter_map(|(_, target)| target.as_table()).flat_map(of));
    names
}

fn manifest(file: &File) -> Option<toml::Table> {
    let is_manifest = file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml");
    is_manifest.then(|| file.text.parse().expect("cargo reads it too"))
}

fn named(file: &File, what: &str) -> String {
    format!("{}: `{what}`", file.path)
}
