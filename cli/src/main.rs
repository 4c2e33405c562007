//! The command-line client of Unitscope: parses, runs one command, ends with its exit code. Knows the service by its API alone.

mod args;
mod card;
mod connect;
mod datasets;
mod failure;
mod filters;
mod follow;
mod indexes;
mod jobs;
mod json;
mod models;
mod notation;
mod numbers;
mod optimize;
mod output;
mod progress;
mod rank;
mod server;
mod submit;
mod table;
mod terms;
mod units;
mod watch;

use args::{Cli, Command};
use clap::Parser;
use connect::Server;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Local(format!("cannot start: {error}")).report(),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let server = Server::new(&cli.server)?;
    match cli.command {
        Command::Optimize(args) => optimize::run(&server, *args, cli.json).await,
        Command::Rank(args) => rank::run(&server, *args, cli.json).await,
        Command::Card(args) => card::run(&server, *args, cli.json).await,
        Command::Watch(args) => watch::run(&server, args, cli.json).await,
        Command::Jobs { command } => jobs::run(&server, command, cli.json).await,
        Command::Models { command } => models::run(&server, command, cli.json).await,
        Command::Filters(args) => filters::run(&server, args, cli.json).await,
        Command::Datasets { command } => datasets::run(&server, command, cli.json).await,
        Command::Indexes { command } => indexes::run(&server, command, cli.json).await,
        Command::Terms { command } => terms::run(&server, command, cli.json).await,
        Command::Server => server::run(&server, cli.json).await,
    }
}
