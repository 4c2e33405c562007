//! The thread that merges segments in the background. It knows not how.

use super::error::IndexError;
use super::limits::QUEUE;
use super::merge::merge_due;
use super::table::Table;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Where tables ask to be looked at.
#[derive(Clone)]
pub struct Merges {
    sender: SyncSender<Message>,
    stop: Arc<AtomicBool>,
}

enum Message {
    Look(Weak<Table>),
    Stop,
    /// Answered when all before it is done.
    #[cfg(test)]
    Settle(SyncSender<()>),
}

impl Merges {
    /// The tables' side, and what the thread will read.
    pub fn new() -> (Self, Queue) {
        let (sender, receiver) = sync_channel(QUEUE);
        (Self { sender, stop: Arc::default() }, Queue(receiver))
    }

    /// Asks for a table's segments to be merged, where that is due. Never waits; see [`QUEUE`] for when the queue is full.
    pub fn ask(&self, table: &Arc<Table>) {
        let _ = self.sender.try_send(Message::Look(Arc::downgrade(table)));
    }

    /// Waits until everything that was asked for is done.
    #[cfg(test)]
    pub fn settle(&self) {
        let (sender, receiver) = sync_channel(1);
        self.sender.send(Message::Settle(sender)).expect("the thread lives as long as the index");
        receiver.recv().expect("the thread answers");
    }
}

/// What the thread reads.
pub struct Queue(Receiver<Message>);

/// The thread; it ends when this is dropped, soon and without finishing a merge.
pub struct Worker {
    merges: Merges,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start(merges: Merges, queue: Queue) -> std::io::Result<Self> {
        let stop = merges.stop.clone();
        let thread = std::thread::Builder::new().name("index-merges".to_owned());
        let thread = thread.spawn(move || work(&queue.0, &stop))?;
        Ok(Self { merges, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.merges.stop.store(true, SeqCst);
        // The thread empties the queue, so that there is room soon; it fails only where the thread is gone.
        let _ = self.merges.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Receiver<Message>, stop: &AtomicBool) {
    for message in queue {
        match message {
            Message::Stop => return,
            Message::Look(table) => {
                if let Some(table) = table.upgrade() {
                    table.merging.store(true, SeqCst);
                    merge_all(&table, stop);
                    table.merging.store(false, SeqCst);
                }
            }
            #[cfg(test)]
            Message::Settle(done) => drop(done.send(())),
        }
    }
}

/// Merges until nothing is due. What fails is tried again after the table's next tail.
fn merge_all(table: &Table, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        match merge_due(table, stop) {
            Ok(true) => {}
            Ok(false) | Err(IndexError::Closing | IndexError::Deleted { .. }) => return,
            Err(error) => {
                tracing::warn!(index = table.id(), layer = table.key().layer, "not merged: {error}");
                return;
            }
        }
    }
}
