//! The models folder: which models there are, and which are in memory. It knows no job and no gRPC.

use super::near::{near, near_text};
use crate::limits::NAME_BYTES;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use unitscope_engine::model::{Manifest, Model, Reader};

/// The models of one folder, loaded when first asked for.
pub struct Models {
    folder: PathBuf,
    capacity: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<String, Entry>,
    /// Counts uses, so that the model that was used longest ago is known.
    uses: u64,
    /// Loads under way; each will need room.
    loading: usize,
}

#[derive(Default)]
struct Entry {
    model: Option<Arc<Model>>,
    /// What the last attempt to load it failed with.
    problem: Option<String>,
    last_use: u64,
    /// Held while the model is read, so that it is read once for all who ask.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// What is known of a model without loading it.
pub struct Listed {
    /// The name of its folder.
    pub name: String,
    /// What its `model.toml` says, or what is wrong with that.
    pub manifest: Result<Manifest, String>,
    /// The model, where it is in memory.
    pub model: Option<Arc<Model>>,
    /// What the last attempt to load it failed with.
    pub problem: Option<String>,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ModelsError {
    #[error("there is no model `{name}`{}; `unitscope models list` shows all", near_text(near))]
    Unknown { name: String, near: Vec<String> },
    #[error("model `{name}` cannot be loaded: {reason}")]
    Broken { name: String, reason: String },
    #[error(
        "{capacity} models are in memory and in use, which is this server's limit (`loaded_models`); unload one, or wait for its jobs"
    )]
    Crowded { capacity: usize },
}

impl Models {
    /// The models of `folder`, of which at most `capacity` are in memory.
    #[must_use]
    pub fn new(folder: PathBuf, capacity: usize) -> Self {
        Self { folder, capacity, shelf: Mutex::default() }
    }

    /// The model of that name; loads it if it is not in memory.
    ///
    /// # Errors
    /// A [`ModelsError`].
    pub async fn get(self: &Arc<Self>, name: &str) -> Result<Arc<Model>, ModelsError> {
        match self.loaded(name) {
            Some(model) => Ok(model),
            None => self.read(name, false).await,
        }
    }

    /// Reads a model into memory, anew if it is there already. Whoever holds the old one keeps it; if the file has not
    /// changed, the old one stays.
    ///
    /// # Errors
    /// A [`ModelsError`].
    pub async fn load(self: &Arc<Self>, name: &str) -> Result<Arc<Model>, ModelsError> {
        self.read(name, true).await
    }

    /// Lets go of a model; its memory is free when the last job that uses it has ended.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`].
    pub fn unload(&self, name: &str) -> Result<Listed, ModelsError> {
        self.find(name)?;
        if let Some(entry) = self.shelf().entries.get_mut(name) {
            entry.model = None;
            entry.problem = None;
        }
        Ok(self.describe(name.to_owned()))
    }

    /// Every subfolder with a `model.toml`, in order of name. Reads the manifests, so it belongs on a blocking thread.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.names().into_iter().map(|name| self.describe(name)).collect()
    }

    fn describe(&self, name: String) -> Listed {
        let manifest = Manifest::load(&self.folder.join(&name)).map_err(|error| error.to_string());
        let shelf = self.shelf();
        let entry = shelf.entries.get(&name);
        let model = entry.and_then(|entry| entry.model.clone());
        let problem = entry.and_then(|entry| entry.problem.clone());
        Listed { name, manifest, model, problem }
    }

    /// The work goes on if the caller leaves, so that the gate is held until the file is read.
    async fn read(self: &Arc<Self>, name: &str, anew: bool) -> Result<Arc<Model>, ModelsError> {
        self.find(name)?;
        let task = tokio::spawn(self.clone().read_alone(name.to_owned(), anew));
        let broken = |reason: String| ModelsError::Broken { name: name.to_owned(), reason };
        task.await.map_err(|_| broken("the server is shutting down".to_owned()))?
    }

    async fn read_alone(self: Arc<Self>, name: String, anew: bool) -> Result<Arc<Model>, ModelsError> {
        let gate = self.shelf().entries.entry(name.clone()).or_default().gate.clone();
        let _only_reader = gate.lock().await;
        if !anew && let Some(model) = self.loaded(&name) {
            return Ok(model);
        }
        self.make_room(&name)?;
        let folder = self.folder.join(&name);
        let loaded = match tokio::task::spawn_blocking(move || Model::load(&folder, &Reader::default())).await
        {
            Ok(loaded) => loaded.map_err(|error| error.to_string()),
            Err(_) => Err("reading it panicked, which is a fault of the server".to_owned()),
        };
        self.keep(&name, loaded)
    }

    /// Makes sure that one more model may be in memory, by letting go of the one that was used longest ago by no job.
    fn make_room(&self, name: &str) -> Result<(), ModelsError> {
        let mut shelf = self.shelf();
        let in_memory =
            shelf.entries.iter().filter(|(other, entry)| entry.model.is_some() && *other != name).count();
        if in_memory + shelf.loading >= self.capacity {
            let idle =
                |entry: &&mut Entry| entry.model.as_ref().is_some_and(|model| Arc::strong_count(model) == 1);
            let others = shelf.entries.iter_mut().filter(|(other, _)| *other != name);
            let oldest = others.map(|(_, entry)| entry).filter(idle).min_by_key(|entry| entry.last_use);
            let oldest = oldest.ok_or(ModelsError::Crowded { capacity: self.capacity })?;
            oldest.model = None;
        }
        shelf.loading += 1;
        Ok(())
    }

    fn keep(&self, name: &str, loaded: Result<Model, String>) -> Result<Arc<Model>, ModelsError> {
        let mut shelf = self.shelf();
        shelf.loading -= 1;
        shelf.uses += 1;
        let last_use = shelf.uses;
        let entry = shelf.entries.entry(name.to_owned()).or_default();
        match loaded {
            Ok(new) => {
                let same =
                    |old: &&Arc<Model>| old.digest() == new.digest() && old.manifest() == new.manifest();
                let model = entry.model.as_ref().filter(same).cloned().unwrap_or_else(|| Arc::new(new));
                tracing::info!(model = name, digest = model.digest(), "loaded");
                entry.model = Some(model.clone());
                entry.problem = None;
                entry.last_use = last_use;
                Ok(model)
            }
            Err(reason) => {
                tracing::warn!(model = name, "cannot be loaded: {reason}");
                entry.problem = Some(reason.clone());
                Err(ModelsError::Broken { name: name.to_owned(), reason })
            }
        }
    }

    /// The model if it is in memory, and a note that it was used.
    fn loaded(&self, name: &str) -> Option<Arc<Model>> {
        let mut shelf = self.shelf();
        shelf.uses += 1;
        let last_use = shelf.uses;
        let entry = shelf.entries.get_mut(name)?;
        entry.last_use = last_use;
        entry.model.clone()
    }

    /// Checks that the name is a folder's own name, with a `model.toml` in it.
    fn find(&self, name: &str) -> Result<(), ModelsError> {
        if is_plain(name) && self.folder.join(name).join("model.toml").is_file() {
            return Ok(());
        }
        let names = self.names();
        let near = near(name, names.iter().map(String::as_str));
        // An answer need not repeat kilobytes.
        let name = name.chars().take(NAME_BYTES).collect();
        Err(ModelsError::Unknown { name, near })
    }

    fn names(&self) -> Vec<String> {
        let Ok(folders) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let names = folders.flatten().filter_map(|folder| folder.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| is_plain(name) && self.folder.join(name).join("model.toml").is_file())
            .collect();
        names.sort();
        names
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a name cannot lead out of the folder.
fn is_plain(name: &str) -> bool {
    let outside = |c: char| c == '/' || c == '\\' || c.is_control();
    !name.is_empty() && name.len() <= NAME_BYTES && !name.starts_with('.') && !name.contains(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A models folder with `tiny`, whose model file is no model, and with what is not a model.
    fn models() -> (tempfile::TempDir, Arc<Models>) {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "file = 'model.pt2'\n[input]\nsize = [8, 8]\nrange = [0.0, 1.0]\nmean = [0.0]\nstd = [1.0]\nchannels = 'gray'\n";
        for name in ["tiny", ".hidden"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("model.toml"), manifest).unwrap();
        }
        fs::write(folder.path().join("tiny/model.pt2"), "no zip").unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let models = Models::new(folder.path().to_owned(), 1);
        (folder, Arc::new(models))
    }

    #[test]
    fn only_folders_with_a_manifest_are_listed() {
        let (_folder, models) = models();
        let names: Vec<String> = models.list().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["tiny"]);
    }

    #[tokio::test]
    async fn names_that_are_not_there_name_the_nearest() {
        check("tinny", "there is no model `tinny`; did you mean `tiny`?").await;
        check("zzz", "there is no model `zzz`; `unitscope models list`").await;
        check("", "there is no model ``").await;
        check("../tiny", "there is no model `../tiny`").await;
        check("tiny/../tiny", "there is no model").await;
        check(".hidden", "there is no model").await;
        check("empty", "there is no model").await;
    }

    async fn check(name: &str, expected: &str) {
        let (_folder, models) = models();
        let Err(error) = models.get(name).await else { panic!("`{name}` was loaded") };
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[tokio::test]
    async fn a_broken_model_says_why_until_it_is_unloaded() {
        let (_folder, models) = models();
        assert!(matches!(models.get("tiny").await, Err(ModelsError::Broken { .. })));
        assert!(models.list()[0].problem.is_some());
        assert_eq!(models.shelf().loading, 0);
        assert!(models.unload("tiny").unwrap().problem.is_none());
    }
}
