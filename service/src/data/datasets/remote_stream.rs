//! An object's bytes as a reader that steps forward, for the pass over a shard. It knows no tar.

use super::listing::Stamp;
use super::read_error::ReadError;
use super::remote::{Remote, SHUTTING_DOWN, stamp_of};
use super::store_error::explain;
use std::io::{self, Read, Seek, SeekFrom};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_stream::StreamExt;

/// What arrives: some bytes, or why no more will.
type Part = Result<Vec<u8>, ReadError>;

/// The bytes of an object as they arrive.
pub(super) struct RemoteStream {
    parts: Receiver<Part>,
    part: Vec<u8>,
    /// How much of the part has been read.
    used: usize,
    position: u64,
    left: u64,
    path: String,
    /// Why it ended early; whoever parses the bytes cannot tell that from a short object.
    pub failure: Option<ReadError>,
}

impl RemoteStream {
    /// Begins to fetch an object as it was listed.
    ///
    /// # Errors
    /// A [`ReadError`] that is clear at once.
    pub fn open(remote: &Remote, path: &str, listed: Stamp) -> Result<Self, ReadError> {
        /// Parts that wait, each some kilobytes.
        const WAITING: usize = 16;
        let key = remote.key_of_file(path)?;
        let (sender, parts) = channel(WAITING);
        let (task, name) = (remote.clone(), path.to_owned());
        remote.runtime.spawn(async move {
            let failed = match fetch(&task, &name, key, listed, &sender).await {
                Ok(()) => return,
                Err(error) => error,
            };
            // Whoever reads may have had enough.
            let _ = sender.send(Err(failed)).await;
        });
        let (part, path) = (Vec::new(), path.to_owned());
        Ok(Self { parts, part, used: 0, position: 0, left: listed.size_bytes, path, failure: None })
    }

    /// Bytes that are at hand; empty at the end.
    fn fill(&mut self) -> io::Result<&[u8]> {
        while self.used == self.part.len() && self.left > 0 {
            let ended = ReadError::Failed { path: self.path.clone(), reason: SHUTTING_DOWN.to_owned() };
            match self.parts.blocking_recv().unwrap_or(Err(ended)) {
                Ok(part) => (self.part, self.used) = (part, 0),
                Err(error) => {
                    self.left = 0;
                    let failed = io::Error::other(error.to_string());
                    self.failure = Some(error);
                    return Err(failed);
                }
            }
        }
        Ok(&self.part[self.used..])
    }

    fn advance(&mut self, bytes: usize) {
        self.used += bytes;
        self.position += bytes as u64;
        self.left = self.left.saturating_sub(bytes as u64);
    }
}

async fn fetch(
    remote: &Remote,
    path: &str,
    key: object_store::path::Path,
    listed: Stamp,
    parts: &Sender<Part>,
) -> Result<(), ReadError> {
    let failed = |error: object_store::Error| match error {
        object_store::Error::NotFound { .. } => ReadError::Vanished { path: path.to_owned() },
        error => ReadError::Failed { path: path.to_owned(), reason: explain(&error, &remote.bucket) },
    };
    let object = remote.store.get_opts(&key, object_store::GetOptions::default()).await.map_err(failed)?;
    if stamp_of(&object.meta) != listed {
        return Err(ReadError::Changed { path: path.to_owned() });
    }
    let mut stream = object.into_stream();
    while let Some(part) = stream.next().await {
        if parts.send(Ok(part.map_err(failed)?.into())).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl Read for RemoteStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at_hand = self.fill()?;
        let size = at_hand.len().min(buffer.len());
        buffer[..size].copy_from_slice(&at_hand[..size]);
        self.advance(size);
        Ok(size)
    }
}

impl Seek for RemoteStream {
    /// Steps forward over bytes that still arrive: an object of many small files is fetched whole anyway.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(step) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut step = u64::try_from(step).map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        while step > 0 {
            let at_hand = self.fill()?.len() as u64;
            if at_hand == 0 {
                // As in a file, one may stand after the end.
                self.position += step;
                break;
            }
            let size = at_hand.min(step);
            self.advance(usize::try_from(size).unwrap_or(0));
            step -= size;
        }
        Ok(self.position)
    }
}
