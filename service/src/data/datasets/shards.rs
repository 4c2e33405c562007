//! What a tar file of images holds and where, by one pass over its headers. It knows no store and no dataset.

use super::catalog::half;
use super::limits::Limits;
use super::listing::{SkippedList, class_of};
use super::location::is_image;
use super::manifest::plain_path;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// The images of a shard.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ShardIndex {
    pub members: Vec<Member>,
    pub skipped: SkippedList,
    /// Members that are no images and no classes.
    pub others: u64,
}

/// An image within a shard.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub path: String,
    pub class: Option<String>,
    /// Where its bytes begin in the shard.
    pub offset: u64,
    pub size_bytes: u64,
}

/// What one pass over a shard yields.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub index: ShardIndex,
    /// The rows of the members, where they were asked for; as many as members then.
    pub rows: Vec<[u8; 16]>,
}

/// A reader that can step over bytes.
pub(super) trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// Finds the images of a shard of `total_bytes`. With `hash` their bytes are read, else stepped over. A shard that is cut off or
/// damaged yields what comes before, and a reason among the skipped; the caller knows whether the source itself failed.
pub(super) fn scan(source: &mut dyn Source, total_bytes: u64, hash: bool, limits: &Limits) -> Scan {
    let budget = Rc::new(Cell::new(limits.header_bytes));
    let mut archive = Archive::new(Bounded { source, budget: budget.clone() });
    let mut scanner = Scanner {
        limits,
        total_bytes,
        hash,
        budget,
        scan: Scan::default(),
        keys: Vec::new(),
        classes: HashMap::new(),
        end: 0,
    };
    let scanned = archive.entries_with_seek().and_then(|entries| {
        for entry in entries {
            scanner.entry(entry?)?;
            scanner.budget.set(limits.header_bytes);
        }
        Ok(())
    });
    let end = match scanned {
        Err(error) => Err(error.to_string()),
        Ok(()) if scanner.end + BLOCK_BYTES > total_bytes => Err("it has no end mark".to_owned()),
        Ok(()) => Ok(()),
    };
    if let Err(reason) = end {
        scanner.skip(
            "",
            format!("it is damaged or cut off after {} images: {reason}", scanner.scan.index.members.len()),
        );
    }
    scanner.finish()
}

/// Tar's unit; an archive ends with zero blocks.
const BLOCK_BYTES: u64 = 512;

struct Scanner<'a> {
    limits: &'a Limits,
    total_bytes: u64,
    hash: bool,
    budget: Rc<Cell<u64>>,
    scan: Scan,
    /// Of each member: what joins it with its class.
    keys: Vec<String>,
    /// By key: the class, and whether a `.cls` said so.
    classes: HashMap<String, (String, bool)>,
    /// Where the last member ends.
    end: u64,
}

impl Scanner<'_> {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> io::Result<()> {
        let (offset, size_bytes) = (entry.raw_file_position(), entry.size());
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        if offset.checked_add(size_bytes).is_none_or(|end| end > self.total_bytes) && kind.is_file() {
            return Err(io::Error::other(format!("member `{name}` goes on after its end")));
        }
        self.end = self.end.max(offset.saturating_add(if kind.is_file() { size_bytes } else { 0 }));
        if kind.is_dir() || name.split('/').any(|part| part.starts_with('.') && part != "." && part != "..") {
            return Ok(());
        }
        if let Err(reason) = self.regular(&mut entry, kind) {
            self.skip(&name, reason);
            return Ok(());
        }
        let path = match member_path(&entry.path_bytes()) {
            Ok(path) => path,
            Err(reason) => {
                self.skip(&name, reason);
                return Ok(());
            }
        };
        match extension_class(&path) {
            Some(is_cls) => self.class(&path, is_cls, &mut entry),
            None if is_image(&path) => {
                self.image(Member { path, class: None, offset, size_bytes }, &mut entry)
            }
            None => {
                self.scan.index.others += 1;
                Ok(())
            }
        }
    }

    /// Whether a member's bytes stand in the shard as they are.
    fn regular<R: Read>(&self, entry: &mut Entry<'_, R>, kind: EntryType) -> Result<(), String> {
        const SPARSE: &str = "it is a sparse file, which is not read; pack it anew without `--sparse`";
        match kind {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::GNUSparse => return Err(SPARSE.to_owned()),
            EntryType::Link | EntryType::Symlink => {
                return Err("it is a link, which is not followed".to_owned());
            }
            _ => return Err("it is not a regular file".to_owned()),
        }
        let Ok(extensions) = entry.pax_extensions() else {
            return Err("its extended header is damaged".to_owned());
        };
        let sparse =
            extensions.into_iter().flatten().flatten().any(|one| one.key_bytes().starts_with(b"GNU.sparse."));
        if sparse { Err(SPARSE.to_owned()) } else { Ok(()) }
    }

    fn class<R: Read>(&mut self, path: &str, is_cls: bool, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let limit = self.limits.class_bytes;
        let mut text = Vec::new();
        entry.take(limit as u64 + 1).read_to_end(&mut text)?;
        let class = std::str::from_utf8(&text).unwrap_or_default().trim();
        if text.len() > limit || class.is_empty() || class.contains('\n') {
            // A longer text is a caption or a licence.
            match is_cls {
                true => {
                    self.skip(path, format!("it is no class: one line of UTF-8 of at most {limit} bytes"))
                }
                false => self.scan.index.others += 1,
            }
            return Ok(());
        }
        // A short text may be a caption as well; a class file says what it is.
        let known = self.classes.get(&key_of(path));
        if known.is_none_or(|(_, was_cls)| is_cls && !was_cls) {
            self.classes.insert(key_of(path), (class.to_owned(), is_cls));
        }
        Ok(())
    }

    fn image<R: Read>(&mut self, member: Member, entry: &mut Entry<'_, R>) -> io::Result<()> {
        if self.hash {
            self.budget.set(member.size_bytes.saturating_add(self.limits.header_bytes));
            let mut hasher = blake3::Hasher::new();
            if io::copy(entry, &mut hasher)? != member.size_bytes {
                return Err(io::Error::other(format!("member `{}` is not complete", member.path)));
            }
            self.scan.rows.push(half(hasher.finalize()));
        }
        self.keys.push(key_of(&member.path));
        self.scan.index.members.push(member);
        Ok(())
    }

    fn skip(&mut self, path: &str, reason: impl Into<String>) {
        self.scan.index.skipped.push(self.limits, path, reason);
    }

    fn finish(mut self) -> Scan {
        for (member, key) in self.scan.index.members.iter_mut().zip(&self.keys) {
            let class = self.classes.get(key).map(|(class, _)| class.as_str());
            member.class = class.or_else(|| class_of(&member.path)).map(str::to_owned);
        }
        self.scan
    }
}

/// Unlike a manifest's line, a member has no business with `..`, even where it comes back.
fn member_path(name: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    if name.starts_with('/') {
        return Err("its path is absolute");
    }
    if name.split('/').any(|part| part == "..") {
        return Err("its path holds `..`");
    }
    plain_path(name)
}

/// Folder and base name up to the first dot, as WebDataset has it.
fn key_of(path: &str) -> String {
    let base = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = path[base..].find('.').map_or(path.len(), |dot| base + dot);
    path[..end].to_owned()
}

/// Whether a member holds a class: `Some(true)` for `.cls`, `Some(false)` for `.txt`.
fn extension_class(path: &str) -> Option<bool> {
    match path.rsplit_once('.') {
        Some((_, "cls")) => Some(true),
        Some((_, "txt")) => Some(false),
        _ => None,
    }
}

/// The tar reader keeps long names in memory, as long as a header says they are: this ends that.
struct Bounded<'a> {
    source: &'a mut dyn Source,
    /// Bytes that may be read until it is set anew; steps are free.
    budget: Rc<Cell<u64>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.budget.get()).unwrap_or(usize::MAX);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a member's headers are larger than is read"));
        }
        let size = buffer.len().min(left);
        let read = self.source.read(&mut buffer[..size])?;
        self.budget.set(self.budget.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}
