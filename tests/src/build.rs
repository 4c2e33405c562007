//! Builds the programs and plugin libraries that tests start and load, as `cargo test` builds neither another package's
//! binaries nor its cdylibs. It knows no path but those that cargo reports.

use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The programs that [`built`] builds beside the libraries.
const PROGRAMS: [&str; 2] = ["unitscope-server", "unitscope"];
/// The plugin libraries that [`libraries`] builds, in one cargo run.
const LIBRARIES: [&str; 5] = [
    "unitscope-plugin-objectives",
    "unitscope-plugin-regularizers",
    "unitscope-plugin-step-operations",
    "unitscope-fixture-misbehaving",
    "unitscope-fixture-wrong-abi",
];

/// The programs and libraries of this checkout, in the test run's own profile.
#[derive(Debug)]
pub struct Built {
    /// Binaries by name, libraries by file name.
    files: BTreeMap<String, PathBuf>,
}

/// Builds everything at the first call of a process; later calls return what that one found.
///
/// # Panics
/// With cargo's words where it fails.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&[&PROGRAMS[..], &LIBRARIES].concat()))
}

/// As [`built`], but the plugin libraries alone, which need no libtorch.
///
/// # Panics
/// As [`built`].
pub fn libraries() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&LIBRARIES))
}

impl Built {
    /// The program `unitscope-server`.
    pub fn server(&self) -> &Path {
        self.file("unitscope-server")
    }

    /// The program `unitscope`.
    pub fn client(&self) -> &Path {
        self.file("unitscope")
    }

    /// The libraries of the built-in terms.
    pub fn plugins(&self) -> [&Path; 3] {
        ["libunitscope_objectives.so", "libunitscope_regularizers.so", "libunitscope_step_operations.so"]
            .map(|name| self.file(name))
    }

    /// The plugin whose terms break the rules.
    pub fn misbehaving(&self) -> &Path {
        self.file("libunitscope_fixture_misbehaving.so")
    }

    /// The plugin of another ABI.
    pub fn wrong_abi(&self) -> &Path {
        self.file("libunitscope_fixture_wrong_abi.so")
    }

    fn file(&self, name: &str) -> &Path {
        let found = self.files.get(name);
        found.unwrap_or_else(|| panic!("cargo built no `{name}`; it built {:?}", self.files.keys()))
    }
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the checkout's folder `tests`")
}

fn build(packages: &[&str]) -> Built {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(checkout()).args(["build", "--message-format=json-render-diagnostics"]);
    cargo.args(profile().iter().map(|argument| argument.as_str()));
    cargo.args(packages.iter().flat_map(|package| ["-p", package]));
    // Cargo's configuration has set it for this process already. As a variable it would look like another LIBTORCH to the
    // build scripts, and torch-sys would be built anew.
    if env::var_os("LIBTORCH").is_some_and(|set| Path::new(&set) == checkout().join(".libtorch")) {
        cargo.env_remove("LIBTORCH");
    }
    let output = cargo.output().expect("cargo runs, as it runs this test");
    assert!(output.status.success(), "cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Built { files: artifacts(&String::from_utf8_lossy(&output.stdout)) }
}

/// The profile of the running test, which is the name of its folder in the target folder: `TARGET/debug/deps/it-…`.
fn profile() -> Vec<String> {
    let test = env::current_exe().expect("a test knows its own file");
    let folder = test.parent().and_then(Path::parent).and_then(Path::file_name);
    match folder.and_then(|name| name.to_str()) {
        Some("debug") => Vec::new(),
        Some(name) => vec!["--profile".into(), name.into()],
        None => panic!("`{}` does not lie in a folder of cargo's", test.display()),
    }
}

/// Reads the files that cargo's messages report: executables by name, libraries by file name.
fn artifacts(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    let mut add = |path: &str| {
        let path = PathBuf::from(path);
        let name = path.file_name().expect("a built file has a name").to_string_lossy().into_owned();
        files.insert(name, path);
    };
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).expect("cargo writes one JSON object a line");
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let shared = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        message["executable"].as_str().into_iter().for_each(&mut add);
        shared.filter(|path| path.ends_with(".so")).for_each(&mut add);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_executables_and_shared_libraries() {
        let messages = [
            r#"{"reason":"compiler-artifact","filenames":["/t/debug/unitscope"],"executable":"/t/debug/unitscope"}"#,
            r#"{"reason":"compiler-artifact","filenames":["/t/debug/liba.so","/t/debug/liba.rlib"],"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        let files = artifacts(&messages.join("\n"));
        assert_eq!(files.keys().collect::<Vec<_>>(), ["liba.so", "unitscope"]);
        assert_eq!(files["unitscope"], Path::new("/t/debug/unitscope"));
    }
}
