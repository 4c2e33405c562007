//! One face for a local root and a store's prefix. It knows no manifest and no shard.

use super::fresh::{Watch, modified_ns};
use super::limits::Limits;
use super::listing::{Found, ListError, Stamp};
use super::local::{Root, Walked};
use super::read_error::ReadError;
use super::remote::Remote;
use super::remote_stream::RemoteStream;
use super::shards::{Scan, scan};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Where a dataset's files are.
pub(super) enum Store {
    Local(Root),
    Remote(Remote),
}

impl Store {
    /// What changes here when files come and go.
    pub fn watch(&self) -> Watch {
        match self {
            Self::Local(root) => Watch::begin(&root.path),
            Self::Remote(_) => Watch::begin(Path::new("")),
        }
    }

    /// All images and tar files.
    ///
    /// # Errors
    /// A [`ListError`].
    pub fn walk(&self, limits: &Limits, watch: &mut Watch) -> Result<Walked, ListError> {
        match self {
            Self::Local(root) => root.walk(limits, watch),
            Self::Remote(remote) => remote.list("", false, limits),
        }
    }

    /// The stamp of one file, which is watched from now on.
    ///
    /// # Errors
    /// A [`ReadError`].
    pub fn stamp(&self, path: &str, watch: &mut Watch) -> Result<Stamp, ReadError> {
        match self {
            Self::Local(root) => {
                let stamp = root.stamp(path)?;
                watch.note(path, stamp.version, stamp.size_bytes);
                Ok(stamp)
            }
            Self::Remote(remote) => remote.stamp(path),
        }
    }

    /// Stamps of the files that are there: in a store by one listing of the folder that holds them all.
    ///
    /// # Errors
    /// A [`ListError`].
    pub fn stamps<'a>(
        &self,
        paths: impl Iterator<Item = &'a str> + Clone,
        limits: &Limits,
    ) -> Result<Stamps, ListError> {
        match self {
            Self::Local(_) => Ok(Stamps::default()),
            Self::Remote(remote) => {
                let walked = remote.list(&common_folder(paths), true, limits)?;
                let files = walked.files.into_iter();
                Ok(Stamps(files.map(|Found { path, stamp }| (path, stamp)).collect()))
            }
        }
    }

    /// The bytes of a file, or of a range of it, if it is still what was listed.
    ///
    /// # Errors
    /// A [`ReadError`].
    pub fn read(
        &self,
        path: &str,
        listed: Stamp,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Vec<u8>, ReadError> {
        if range.as_ref().map_or(listed.size_bytes == 0, std::ops::Range::is_empty) {
            return Ok(Vec::new());
        }
        match self {
            Self::Local(root) => read_local(root, path, listed, range),
            Self::Remote(remote) => remote.get(path, range, listed),
        }
    }

    /// What a shard holds, with the rows of its members where its bytes pass by anyway.
    ///
    /// # Errors
    /// A [`ReadError`]: the shard cannot be read, or not to its end.
    pub fn scan(&self, shard: &Found, limits: &Limits) -> Result<Scan, ReadError> {
        let Found { path, stamp } = shard;
        match self {
            Self::Local(root) => {
                let (mut file, now) = root.open_file(path)?;
                if now != *stamp {
                    return Err(ReadError::Changed { path: path.clone() });
                }
                Ok(scan(&mut file, stamp.size_bytes, false, limits))
            }
            Self::Remote(remote) => {
                let mut stream = RemoteStream::open(remote, path, *stamp)?;
                let scan = scan(&mut stream, stamp.size_bytes, true, limits);
                stream.failure.map_or(Ok(scan), Err)
            }
        }
    }
}

/// Stamps by path; those of local files are looked up one by one.
#[derive(Default)]
pub(super) struct Stamps(HashMap<String, Stamp>);

impl Stamps {
    pub fn get(&self, store: &Store, path: &str) -> Result<Stamp, ReadError> {
        match store {
            Store::Local(root) => root.stamp(path),
            Store::Remote(_) => {
                self.0.get(path).copied().ok_or_else(|| ReadError::Vanished { path: path.to_owned() })
            }
        }
    }
}

fn read_local(
    root: &Root,
    path: &str,
    listed: Stamp,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, ReadError> {
    let changed = || ReadError::Changed { path: path.to_owned() };
    let failed =
        |error: std::io::Error| ReadError::Failed { path: path.to_owned(), reason: error.to_string() };
    let (mut file, stamp) = root.open_file(path)?;
    if stamp != listed {
        return Err(changed());
    }
    let range = range.unwrap_or(0..stamp.size_bytes);
    let size = range.end - range.start;
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    (&mut file).take(size).read_to_end(&mut bytes).map_err(failed)?;
    // Written while it was read: what was read may be neither the old nor the new content.
    if bytes.len() as u64 != size || stamp_of(&file).map_err(failed)? != listed {
        return Err(changed());
    }
    Ok(bytes)
}

fn stamp_of(file: &File) -> std::io::Result<Stamp> {
    let meta = file.metadata()?;
    Ok(Stamp { size_bytes: meta.len(), version: modified_ns(meta.modified()) })
}

/// The deepest folder that holds all paths.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> String {
    let folder = |path: &'a str| path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let Some(first) = paths.next() else { return String::new() };
    let mut common: Vec<&str> = folder(first).split('/').collect();
    for path in paths {
        let same = common.iter().zip(folder(path).split('/')).take_while(|(a, b)| **a == *b).count();
        common.truncate(same);
    }
    common.join("/")
}
