//! Compiles `unitscope/v1/*.proto` with protox, so that nobody needs protoc.

use prost::Message;
use std::path::PathBuf;

const FILES: [&str; 12] = [
    "unitscope/v1/artifact.proto",
    "unitscope/v1/card.proto",
    "unitscope/v1/card_service.proto",
    "unitscope/v1/dataset.proto",
    "unitscope/v1/filter.proto",
    "unitscope/v1/job.proto",
    "unitscope/v1/model.proto",
    "unitscope/v1/optimize.proto",
    "unitscope/v1/plugin.proto",
    "unitscope/v1/rank.proto",
    "unitscope/v1/server.proto",
    "unitscope/v1/visualization.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=unitscope");
    println!("cargo:rerun-if-changed=google");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("unitscope.v1.bin"), descriptors.encode_to_vec())?;
    // `google.rpc.Status` is the type that tonic-types has already.
    tonic_prost_build::configure().extern_path(".google.rpc", "::tonic_types").compile_fds(descriptors)?;
    Ok(())
}
