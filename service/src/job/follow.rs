//! Following one job: its past from the store, then its present, at the reader's pace. It knows no gRPC.

use super::previews::{Preview, Watching};
use super::store::{JobStore, NoJob};
use super::{Event, Job};
use crate::limits::{EVENT_CHUNK, HEARTBEAT_INTERVAL};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use ulid::Ulid;

/// What a follower is told.
pub enum Update {
    /// The next event.
    Event(Event),
    /// A picture as it is now.
    Preview {
        /// Which picture.
        image: u32,
        /// Steps made.
        step: u32,
        /// A small PNG.
        png: Vec<u8>,
    },
    /// Nothing happened for a while.
    Heartbeat,
    /// The job has ended; the last update.
    Done(Box<Job>),
    /// The job was deleted or evicted; the last update.
    Gone(NoJob),
    /// The server shuts down; the last update.
    Closing,
}

/// A reader of one job.
pub struct Follower {
    /// Where the job is kept.
    pub store: Arc<dyn JobStore>,
    /// Which job.
    pub id: Ulid,
    /// Events up to this one are not told.
    pub after: u64,
    /// The job's previews, where wanted.
    pub previews: Option<Watching>,
    /// The longest side of previews, in pixels.
    pub preview_side_px: u32,
    /// Turns true when the server shuts down.
    pub closing: watch::Receiver<bool>,
    /// Takes the updates; its small buffer is all that a slow reader makes the server hold.
    pub updates: mpsc::Sender<Update>,
}

/// The reader went away.
struct Left;

impl Follower {
    /// Tells everything until the job has ended or the reader left.
    pub async fn run(mut self) {
        let last = match self.tell().await {
            Ok(last) => last,
            Err(Left) => return,
        };
        // Where the reader left meanwhile, there is nobody to tell.
        let _ = self.updates.send(last).await;
    }

    /// Returns the last update.
    async fn tell(&mut self) -> Result<Update, Left> {
        let Ok(mut head) = self.store.watch(self.id) else { return Ok(Update::Gone(NoJob)) };
        let mut made = self.previews.as_ref().map(Watching::made);
        let mut seen = BTreeMap::new();
        let mut spoke = Instant::now();
        loop {
            head.mark_unchanged();
            let told = match self.tell_events().await? {
                Ok(told) => told,
                Err(gone) => return Ok(Update::Gone(gone)),
            };
            let looked = self.tell_previews(&mut seen).await?;
            if told + looked > 0 {
                spoke = Instant::now();
            }
            match self.store.job(self.id) {
                Ok(job) if job.state.is_final() && job.last_sequence == self.after => {
                    return Ok(Update::Done(Box::new(job)));
                }
                Ok(job) if job.last_sequence > self.after => continue,
                Ok(_) => {}
                Err(gone) => return Ok(Update::Gone(gone)),
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return Ok(Update::Gone(NoJob)) },
                () = next_preview(&mut made) => {}
                () = tokio::time::sleep_until(spoke + HEARTBEAT_INTERVAL) => {
                    self.send(Update::Heartbeat).await?;
                    spoke = Instant::now();
                }
                () = closed(self.closing.clone()) => return Ok(Update::Closing),
                () = self.updates.closed() => return Err(Left),
            }
        }
    }

    /// Tells the next chunk of events; returns how many.
    async fn tell_events(&mut self) -> Result<Result<usize, NoJob>, Left> {
        let events = match self.store.events(self.id, self.after, EVENT_CHUNK) {
            Ok(events) => events,
            Err(gone) => return Ok(Err(gone)),
        };
        let count = events.len();
        for event in events {
            let sequence = event.sequence;
            self.send(Update::Event(event)).await?;
            self.after = sequence;
        }
        Ok(Ok(count))
    }

    async fn tell_previews(&self, seen: &mut BTreeMap<u32, u32>) -> Result<usize, Left> {
        let news = self.previews.as_ref().map(|watching| watching.news(seen)).unwrap_or_default();
        let count = news.len();
        for Preview { image, step, pixels } in news {
            let side = self.preview_side_px;
            // Milliseconds each, too long for a thread that serves connections.
            let encoded = tokio::task::spawn_blocking(move || pixels.shrunk(side).png()).await;
            let Ok(png) = encoded else { continue };
            self.send(Update::Preview { image, step, png }).await?;
        }
        Ok(count)
    }

    /// Waits for the reader, but not when the server shuts down.
    async fn send(&self, update: Update) -> Result<(), Left> {
        tokio::select! {
            biased;
            sent = self.updates.send(update) => sent.map_err(|_| Left),
            () = closed(self.closing.clone()) => Err(Left),
        }
    }
}

/// Never ready where no previews are wanted, or none will come any more.
async fn next_preview(made: &mut Option<watch::Receiver<u64>>) {
    if let Some(made) = made
        && made.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Ready when the server shuts down.
pub(super) async fn closed(mut closing: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = closing.wait_for(|closing| *closing).await;
}
