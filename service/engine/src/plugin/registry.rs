//! All loaded terms by name. It knows folders and libraries; how a term runs is `term`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::TermError;
use super::info::TermInfo;
use super::library::{self, LogSink};
use super::params::near;

/// Every term that the configured folders offer. Fixed once loaded.
pub struct Registry {
    terms: BTreeMap<String, Arc<TermInfo>>,
}

impl Registry {
    /// Loads every `*.so` of these folders, folder by folder, by name. A library that cannot be loaded, or offers a term that an
    /// earlier one has, is a [`Problem`] and is left out whole; the others are loaded all the same.
    #[must_use]
    pub fn load(folders: &[PathBuf], log: LogSink) -> (Registry, Vec<Problem>) {
        let mut registry = Registry { terms: BTreeMap::new() };
        let mut problems = Vec::new();
        for folder in folders {
            match libraries(folder) {
                Ok(paths) => {
                    for path in paths {
                        if let Err(reason) = registry.add(&path, &log) {
                            problems.push(Problem { path, reason });
                        }
                    }
                }
                Err(reason) => problems.push(Problem { path: folder.clone(), reason }),
            }
        }
        (registry, problems)
    }

    fn add(&mut self, path: &Path, log: &LogSink) -> Result<(), String> {
        let terms = library::load(path, log)?;
        if let Some((term, other)) = terms.iter().find_map(|term| Some((term, self.terms.get(&term.id)?))) {
            return Err(format!(
                "its term `{}` is already offered by plugin `{}` {}; remove one of the two",
                term.id, other.plugin_id, other.plugin_version
            ));
        }
        self.terms.extend(terms.into_iter().map(|term| (term.id.clone(), Arc::new(term))));
        Ok(())
    }

    /// All terms, by id.
    pub fn terms(&self) -> impl Iterator<Item = &Arc<TermInfo>> {
        self.terms.values()
    }

    /// The term with this id.
    ///
    /// # Errors
    /// [`TermError::Unknown`], with the nearest ids, where no plugin has it.
    pub fn term(&self, id: &str) -> Result<Arc<TermInfo>, TermError> {
        self.terms.get(id).cloned().ok_or_else(|| TermError::Unknown {
            term: id.to_owned(),
            near: near(id, self.terms.keys().map(String::as_str)),
        })
    }
}

/// A library, or a folder of them, that is not offered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The library or folder.
    pub path: PathBuf,
    /// One sentence for the operator.
    pub reason: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// The absolute paths of a folder's libraries, sorted.
fn libraries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: std::io::Error| format!("the folder cannot be read: {error}");
    let folder = folder.canonicalize().map_err(cannot)?;
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "so") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
