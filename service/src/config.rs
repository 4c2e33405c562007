//! Where the server's settings come from: flags, then the environment, then a file, then defaults. It opens nothing but that file.

use crate::data::datasets::config::{DatasetConfig, NamedDataset};
use crate::limits::Limits;
use clap::{Parser, ValueEnum};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything that an operator decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder whose subfolders are models.
    pub models: PathBuf,
    /// Folders of plugin libraries.
    pub plugins: Vec<PathBuf>,
    /// Datasets by name.
    pub datasets: Vec<(String, DatasetConfig)>,
    /// The folder of the activation index; none: the user's cache folder, or, while another server uses that, a temporary one.
    pub index: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, as in `RUST_LOG`.
    pub log: String,
    /// What requests may ask for.
    pub limits: Limits,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

const EXAMPLE: &str = "\
Example:
  unitscope-server --models demo/models --plugins /usr/lib/unitscope/plugins --listen 127.0.0.1:50051

Prints `listening on 127.0.0.1:50051` once clients can connect; logs go to stderr. Every flag is also a variable
(UNITSCOPE_MODELS …; several plugin folders are separated by `:`, datasets by `;`) and a key of the file that --config names:

  models = \"/srv/models\"
  plugins = [\"/usr/lib/unitscope/plugins\"]
  listen = \"0.0.0.0:50051\"
  queued_jobs = 16
  index = \"/var/cache/unitscope\"

  [datasets]
  photos = \"/srv/photos\"
  validation = \"s3://bucket/imagenet/validation\"

A flag wins over a variable, a variable over the file, the file over the default. An unknown key is an error.
There is no authentication yet: listen on 127.0.0.1, or behind something that has it.";

/// Serves Unitscope's gRPC API: pictures that show what drives the units of a trained network.
#[derive(Debug, Default, Parser)]
#[command(name = "unitscope-server", version, after_help = EXAMPLE, max_term_width = 110)]
pub struct Flags {
    /// Folder of models: each subfolder NAME with a model.toml is the model NAME
    #[arg(long, value_name = "DIR", env = "UNITSCOPE_MODELS")]
    models: Option<PathBuf>,
    /// Folder of plugin libraries (*.so); may be given several times
    #[arg(long, value_name = "DIR", env = "UNITSCOPE_PLUGINS", value_delimiter = ':')]
    plugins: Option<Vec<PathBuf>>,
    /// A dataset: a folder of images by class, a manifest (.txt, .csv, .tsv), a .tar or a folder of them; local or s3://BUCKET/PREFIX;
    /// may be given several times
    #[arg(long = "dataset", value_name = "NAME=LOCATION", env = "UNITSCOPE_DATASETS", value_delimiter = ';')]
    datasets: Option<Vec<NamedDataset>>,
    /// Folder that keeps how images drive units, so that they are scored once [default: the user's cache folder]
    #[arg(long, value_name = "DIR", env = "UNITSCOPE_INDEX")]
    index: Option<PathBuf>,
    /// Bytes that folder may take; what was used longest ago goes first [default: 17179869184]
    #[arg(long, value_name = "BYTES", env = "UNITSCOPE_INDEX_BYTES")]
    index_bytes: Option<u64>,
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR", env = "UNITSCOPE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Threads that one operator uses on the CPU; part of what decides a picture's bytes [default: all cores]
    #[arg(long, value_name = "N", env = "UNITSCOPE_THREADS")]
    threads: Option<usize>,
    /// Where jobs run: auto, cpu or cuda:N [default: auto]
    #[arg(long, value_name = "DEVICE", env = "UNITSCOPE_DEVICE")]
    device: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT", env = "UNITSCOPE_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// Which log lines are written, such as `info` or `unitscope_server=debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "UNITSCOPE_LOG")]
    log: Option<String>,
    /// Jobs that may wait before submissions are refused [default: 64]
    #[arg(long, value_name = "N", env = "UNITSCOPE_QUEUED_JOBS")]
    queued_jobs: Option<u32>,
    /// Finished jobs that are kept [default: 256]
    #[arg(long, value_name = "N", env = "UNITSCOPE_KEPT_JOBS")]
    kept_jobs: Option<u32>,
    /// Bytes of events and artifacts that are kept [default: 1073741824]
    #[arg(long, value_name = "BYTES", env = "UNITSCOPE_KEPT_BYTES")]
    kept_bytes: Option<u64>,
    /// Models that are kept in memory [default: 8]
    #[arg(long, value_name = "N", env = "UNITSCOPE_LOADED_MODELS")]
    loaded_models: Option<u32>,
    /// File with any of these settings, in TOML
    #[arg(long, value_name = "FILE", env = "UNITSCOPE_CONFIG")]
    config: Option<PathBuf>,
}

/// The same settings, as the file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: Option<PathBuf>,
    plugins: Option<Vec<PathBuf>>,
    datasets: Option<BTreeMap<String, DatasetConfig>>,
    index: Option<PathBuf>,
    index_bytes: Option<u64>,
    listen: Option<SocketAddr>,
    threads: Option<usize>,
    device: Option<String>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    queued_jobs: Option<u32>,
    kept_jobs: Option<u32>,
    kept_bytes: Option<u64>,
    loaded_models: Option<u32>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ConfigError {
    #[error("config file `{}` cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("config file `{}`: {reason}", path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("no models folder is set; give `--models DIR`, UNITSCOPE_MODELS, or `models` in the config file")]
    NoModels,
    #[error("{what} folder `{}` is not there or not a folder; give one with `{flag} DIR`", path.display())]
    NoFolder { what: &'static str, path: PathBuf, flag: &'static str },
    #[error("`{name}` is 0, but must be at least 1")]
    Zero { name: &'static str },
}

impl Flags {
    /// Reads the config file, if any, and settles every value.
    ///
    /// # Errors
    /// A [`ConfigError`]: one line that says what to change.
    pub fn settle(self) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let defaults = Limits::default();
        let limits = Limits {
            queued_jobs: self.queued_jobs.or(file.queued_jobs).unwrap_or(defaults.queued_jobs),
            kept_jobs: self.kept_jobs.or(file.kept_jobs).unwrap_or(defaults.kept_jobs),
            kept_bytes: self.kept_bytes.or(file.kept_bytes).unwrap_or(defaults.kept_bytes),
            loaded_models: self.loaded_models.or(file.loaded_models).unwrap_or(defaults.loaded_models),
            index_bytes: self.index_bytes.or(file.index_bytes).unwrap_or(defaults.index_bytes),
            ..defaults
        };
        let config = Config {
            models: self.models.or(file.models).ok_or(ConfigError::NoModels)?,
            plugins: self.plugins.or(file.plugins).unwrap_or_default(),
            datasets: match self.datasets {
                Some(given) => given.into_iter().map(|dataset| (dataset.name, dataset.config)).collect(),
                None => file.datasets.unwrap_or_default().into_iter().collect(),
            },
            index: self.index.or(file.index),
            listen: self.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 50051))),
            threads: self.threads.or(file.threads).unwrap_or_else(cores),
            device: self.device.or(file.device).unwrap_or_else(|| "auto".to_owned()),
            log_format: self.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            limits,
        };
        config.check()?;
        Ok(config)
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let models = std::iter::once(("models", &self.models, "--models"));
        for (what, path, flag) in models.chain(self.plugins.iter().map(|path| ("plugins", path, "--plugins")))
        {
            if !path.is_dir() {
                return Err(ConfigError::NoFolder { what, path: path.clone(), flag });
            }
        }
        let counts = [
            ("threads", self.threads as u64),
            ("queued_jobs", u64::from(self.limits.queued_jobs)),
            ("kept_jobs", u64::from(self.limits.kept_jobs)),
            ("loaded_models", u64::from(self.limits.loaded_models)),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(ConfigError::Zero { name }),
            None => Ok(()),
        }
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            ConfigError::Syntax { path: path.to_owned(), reason: format!("line {line}: {}", error.message()) }
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Settles `flags` with `file` as the config file, in a folder that holds `models` and `plugins`.
    fn settle(flags: &[&str], file: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        fs::create_dir(&models).unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, file.replace("MODELS", models.to_str().unwrap())).unwrap();
        let own = ["unitscope-server", "--config", config.to_str().unwrap()];
        let flags = Flags::try_parse_from(own.iter().chain(flags)).map_err(|error| error.to_string())?;
        flags.settle().map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let config = settle(&["--threads", "3"], "models = 'MODELS'\nthreads = 5\nqueued_jobs = 7").unwrap();
        assert_eq!((config.threads, config.limits.queued_jobs, config.limits.kept_jobs), (3, 7, 256));
        assert_eq!(config.listen.to_string(), "127.0.0.1:50051");
    }

    #[test]
    fn errors_are_one_line_with_the_way_out() {
        check("", "no models folder is set");
        check("models = '/nowhere'", "models folder `/nowhere` is not there");
        check("models = 'MODELS'\nplugins = ['/nowhere']", "plugins folder `/nowhere`");
        check("models = 'MODELS'\nthread = 5", "line 2: unknown field `thread`");
        check("models = 'MODELS'\nthreads = 0", "`threads` is 0");
        check("models = 'MODELS'\nlisten = 5", "line 2: ");
    }

    fn check(file: &str, expected: &str) {
        let error = settle(&[], file).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn help_is_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
    }
}
