//! Named datasets of image files: which there are, and what they hold. It knows no model, no job and no gRPC, and decodes nothing.

mod catalog;
pub mod config;
mod connect;
mod dataset;
mod fresh;
mod gather;
pub mod limits;
mod listing;
mod local;
mod location;
mod manifest;
mod read_error;
mod remote;
mod remote_stream;
mod sealed;
mod shards;
mod store;
mod store_error;
#[cfg(test)]
mod tests;

pub use catalog::{Known, row_of};
pub use dataset::Dataset;
pub use listing::{Entry, Skipped};
pub use location::{Kind, StoreKind};
pub use read_error::ReadError;

use super::near::{near, near_text};
use catalog::Catalog;
use config::DatasetConfig;
use gather::gather;
use limits::{Limits, NAME_BYTES};
use listing::{ListError, Listing};
use local::Root;
use location::{Location, Place};
use remote::Remote;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};
use store::Store;
use tokio::runtime::Handle;

/// The datasets of the settings, read when first asked for.
pub struct Datasets {
    /// In order of name.
    slots: Vec<Slot>,
    cache: Option<PathBuf>,
    runtime: Handle,
    limits: Limits,
}

struct Slot {
    name: String,
    config: DatasetConfig,
    location: Location,
    /// Held while the dataset is listed, so that it is listed once for all who ask.
    last: Mutex<Option<Arc<Dataset>>>,
    seen: Mutex<Option<Seen>>,
    catalog: OnceLock<Arc<Catalog>>,
    remote: Mutex<Option<Remote>>,
}

/// What is known of a dataset without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the settings call it.
    pub name: String,
    /// Where it is; no secret is part of it.
    pub location: String,
    /// What it is made of; a folder that was not read yet may be one of shards.
    pub kind: Kind,
    /// Where its bytes are.
    pub store: StoreKind,
    /// What the last listing found, if there was one since the start.
    pub seen: Option<Seen>,
}

/// What a listing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Number of images.
    pub images: usize,
    /// Number of classes.
    pub classes: usize,
    /// Number of things that were left out for a reason.
    pub skipped: u64,
    /// When it began.
    pub at: SystemTime,
}

/// Why there is no dataset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum DatasetsError {
    #[error("there is no dataset `{name}`{}; `unitscope datasets list` shows all", near_text(near))]
    Unknown { name: String, near: Vec<String> },
    #[error("dataset `{name}` in the settings: {reason}")]
    Settings { name: String, reason: String },
    #[error("dataset `{name}` cannot be read: {reason}")]
    Unreadable { name: String, reason: String },
    #[error("dataset `{name}` is too large: {reason}")]
    TooLarge { name: String, reason: String },
    #[error("dataset `{name}` has no images: {reason}")]
    Empty { name: String, reason: String },
}

impl Datasets {
    /// Datasets by name, whose catalogs are kept in the folder `cache`, if there is one. Stores are asked on `runtime`, which must
    /// have its drivers and threads of its own. Nothing is read yet.
    ///
    /// # Errors
    /// [`DatasetsError::Settings`].
    pub fn new(
        configs: Vec<(String, DatasetConfig)>,
        cache: Option<PathBuf>,
        runtime: Handle,
    ) -> Result<Self, DatasetsError> {
        let mut slots: Vec<Slot> = configs.into_iter().map(Slot::new).collect::<Result<_, _>>()?;
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = slots.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let reason = "it is there twice; names must differ".to_owned();
            return Err(DatasetsError::Settings { name: pair[0].name.clone(), reason });
        }
        Ok(Self { slots, cache, runtime, limits: Limits::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// All datasets, in order of name. Reads nothing and waits for nobody.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.slots.iter().map(Slot::describe).collect()
    }

    /// The dataset of that name: as it was listed last if that still holds, as far as can be seen without reading it all, else listed
    /// anew, as with `refresh`. The same `Arc` as before where that shows the same, but for `refresh`. Blocks while folders are walked or stores asked.
    ///
    /// # Errors
    /// A [`DatasetsError`].
    pub fn open(&self, name: &str, refresh: bool) -> Result<Arc<Dataset>, DatasetsError> {
        let slot = self.find(name)?;
        let mut last = lock(&slot.last);
        if !refresh && let Some(dataset) = last.as_ref().filter(|dataset| lock(&dataset.watch).is_fresh()) {
            return Ok(dataset.clone());
        }
        let began = Instant::now();
        let mut dataset = Arc::new(self.read(slot)?);
        if !refresh && let Some(old) = last.as_ref().filter(|old| old.listing == dataset.listing) {
            // What others have worked out for the old one holds.
            std::mem::swap(&mut *lock(&old.watch), &mut *lock(&dataset.watch));
            dataset = old.clone();
        }
        let (images, classes, skipped) = (dataset.len(), dataset.classes().len(), dataset.skipped_total());
        *lock(&slot.seen) = Some(Seen { images, classes, skipped, at: dataset.listed_at() });
        *last = Some(dataset.clone());
        drop(last);
        let took_ms = began.elapsed().as_millis();
        tracing::info!(dataset = name, images, classes, skipped, took_ms, "listed");
        // Members of shards may have been hashed on the way.
        if let Err(error) = dataset.save() {
            tracing::warn!(dataset = name, "its catalog cannot be saved: {error}");
        }
        Ok(dataset)
    }

    fn read(&self, slot: &Slot) -> Result<Dataset, DatasetsError> {
        let name = slot.name.clone();
        let failed = |error: ListError| {
            let name = slot.name.clone();
            match error {
                ListError::Unreadable(reason) => DatasetsError::Unreadable { name, reason },
                ListError::TooLarge(reason) => DatasetsError::TooLarge { name, reason },
            }
        };
        let store = self.store(slot).map_err(failed)?;
        let open = || Catalog::open(self.cache.clone(), &slot.name, &slot.config.location, &self.limits);
        let catalog = slot.catalog.get_or_init(|| Arc::new(open())).clone();
        let (listing, watch) = gather(&store, &slot.location, &catalog, &self.limits).map_err(failed)?;
        if listing.entries.is_empty() {
            return Err(DatasetsError::Empty { name, reason: emptiness(slot, &listing) });
        }
        Ok(Dataset { name, listing, store, catalog, watch: Mutex::new(watch), limits: self.limits.clone() })
    }

    /// A local root is opened anew: the folder may have been replaced. A store's client is made once.
    fn store(&self, slot: &Slot) -> Result<Store, ListError> {
        match &slot.location.place {
            Place::Local(path) => Root::open(path).map(Store::Local),
            Place::S3 { bucket, prefix } => {
                let mut made = lock(&slot.remote);
                let remote = match made.take() {
                    Some(remote) => remote,
                    None => connect::connect(&slot.config, bucket, prefix, &self.runtime)
                        .map_err(ListError::Unreadable)?,
                };
                *made = Some(remote.clone());
                Ok(Store::Remote(remote))
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Slot, DatasetsError> {
        let found = self.slots.iter().find(|slot| slot.name == name);
        found.ok_or_else(|| {
            // An answer need not repeat kilobytes.
            let name: String = name.chars().take(NAME_BYTES).collect();
            let near = near(&name, self.slots.iter().map(|slot| slot.name.as_str()));
            DatasetsError::Unknown { name, near }
        })
    }
}

impl Slot {
    fn new((name, config): (String, DatasetConfig)) -> Result<Self, DatasetsError> {
        let settings = |reason: String| DatasetsError::Settings { name: name.clone(), reason };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_BYTES || name.starts_with('.') || !name.chars().all(plain) {
            let rule = format!(
                "its name must have 1 to {NAME_BYTES} letters, digits, `-`, `_` or `.`, and not begin with `.`"
            );
            return Err(settings(rule));
        }
        let location = Location::parse(&config).map_err(settings)?;
        connect::check(&config).map_err(settings)?;
        let (last, seen, catalog, remote) = Default::default();
        Ok(Self { name, config, location, last, seen, catalog, remote })
    }

    fn describe(&self) -> Listed {
        Listed {
            name: self.name.clone(),
            location: self.config.location.clone(),
            kind: self.location.kind,
            store: self.location.store(),
            seen: lock(&self.seen).clone(),
        }
    }
}

/// What was looked for, and what was there instead.
fn emptiness(slot: &Slot, listing: &Listing) -> String {
    let location = &slot.config.location;
    let looked = match listing.kind {
        Kind::Folder => format!(
            "`{location}` and its folders were searched for files that end in .jpg, .jpeg, .png, .webp, .bmp, .gif or .tar"
        ),
        Kind::Manifest => format!("no line of `{location}` names a file that is there"),
        Kind::Shards => format!("no member of `{location}` ends in .jpg, .jpeg, .png, .webp, .bmp or .gif"),
    };
    let skipped = &listing.skipped;
    let left_out = skipped.named.first().map_or_else(String::new, |first| {
        format!(", and {} left out, the first `{}`: {}", skipped.total, first.path, first.reason)
    });
    format!("{looked}; {} others are there{left_out}", listing.others)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
