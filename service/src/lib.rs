//! Unitscope's gRPC service: wires configuration, jobs, models and plugins to a listener, and takes them apart in order.
//!
//! Read down, as a request goes: `rpc` knows proto types, `job` queues and keeps, the engine computes, `data` knows files.

pub mod card;
pub mod config;
pub mod data;
pub mod filters;
pub mod job;
pub mod limits;
pub mod rpc;

use config::Config;
use data::datasets::{Datasets, DatasetsError};
use data::index::{Index, IndexError};
use data::models::Models;
use job::rank::Rankings;
use job::store::{JobStore, MemoryStore};
use job::worker::Worker;
use job::{Jobs, Provenance};
use limits::{CLOSE, DRAIN};
use rpc::handlers::{artifacts, cards, datasets, jobs, models, plugins, server, visualization};
use rpc::serve::{Services, serve, set_health};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use unitscope_engine::device::{self, DeviceError};
use unitscope_engine::plugin::{LogLevel, Problem, Registry};

/// Why the server ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is no place for a temporary index.
    #[error("no temporary folder can be made: {0}; choose one with `--index DIR`")]
    Temporary(std::io::Error),
    /// The thread that owns the device was not made.
    #[error("the device's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// A dataset's settings are wrong.
    #[error(transparent)]
    Datasets(#[from] DatasetsError),
    /// The activation index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Listener(#[from] tonic::transport::Error),
}

/// Serves on `listener` until `shutdown` is ready, and calls `ready` once nothing more can keep it from that; then stops the running job within one step, ends all streams, and returns within
/// [`DRAIN`] + [`CLOSE`].
///
/// # Errors
/// A [`RunError`].
pub async fn run(
    listener: TcpListener,
    config: Config,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let health = HealthReporter::new();
    set_health(&health, ServingStatus::NotServing).await;
    let device = device::open(&config.device)?;
    let place = Provenance { device: device::name(device), threads: config.threads, ..Provenance::default() };
    let (registry, problems) = load_plugins(&config.plugins);
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new(&config.limits));
    let queue = Jobs::queue(&config.limits);
    let (rankings, _temporary) = open_rankings(&config, device)?;
    let worker = Worker { device, threads: config.threads, queue: queue.clone(), store: store.clone() };
    let worker = start(worker).map_err(RunError::Thread)?;
    let all = Arc::new(Jobs::new(store, queue, Arc::new(registry), place.clone()));
    let nets = Arc::new(Models::new(config.models.clone(), config.limits.loaded_models as usize));
    let services = Services {
        visualization: visualization::Visualization::new(
            all.clone(),
            nets.clone(),
            rankings.clone(),
            config.limits.clone(),
        ),
        cards: cards::CardHandlers::new(all.clone(), nets.clone(), rankings.clone(), config.limits.clone()),
        datasets: datasets::DatasetHandlers::new(rankings),
        jobs: jobs::JobHandlers::new(all.clone()),
        artifacts: artifacts::Artifacts::new(all.clone()),
        models: models::ModelHandlers::new(nets, config.limits.clone()),
        plugins: plugins::Plugins::new(all.clone()),
        server: server::Server::new(&place, &config.limits, &problems),
    };
    let stop = watch::Sender::new(false);
    let mut stopped = stop.subscribe();
    let until = async move {
        // An error means that the sender is gone, which is the end as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    // First: clients that connected while plugins were loaded are answered at once.
    set_health(&health, ServingStatus::Serving).await;
    ready();
    let mut serving = tokio::spawn(serve(listener, services, health.clone(), until));
    tracing::info!(device = place.device, threads = config.threads, models = %config.models.display(), "serving");
    tokio::select! {
        ended = &mut serving => return ended.unwrap_or(Ok(())).map_err(Into::into),
        () = shutdown => {}
    }
    tracing::info!("shutting down");
    set_health(&health, ServingStatus::NotServing).await;
    all.stop();
    if timeout(DRAIN, worker).await.is_err() {
        tracing::warn!("the running job did not reach its next step in time");
    }
    all.close();
    // Streams that now end have a moment to say so before their connections close.
    sleep(LAST_WORDS).await;
    stop.send_replace(true);
    match timeout(CLOSE - LAST_WORDS, &mut serving).await {
        Ok(ended) => ended.unwrap_or(Ok(()))?,
        Err(_) => {
            tracing::warn!("some connections did not close in time");
            serving.abort();
        }
    }
    tracing::info!("ended");
    Ok(())
}

/// Datasets, and the index of what is known about them. A folder that comes with it is deleted at the end.
fn open_rankings(
    config: &Config,
    device: device::Device,
) -> Result<(Arc<Rankings>, Option<tempfile::TempDir>), RunError> {
    let (folder, temporary) = match (&config.index, cache_folder()) {
        (Some(folder), _) => (folder.clone(), None),
        (None, Some(folder)) => (folder, None),
        (None, None) => temporary_index("no cache folder is known (HOME is not set)")?,
    };
    let cap = config.limits.index_bytes;
    let (index, folder, temporary) = match Index::open(folder.join("index"), cap) {
        Ok(index) => (index, folder, temporary),
        // Who chose a folder wants that one.
        Err(error @ IndexError::Locked { .. }) if config.index.is_none() => {
            let (folder, temporary) = temporary_index(&error.to_string())?;
            (Index::open(folder.join("index"), cap)?, folder, temporary)
        }
        Err(error) => return Err(error.into()),
    };
    let runtime = tokio::runtime::Handle::current();
    let datasets = Datasets::new(config.datasets.clone(), Some(folder.join("catalogs")), runtime)?;
    tracing::info!(datasets = config.datasets.len(), folder = %folder.display(), "index opened");
    let rankings = Rankings::new(Arc::new(datasets), Arc::new(index), device, config.threads);
    Ok((Arc::new(rankings), temporary))
}

/// `${XDG_CACHE_HOME:-~/.cache}/unitscope/server`.
fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("unitscope/server"))
}

fn temporary_index(reason: &str) -> Result<(PathBuf, Option<tempfile::TempDir>), RunError> {
    let folder = tempfile::tempdir().map_err(RunError::Temporary)?;
    tracing::warn!("scores are kept until this server ends only: {reason}; choose a folder with --index DIR");
    Ok((folder.path().to_owned(), Some(folder)))
}

/// Time for a last message on a local network.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Starts the thread that owns the device; the receiver is ready once it ended.
fn start(worker: Worker) -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        worker.run();
        // Nobody may be waiting any more.
        let _ = ended.send(());
    };
    let _thread: JoinHandle<()> = std::thread::Builder::new().name("device".to_owned()).spawn(run)?;
    Ok(end)
}

/// A broken library is logged and reported, and the others serve.
fn load_plugins(folders: &[PathBuf]) -> (Registry, Vec<Problem>) {
    let log = Arc::new(|level: LogLevel, plugin: &str, message: &str| match level {
        LogLevel::Error => tracing::error!(plugin, "{message}"),
        LogLevel::Warn => tracing::warn!(plugin, "{message}"),
        LogLevel::Info => tracing::info!(plugin, "{message}"),
        LogLevel::Debug => tracing::debug!(plugin, "{message}"),
    });
    let (registry, problems) = Registry::load(folders, log);
    for problem in &problems {
        tracing::error!("plugin left out: {problem}");
    }
    match registry.terms().count() {
        0 => tracing::warn!(
            "no plugin is loaded, so that no job can be made; give their folder with --plugins DIR"
        ),
        terms => tracing::info!(terms, "plugins loaded"),
    }
    (registry, problems)
}
