//! A folder on this machine that nothing leaves: what is in it, and its files' bytes. It knows no manifest and no shard.
//!
//! Files are opened relative to the root's handle (`openat2` with `RESOLVE_BENEATH` where the kernel has it, cap-std's own steps
//! elsewhere), so that a folder or file that becomes a symbolic link between listing and reading leads to an error and never out.
//! What remains: whoever can write in the root may make hard links and mounts, and may put a pipe in a file's place in
//! the moment between the look at it and its opening, where a reader would wait.

use super::fresh::{Watch, modified_ns};
use super::limits::Limits;
use super::listing::{Found, ListError, SkippedList, Stamp};
use super::location::{is_image, is_tar};
use super::read_error::ReadError;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A root, opened.
pub(super) struct Root {
    /// Canonical.
    pub path: PathBuf,
    dir: Dir,
}

/// What walking a root, or listing a prefix, finds.
pub(super) struct Walked {
    /// Images and tar files, in no order.
    pub files: Vec<Found>,
    pub skipped: SkippedList,
    /// Files that are neither.
    pub others: u64,
}

const LEADS_OUT: &str = "it is a symbolic link out of the dataset's folder, which is not followed";

impl Root {
    /// # Errors
    /// [`ListError::Unreadable`].
    pub fn open(path: &Path) -> Result<Self, ListError> {
        let unreadable = |error: io::Error| {
            let rule = match error.kind() {
                ErrorKind::NotADirectory => "; a manifest ends in .txt, .csv or .tsv, a shard in .tar",
                _ => "",
            };
            ListError::Unreadable(format!("folder `{}` cannot be read: {error}{rule}", path.display()))
        };
        let canonical = path.canonicalize().map_err(unreadable)?;
        let dir = Dir::open_ambient_dir(&canonical, ambient_authority()).map_err(unreadable)?;
        Ok(Self { path: canonical, dir })
    }

    /// All images and tar files below, but for hidden ones.
    ///
    /// # Errors
    /// A [`ListError`]: the root itself cannot be read, or a limit is exceeded.
    pub fn walk(&self, limits: &Limits, watch: &mut Watch) -> Result<Walked, ListError> {
        let found = Walked { files: Vec::new(), skipped: SkippedList::default(), others: 0 };
        let mut walk = Walk { root: self, limits, watch, found, trail: Vec::new(), folders: 0 };
        walk.folder("", &self.dir)?;
        Ok(walk.found)
    }

    /// # Errors
    /// Why it cannot be read.
    pub fn stamp(&self, path: &str) -> Result<Stamp, ReadError> {
        self.locate(path).map(|(_, meta)| stamp_of(&meta))
    }

    /// Opens a file; the stamp is of what was opened.
    ///
    /// # Errors
    /// A [`ReadError`].
    pub fn open_file(&self, path: &str) -> Result<(File, Stamp), ReadError> {
        let (real, _) = self.locate(path)?;
        let file = self.open_real(&real).map_err(|error| read_error(path, &error))?;
        let meta = file.metadata().map_err(|error| read_error(path, &error))?;
        Ok((file.into_std(), stamp_of(&meta)))
    }

    /// The last word: whatever a path has become since it was looked at, what is opened is within the root.
    pub fn open_real(&self, real: &Path) -> io::Result<cap_std::fs::File> {
        self.dir.open(real)
    }

    /// Where a path leads within the root, to a regular file.
    fn locate(&self, path: &str) -> Result<(PathBuf, Metadata), ReadError> {
        let (real, meta) = match self.dir.metadata(path) {
            Ok(meta) => (PathBuf::from(path), meta),
            // Absolute links are refused even where they lead back in.
            Err(error) if error.kind() != ErrorKind::NotFound => self.resolve(path)?,
            Err(error) => return Err(read_error(path, &error)),
        };
        if !meta.is_file() {
            let reason = "it is not a regular file".to_owned();
            return Err(ReadError::Failed { path: path.to_owned(), reason });
        }
        Ok((real, meta))
    }

    /// Follows links with ambient rights, but only to learn a path, which is then opened within the root.
    fn resolve(&self, path: &str) -> Result<(PathBuf, Metadata), ReadError> {
        let real = self.path.join(path).canonicalize().map_err(|error| read_error(path, &error))?;
        let inside = real.strip_prefix(&self.path);
        let real = inside.map_err(|_| ReadError::Outside { path: path.to_owned() })?;
        // The root itself.
        let real = if real.as_os_str().is_empty() { Path::new(".") } else { real };
        let meta = self.dir.metadata(real).map_err(|error| read_error(path, &error))?;
        Ok((real.to_owned(), meta))
    }
}

fn stamp_of(meta: &Metadata) -> Stamp {
    Stamp {
        size_bytes: meta.len(),
        version: modified_ns(meta.modified().map(cap_std::time::SystemTime::into_std)),
    }
}

fn read_error(path: &str, error: &io::Error) -> ReadError {
    match error.kind() {
        ErrorKind::NotFound => ReadError::Vanished { path: path.to_owned() },
        _ => ReadError::Failed { path: path.to_owned(), reason: error.to_string() },
    }
}

struct Walk<'a> {
    root: &'a Root,
    limits: &'a Limits,
    watch: &'a mut Watch,
    found: Walked,
    /// Device and inode of the folders that lead here.
    trail: Vec<(u64, u64)>,
    folders: usize,
}

impl Walk<'_> {
    /// `path` is empty for the root, else it ends with `/`.
    fn folder(&mut self, path: &str, dir: &Dir) -> Result<(), ListError> {
        let Limits { folders, depth, .. } = *self.limits;
        let meta = match dir.dir_metadata() {
            Ok(meta) => meta,
            Err(error) => return self.unreadable(path, &error),
        };
        let id = (meta.dev(), meta.ino());
        if self.trail.contains(&id) {
            self.skip(path, "it is a symbolic link to a folder that it is in");
            return Ok(());
        }
        if self.trail.len() > depth {
            self.skip(path, format!("it is more than {depth} folders deep, which is the limit"));
            return Ok(());
        }
        self.folders += 1;
        if self.folders > folders {
            return Err(ListError::TooLarge(format!(
                "it has more than {folders} folders, which is the limit; split it"
            )));
        }
        let Stamp { size_bytes, version } = stamp_of(&meta);
        self.watch.note(path, version, size_bytes);
        let entries = match dir.entries() {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, &error),
        };
        self.trail.push(id);
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(path, dir, &entry)?,
                Err(error) => self.unreadable(path, &error)?,
            }
        }
        self.trail.pop();
        Ok(())
    }

    fn entry(&mut self, folder: &str, dir: &Dir, entry: &DirEntry) -> Result<(), ListError> {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            self.skip(&format!("{folder}{}", name.to_string_lossy()), "its name is not UTF-8");
            return Ok(());
        };
        if name.starts_with('.') {
            return Ok(());
        }
        let path = format!("{folder}{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => match dir.open_dir(name) {
                Ok(dir) => self.folder(&format!("{path}/"), &dir),
                Err(error) => self.unreadable(&path, &error),
            },
            Ok(kind) if kind.is_symlink() => self.link(path),
            Ok(_) if !is_image(name) && !is_tar(name) => {
                self.found.others += 1;
                Ok(())
            }
            Ok(kind) if !kind.is_file() => {
                self.skip(&path, "it is not a regular file");
                Ok(())
            }
            Ok(_) => match entry.metadata() {
                Ok(meta) => self.file(path, &meta),
                Err(error) => self.unreadable(&path, &error),
            },
            Err(error) => self.unreadable(&path, &error),
        }
    }

    fn link(&mut self, path: String) -> Result<(), ListError> {
        match self.root.resolve(&path) {
            Err(ReadError::Outside { .. }) => self.skip(&path, LEADS_OUT),
            Err(ReadError::Vanished { .. }) => self.skip(&path, "it is a symbolic link to nothing"),
            Err(error) => self.skip(&path, error.reason()),
            Ok((real, meta)) if meta.is_dir() => {
                return match self.root.dir.open_dir(real) {
                    Ok(dir) => self.folder(&format!("{path}/"), &dir),
                    Err(error) => self.unreadable(&path, &error),
                };
            }
            Ok(_) if !is_image(&path) && !is_tar(&path) => self.found.others += 1,
            Ok((_, meta)) if meta.is_file() => return self.file(path, &meta),
            Ok(_) => self.skip(&path, "it is not a regular file"),
        }
        Ok(())
    }

    fn file(&mut self, path: String, meta: &Metadata) -> Result<(), ListError> {
        // The listing says so exactly; this bounds memory before it is made.
        if self.found.files.len() > self.limits.entries {
            let entries = self.limits.entries;
            return Err(ListError::TooLarge(format!(
                "it holds more than {entries} images, which is the limit; split it"
            )));
        }
        self.found.files.push(Found { path, stamp: stamp_of(meta) });
        Ok(())
    }

    /// Only the root must be readable.
    fn unreadable(&mut self, path: &str, error: &io::Error) -> Result<(), ListError> {
        if path.is_empty() {
            let root = self.root.path.display();
            return Err(ListError::Unreadable(format!("folder `{root}` cannot be read: {error}")));
        }
        // Vanished in between: as if it had never been there.
        if error.kind() != ErrorKind::NotFound {
            self.skip(path, format!("it cannot be read: {error}"));
        }
        Ok(())
    }

    fn skip(&mut self, path: &str, reason: impl Into<String>) {
        self.found.skipped.push(self.limits, path.trim_end_matches('/'), reason);
    }
}
