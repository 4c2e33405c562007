//! Tests of the whole: the real server over a real socket, real plugin libraries, real models. They know the proto, the
//! programs' command lines, and files; nothing of the code behind them but what `tidy` reads.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

mod support;

mod bad_input;
mod canvas;
mod classes;
mod cli;
mod clients;
mod dead;
mod diversity;
mod elimination;
mod jobs;
mod models;
mod objective;
mod optimize;
mod plugins;
mod references;
mod repeat;
mod shared_models;
mod stops;
mod stream;
mod surface;
mod tidy;
