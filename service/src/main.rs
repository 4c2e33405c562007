//! The program `unitscope-server`: settings, logs and signals around [`unitscope_server::run`].

use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use unitscope_server::config::{Config, Flags, LogFormat};

fn main() -> ExitCode {
    if let Some(code) = unitscope_engine::model::torchscript::reader::run_if_asked() {
        return code;
    }
    let served = Flags::parse().settle().map_err(|error| error.to_string()).and_then(|config| {
        start_log(&config)?;
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        let served = runtime.block_on(serve(config));
        // A job that would not stop must not keep the process alive.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unitscope-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let unbound = |error: std::io::Error| {
        format!(
            "cannot listen on {}: {error}; choose another address or port with `--listen ADDR`",
            config.listen
        )
    };
    let listener = TcpListener::bind(config.listen).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    // Scripts wait for this line; it is the only one on stdout.
    let ready = move || println!("listening on {address}");
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    unitscope_server::run(listener, config, ready, shutdown).await.map_err(|error| error.to_string())
}

fn start_log(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| format!("`{}` is no log filter: {error}; use one such as `info`", config.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
