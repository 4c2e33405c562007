//! How the pictures of a running job look now: the latest only, made only while somebody looks. It knows no stream.

use crate::data::pictures::Pixels;
use crate::limits::PREVIEW_SIDE_PX;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use unitscope_engine::optimize::Picture;

/// The latest previews of one job.
pub struct Previews {
    watchers: AtomicUsize,
    latest: Mutex<BTreeMap<u32, Preview>>,
    /// Counts previews, so that streams learn of new ones.
    made: watch::Sender<u64>,
}

/// A small picture on its way.
#[derive(Clone)]
pub struct Preview {
    /// Which picture.
    pub image: u32,
    /// Steps made.
    pub step: u32,
    /// At most [`PREVIEW_SIDE_PX`] wide or high.
    pub pixels: Arc<Pixels>,
}

/// Somebody who looks, until dropped.
pub struct Watching {
    previews: Arc<Previews>,
}

impl Default for Previews {
    fn default() -> Self {
        Self { watchers: AtomicUsize::new(0), latest: Mutex::default(), made: watch::Sender::new(0) }
    }
}

impl Previews {
    /// Asks for previews.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching { previews: self.clone() }
    }

    /// Whether anybody looks.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Replaces a picture's preview.
    pub fn put(&self, step: u32, image: u32, picture: &Picture) {
        let pixels = Arc::new(Pixels::of(picture).shrunk(PREVIEW_SIDE_PX));
        self.latest().insert(image, Preview { image, step, pixels });
        self.made.send_modify(|made| *made += 1);
    }

    fn latest(&self) -> MutexGuard<'_, BTreeMap<u32, Preview>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// The previews that are newer than those in `seen` (the step by picture), which is brought up to date.
    pub fn news(&self, seen: &mut BTreeMap<u32, u32>) -> Vec<Preview> {
        let latest = self.previews.latest();
        latest
            .values()
            .filter(|preview| seen.insert(preview.image, preview.step) != Some(preview.step))
            .cloned()
            .collect()
    }

    /// Follows the number of previews made.
    #[must_use]
    pub fn made(&self) -> watch::Receiver<u64> {
        self.previews.made.subscribe()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.previews.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_gets_the_latest_only() {
        let previews = Arc::new(Previews::default());
        assert!(!previews.wanted());
        let watching = previews.watch();
        assert!(previews.wanted());
        let picture = Picture { channels: 1, alpha: false, height: 1, width: 1, values: vec![0.5] };
        previews.put(1, 0, &picture);
        previews.put(1, 1, &picture);
        previews.put(2, 0, &picture);
        let mut seen = BTreeMap::new();
        let steps = |seen: &mut _| -> Vec<(u32, u32)> {
            watching.news(seen).iter().map(|preview| (preview.image, preview.step)).collect()
        };
        assert_eq!(steps(&mut seen), [(0, 2), (1, 1)]);
        assert!(steps(&mut seen).is_empty());
        drop(watching);
        assert!(!previews.wanted());
    }
}
