//! Tests of the whole: the real server over a real socket, real plugin libraries, real models. They know the proto, the
//! programs' command lines, and files; nothing of the code behind them but what `tidy` reads.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

mod support;

mod bad_input;
mod canvas;
mod cards;
mod classes;
mod cli;
mod clients;
mod datasets;
mod dead;
mod diversity;
mod elimination;
mod filters;
mod inputs;
mod jobs;
mod models;
mod objective;
mod optimize;
mod plugins;
mod rank;
mod rank_faults;
mod rank_files;
mod references;
mod repeat;
mod scripts;
mod shared_models;
mod smooth;
mod stops;
mod stream;
mod surface;
mod tidy;
