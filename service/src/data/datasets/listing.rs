//! What a dataset holds at one moment: entries in order of path, classes, and what was left out. It knows no file system and no store.

use super::limits::Limits;
use super::location::Kind;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// An image of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the dataset, which no other has: `class/image.jpg`, for a folder of shards `shard.tar/class/image.jpg`.
    pub path: String,
    /// Which of the dataset's classes it has.
    pub class: Option<u32>,
}

/// What was left out of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// What it is called, or the line of a manifest.
    pub path: String,
    /// Why, for people.
    pub reason: String,
}

/// Tells one content of a file from the next, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub size_bytes: u64,
    /// The time of modification in ns for local files; a digest of the entity tag in a store, and of shard and offset for members.
    pub version: u64,
}

/// A file, by its path within the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: String,
    pub stamp: Stamp,
}

/// Where an entry's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whence {
    /// In the file of its path.
    File,
    /// In a shard, from that byte on.
    Member { shard: u32, offset: u64 },
}

/// What is known of an entry beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub stamp: Stamp,
    pub whence: Whence,
}

/// What was left out: the first by name, all by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SkippedList {
    pub named: Vec<Skipped>,
    pub total: u64,
}

/// Why there is no listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListError {
    /// The root, or the store, cannot be read.
    Unreadable(String),
    /// A limit is exceeded.
    TooLarge(String),
}

/// A dataset's content.
#[derive(PartialEq, Eq)]
pub(super) struct Listing {
    pub kind: Kind,
    pub entries: Vec<Entry>,
    /// As many as entries, in their order.
    pub items: Vec<Item>,
    pub classes: Vec<String>,
    pub shards: Vec<Found>,
    pub skipped: SkippedList,
    /// Files that are no images.
    pub others: u64,
}

/// A listing in the making.
pub(super) struct Builder<'a> {
    limits: &'a Limits,
    all: Vec<(Entry, Item)>,
    classes: HashMap<String, u32>,
    pub skipped: SkippedList,
    pub others: u64,
}

impl SkippedList {
    pub fn push(&mut self, limits: &Limits, path: impl Into<String>, reason: impl Into<String>) {
        self.total += 1;
        if self.named.len() < limits.skipped {
            self.named.push(Skipped { path: path.into(), reason: reason.into() });
        }
    }

    /// Takes over another's, whose paths stand below `prefix`.
    pub fn extend(&mut self, limits: &Limits, prefix: &str, other: Self) {
        self.total += other.total;
        let room = limits.skipped.saturating_sub(self.named.len());
        let named = other.named.into_iter().take(room);
        self.named.extend(named.map(|one| {
            let path = format!("{prefix}/{}", one.path);
            Skipped { path: path.trim_matches('/').to_owned(), ..one }
        }));
    }
}

/// The class of a file in a tree: the first folder of its path.
pub(super) fn class_of(path: &str) -> Option<&str> {
    path.split_once('/').map(|(class, _)| class)
}

impl<'a> Builder<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, all: Vec::new(), classes: HashMap::new(), skipped: SkippedList::default(), others: 0 }
    }

    pub fn skip(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push(self.limits, path, reason);
    }

    /// # Errors
    /// [`ListError::TooLarge`].
    pub fn add(&mut self, path: String, class: Option<&str>, item: Item) -> Result<(), ListError> {
        let Limits { entries, classes, path_bytes, class_bytes, .. } = *self.limits;
        if path.len() > path_bytes {
            let start: String = path.chars().take(80).collect();
            self.skip(
                format!("{start}…"),
                format!("its path has more than {path_bytes} bytes, which is the limit"),
            );
            return Ok(());
        }
        if let Some(class) = class.filter(|class| class.len() > class_bytes) {
            let bytes = class.len();
            self.skip(
                path,
                format!("its class has {bytes} bytes, but a class's name has at most {class_bytes}"),
            );
            return Ok(());
        }
        if self.all.len() == entries {
            let rule = format!("it holds more than {entries} images, which is the limit; split it");
            return Err(ListError::TooLarge(rule));
        }
        let class = class.map(|class| self.class(class));
        if self.classes.len() > classes {
            let rule = format!(
                "it has more than {classes} classes, which is the limit; are folders or labels classes?"
            );
            return Err(ListError::TooLarge(rule));
        }
        self.all.push((Entry { path, class }, item));
        Ok(())
    }

    fn class(&mut self, name: &str) -> u32 {
        if let Some(class) = self.classes.get(name) {
            return *class;
        }
        let class = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        self.classes.insert(name.to_owned(), class);
        class
    }

    /// Sorts, and lets one of several of the same path stand: the first.
    pub fn finish(mut self, kind: Kind, shards: Vec<Found>) -> Listing {
        self.all.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (limits, skipped) = (self.limits, &mut self.skipped);
        self.all.dedup_by(|(later, _), (first, _)| {
            let same = later.path == first.path;
            if same {
                skipped.push(limits, later.path.as_str(), "it is listed more than once; the first counts");
            }
            same
        });
        let mut names: Vec<(String, u32)> = self.classes.into_iter().collect();
        names.sort();
        let mut order = vec![0; names.len()];
        for (new, (_, old)) in (0..).zip(&names) {
            order[*old as usize] = new;
        }
        let classes = names.into_iter().map(|(name, _)| name).collect();
        let (mut entries, items): (Vec<Entry>, Vec<Item>) = self.all.into_iter().unzip();
        for entry in &mut entries {
            entry.class = entry.class.map(|old| order[old as usize]);
        }
        Listing { kind, entries, items, classes, shards, skipped: self.skipped, others: self.others }
    }
}
