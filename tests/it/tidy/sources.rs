//! What sources may name, and how they look.

use super::Rule;
use super::files::File;

pub const RULES: &[Rule] = &[
    Rule {
        says: "only `rpc`, the client and the tests speak proto (invariant 1)",
        find: |file| {
            let speaks = ["service/src/rpc", "cli/src/", "tests/", "proto/"];
            rust(
                file,
                |path| !within(path, &speaks),
                &["unitscope_proto", "prost", "prost_types", "tonic_types"],
            )
        },
        bad: &[
            ("service/src/job/store.rs", "use unitscope_proto::v1::Job;"),
            ("service/engine/src/spec.rs", "let kind: prost_types::Value = x;"),
        ],
        good: &[
            ("service/src/rpc/status.rs", "use unitscope_proto::v1::Job;"),
            ("service/src/job/store.rs", "// Not unitscope_proto.\nuse crate::job::Job;"),
        ],
    },
    Rule {
        says: "`job` and `data` know no gRPC; dependencies point rpc → job → engine",
        find: |file| {
            rust(
                file,
                |path| within(path, &["service/src/job", "service/src/data"]),
                &["tonic", "crate::rpc"],
            )
        },
        bad: &[
            ("service/src/job/queue.rs", "return tonic::Status::ok();"),
            ("service/src/data/models.rs", "use crate::rpc::names;"),
        ],
        good: &[("service/src/rpc/handlers/jobs.rs", "use tonic::Status;")],
    },
    Rule {
        says: "only `rpc/status` makes a gRPC status (invariant 12)",
        find: |file| {
            let elsewhere =
                |path: &str| path.starts_with("service/src/") && path != "service/src/rpc/status.rs";
            let words = [
                "Status::new(",
                "Status::with_details(",
                "Status::with_error_details(",
                "Status::invalid_argument(",
                "Status::not_found(",
                "Status::internal(",
                "Status::unavailable(",
                "Status::resource_exhausted(",
                "Status::failed_precondition(",
                "Status::out_of_range(",
                "Status::unknown(",
            ];
            rust(file, elsewhere, &words)
        },
        bad: &[("service/src/rpc/handlers/jobs.rs", "Err(Status::not_found(\"no\"))")],
        good: &[
            ("service/src/rpc/status.rs", "Status::not_found(\"no\")"),
            ("service/src/rpc/x.rs", "Status::from(error)"),
        ],
    },
    Rule {
        says: "the engine knows no tokio, no tonic, no clap and no clock (invariant 2)",
        find: |file| {
            let words = ["tokio", "tonic", "clap", "tracing", "std::time", "Instant", "SystemTime"];
            rust(file, |path| path.starts_with("service/engine/src/"), &words)
        },
        bad: &[
            ("service/engine/src/optimize/plan.rs", "let now = std::time::Instant::now();"),
            ("service/engine/src/seed.rs", "use tokio::sync;"),
        ],
        good: &[
            ("service/engine/src/seed.rs", "//! no tokio\nlet lifetimes = 1;"),
            ("service/src/job/worker.rs", "std::time::Instant"),
        ],
    },
    Rule {
        says: "`model` knows no `plugin`, `optimize` or `rank`; `plugin` none of them and no `model`; `rank` no `plugin` or `optimize`; `filters` nothing of the others, nor they of it (invariant 6)",
        find: directions,
        bad: &[
            ("service/engine/src/model/cut.rs", "use crate::plugin::View;"),
            ("service/engine/src/model.rs", "use crate::optimize::Picture;"),
            ("service/engine/src/plugin/term.rs", "fn f(model: &crate::model::Model) {}"),
            ("service/engine/src/plugin.rs", "use crate::{spec, optimize::Plan};"),
            ("service/engine/src/rank/score.rs", "use crate::optimize::Picture;"),
            ("service/engine/src/model/cut.rs", "use crate::rank::reading::Extent;"),
            ("service/engine/src/filters/fit.rs", "use crate::model::Model;"),
            ("service/engine/src/rank/score.rs", "use crate::filters::Fit;"),
        ],
        good: &[
            ("service/engine/src/optimize/plan.rs", "use crate::model::Model;\nuse crate::plugin::View;"),
            ("service/engine/src/model/cut.rs", "use crate::model::graph;"),
            ("service/engine/src/rank/score.rs", "use crate::model::Model;"),
        ],
    },
    Rule {
        says: "the graph, its reader, its passes and the plugin host know no tch (invariant 3)",
        find: |file| {
            let parts = [
                "service/engine/src/model/graph",
                "service/engine/src/model/pt2",
                "service/engine/src/model/passes",
                "service/engine/src/model/archive",
                "service/engine/src/plugin",
                "service/engine/src/spec",
                "service/src",
                "cli/src",
                "plugins",
                "sdk/src",
                "demo/src",
            ];
            rust(file, |path| within(path, &parts), &["tch", "torch_sys"])
        },
        bad: &[
            ("service/engine/src/model/passes/tap.rs", "use tch::Tensor;"),
            ("service/src/job/worker.rs", "plan.run(tch::Device::Cpu, observer)"),
        ],
        good: &[
            ("service/engine/src/model/execute.rs", "use tch::Tensor;"),
            ("service/src/main.rs", "batch, stretch, tchoo"),
        ],
    },
    Rule {
        says: "random numbers come from the engine's `seed` (invariant 10)",
        find: |file| {
            let words = [
                "rand",
                "rand_chacha",
                "rand_distr",
                "thread_rng",
                "f_rand",
                "f_randn",
                "f_normal_",
                "f_uniform_",
                "Tensor::rand",
                "Tensor::randn",
                "manual_seed",
                "RandomState",
            ];
            let parts = ["service/engine/src", "service/src", "plugins", "sdk/src"];
            rust(file, |path| within(path, &parts) && path != "service/engine/src/seed.rs", &words)
        },
        bad: &[
            ("service/engine/src/optimize/transform.rs", "let angle = rand::random::<f64>();"),
            ("service/engine/src/optimize/buffer.rs", "Tensor::randn([1], kind)"),
        ],
        good: &[
            ("service/engine/src/seed.rs", "use rand_chacha::ChaCha8Rng;"),
            ("plugins/a/src/lib.rs", "operand(brand)"),
        ],
    },
    Rule {
        says: "plugins are loaded in `plugin/library` (and libtorch's CUDA half in `model/device`) alone, and never unloaded (invariant 8)",
        find: |file| {
            let loads = |path: &str| !LOADING.contains(&path);
            let mut found = rust(file, loads, &["libloading", "dlopen"]);
            found.extend(rust(file, |_| true, &["dlclose"]));
            found
        },
        bad: &[
            ("service/src/main.rs", "libloading::Library::new(path)"),
            ("service/engine/src/plugin/library.rs", "unsafe { dlclose(handle) }"),
        ],
        good: &[("service/engine/src/plugin/library.rs", "libloading::Library::new(path)")],
    },
    Rule {
        says: "`unsafe` stands in the files named here (invariant 14)",
        find: |file| {
            rust(file, |path| !UNSAFE.contains(&path) && !within(path, &["tests/fixtures"]), &["unsafe"])
        },
        bad: &[
            ("service/src/job/worker.rs", "unsafe { *pointer }"),
            ("cli/src/main.rs", "unsafe impl Send for X {}"),
        ],
        good: &[
            ("cli/src/main.rs", "// unsafe is not needed\nlet unsafely = 1;"),
            ("sdk/src/abi.rs", "unsafe { *p }"),
        ],
    },
    Rule {
        says: "no panic can be reached from a request: `expect` states why it cannot happen",
        find: |file| rust(file, |_| true, &[".unwrap()", "todo!(", "unimplemented!(", "dbg!("]),
        bad: &[("cli/src/main.rs", "let x = y.unwrap();"), ("demo/src/main.rs", "todo!()")],
        good: &[
            ("cli/src/main.rs", "let x = y.unwrap_or(1);\n#[cfg(test)]\nmod tests {\n    y.unwrap();\n}"),
            ("tests/it/main.rs", "y.unwrap()"),
        ],
    },
    Rule {
        says: "a source file opens with `//!`: what it holds and what it does not know",
        find: opens_with_what_it_holds,
        bad: &[("cli/src/main.rs", "use x;"), ("cli/src/main.rs", "//! .\nuse x;"), ("cli/src/main.rs", "")],
        good: &[("cli/src/main.rs", "//! The command-line client.\nuse x;")],
    },
    Rule {
        says: "no path of one machine",
        find: machine_paths,
        bad: &[
            ("README.md", concat!("see /ho", "me/ann/model")),
            ("scripts/x.py", concat!("open('/ro", "ot/.cache')")),
            ("Makefile", concat!("CACHE=/wo", "rk/x")),
        ],
        good: &[("README.md", "see ../home/ann, the root/ of work/ or net/work/x, http://host/root")],
    },
];

/// Files that load libraries.
const LOADING: &[&str] = &["service/engine/src/model/device.rs", "service/engine/src/plugin/library.rs"];

/// Files that cross into C or C++, or lay out memory for it; each block says which contract it relies on.
const UNSAFE: &[&str] = &[
    "plugins/objectives/src/gram.rs",
    "sdk/src/abi.rs",
    "sdk/src/call.rs",
    "sdk/src/entry.rs",
    "sdk/src/export.rs",
    "sdk/src/grid.rs",
    "sdk/src/log.rs",
    "sdk/src/params.rs",
    "sdk/src/tensor.rs",
    "service/engine/src/model/device.rs",
    "service/engine/src/model/shim.rs",
    "service/engine/src/model/torchscript/reader.rs",
    "service/engine/src/model/weights.rs",
    "service/engine/src/model/weights/storage.rs",
    "service/engine/src/optimize/buffer.rs",
    "service/engine/src/plugin/call.rs",
    "service/engine/src/plugin/check.rs",
    "service/engine/src/plugin/describe.rs",
    "service/engine/src/plugin/guard.rs",
    "service/engine/src/plugin/library.rs",
    "service/engine/src/plugin/stage.rs",
    "service/engine/src/plugin/term.rs",
    "service/engine/src/plugin/view.rs",
    "service/engine/src/rank/memory.rs",
    "service/src/data/index/segment.rs",
];

/// Finds words in the product's Rust of the files that `applies` picks.
fn rust(file: &File, applies: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    if file.is_product() && applies(&file.path) { file.words(words) } else { Vec::new() }
}

/// True for the folders `parts`, and for the files `PART.rs` and `PART/…`.
fn within(path: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| path.starts_with(part))
}

fn directions(file: &File) -> Vec<String> {
    let name = |module: &str, others: &[&str]| {
        let own = format!("service/engine/src/{module}");
        let own = |path: &str| path == format!("{own}.rs") || path.starts_with(&format!("{own}/"));
        let uses = |(number, line): (usize, &str)| {
            let line = line.trim_start();
            let named = others.iter().find(|other| {
                line.contains(&format!("crate::{other}"))
                    || (line.starts_with("use crate::{") && line.contains(&format!("{other}::")))
            })?;
            Some(file.place(number, &format!("`{named}`")))
        };
        if own(&file.path) { file.code().filter_map(uses).collect() } else { Vec::new() }
    };
    let rules: [(&str, &[&str]); 5] = [
        ("model", &["plugin", "optimize", "rank", "filters"]),
        ("plugin", &["model", "optimize", "rank", "filters"]),
        ("rank", &["plugin", "optimize", "filters"]),
        ("optimize", &["filters"]),
        ("filters", &["model", "plugin", "optimize", "rank"]),
    ];
    rules.iter().flat_map(|(module, others)| name(module, others)).collect()
}

fn opens_with_what_it_holds(file: &File) -> Vec<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|words| words.len() > 10);
    if says || !file.path.ends_with(".rs") { Vec::new() } else { vec![file.place(1, &format!("`{first}`"))] }
}

fn machine_paths(file: &File) -> Vec<String> {
    let ours = |line: &str| {
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")].iter().any(|path| {
            line.match_indices(path).any(|(at, _)| {
                // `network/`, `../home/` and hosts go on before it.
                !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '/')
            })
        })
    };
    let lines = file.text.lines().enumerate().filter(|(_, line)| ours(line));
    lines.map(|(place, line)| file.place(place + 1, line.trim())).collect()
}
