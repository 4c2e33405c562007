//! A prefix of an S3-compatible store, for callers that wait: what is below it, and its objects' bytes. It knows no manifest and no shard.

use super::limits::Limits;
use super::listing::{Found, ListError, SkippedList, Stamp};
use super::local::Walked;
use super::location::{is_image, is_tar};
use super::read_error::ReadError;
use super::store_error::explain;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_stream::StreamExt;

/// A prefix, and who asks for it.
#[derive(Clone)]
pub(super) struct Remote {
    pub store: Arc<dyn ObjectStore>,
    pub bucket: String,
    /// Without slashes around it; empty for the whole bucket.
    pub prefix: String,
    pub runtime: Handle,
}

/// Why an answer did not come.
pub(super) const SHUTTING_DOWN: &str = "the server is shutting down";

impl Remote {
    /// Runs a request on the runtime and waits for it; none if the runtime ended before.
    pub fn wait<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked is waiting, or gone with the process.
            let _ = sender.send(request.await);
        });
        receiver.recv().ok()
    }

    /// All images and tar files below `folder` of the prefix, but for hidden ones; all files at all with `any`.
    ///
    /// # Errors
    /// A [`ListError`].
    pub fn list(&self, folder: &str, any: bool, limits: &Limits) -> Result<Walked, ListError> {
        let prefix = self.key(folder).map_err(ListError::Unreadable)?;
        let (remote, entries, limits) = (self.clone(), limits.entries, limits.clone());
        let listed = self.wait(async move {
            let mut walked = Walked { files: Vec::new(), skipped: SkippedList::default(), others: 0 };
            let mut objects = remote.store.list(Some(&prefix));
            while let Some(meta) = objects.next().await {
                let meta = meta.map_err(|error| ListError::Unreadable(explain(&error, &remote.bucket)))?;
                if walked.files.len() > entries {
                    let rule = format!("it holds more than {entries} images, which is the limit; split it");
                    return Err(ListError::TooLarge(rule));
                }
                remote.sort(&meta, any, &limits, &mut walked);
            }
            Ok(walked)
        });
        listed.unwrap_or_else(|| Err(ListError::Unreadable(SHUTTING_DOWN.to_owned())))
    }

    fn sort(&self, meta: &ObjectMeta, any: bool, limits: &Limits, walked: &mut Walked) {
        let key = meta.location.as_ref();
        let below = key.strip_prefix(self.prefix.as_str()).unwrap_or(key).trim_start_matches('/');
        let stamp = stamp_of(meta);
        if any {
            walked.files.push(Found { path: below.to_owned(), stamp });
        } else if below.split('/').any(|part| part.starts_with('.')) {
            // Hidden, as in a folder.
        } else if below.split('/').count() > limits.depth + 1 {
            let reason = format!("it is more than {} folders deep, which is the limit", limits.depth);
            walked.skipped.push(limits, below, reason);
        } else if is_image(below) || is_tar(below) {
            walked.files.push(Found { path: below.to_owned(), stamp });
        } else {
            walked.others += 1;
        }
    }

    /// # Errors
    /// Why it cannot be read.
    pub fn stamp(&self, path: &str) -> Result<Stamp, ReadError> {
        let key = self.key_of_file(path)?;
        let store = self.store.clone();
        let meta = self.answer(path, self.wait(async move { store.head(&key).await }))?;
        Ok(stamp_of(&meta))
    }

    /// The bytes of an object, or of a range of it, if it is still what was listed.
    ///
    /// # Errors
    /// A [`ReadError`].
    pub fn get(&self, path: &str, range: Option<Range<u64>>, listed: Stamp) -> Result<Vec<u8>, ReadError> {
        let key = self.key_of_file(path)?;
        let store = self.store.clone();
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = self.wait(async move {
            let object = store.get_opts(&key, options).await?;
            if stamp_of(&object.meta) != listed {
                return Ok(None);
            }
            object.bytes().await.map(Some)
        });
        match self.answer(path, got)? {
            Some(bytes) => Ok(bytes.into()),
            None => Err(ReadError::Changed { path: path.to_owned() }),
        }
    }

    fn answer<T>(&self, path: &str, answer: Option<object_store::Result<T>>) -> Result<T, ReadError> {
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(object_store::Error::NotFound { .. })) => {
                Err(ReadError::Vanished { path: path.to_owned() })
            }
            Some(Err(error)) => {
                Err(ReadError::Failed { path: path.to_owned(), reason: explain(&error, &self.bucket) })
            }
            None => Err(ReadError::Failed { path: path.to_owned(), reason: SHUTTING_DOWN.to_owned() }),
        }
    }

    pub fn key_of_file(&self, path: &str) -> Result<Path, ReadError> {
        self.key(path).map_err(|reason| ReadError::Failed { path: path.to_owned(), reason })
    }

    fn key(&self, path: &str) -> Result<Path, String> {
        Path::parse(format!("{}/{path}", self.prefix)).map_err(|error| error.to_string())
    }
}

/// The entity tag tells contents apart; a store without them has at least times.
pub(super) fn stamp_of(meta: &ObjectMeta) -> Stamp {
    let mut hasher = blake3::Hasher::new();
    match &meta.e_tag {
        Some(tag) => hasher.update(tag.as_bytes()),
        None => hasher.update(meta.last_modified.to_rfc3339().as_bytes()),
    };
    let mut version = [0; 8];
    version.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Stamp { size_bytes: meta.size, version: u64::from_le_bytes(version) }
}
