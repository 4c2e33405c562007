//! What a folder holds after a stop or a crash: what counts is found, what does not is removed. It knows no query.
//!
//! Only what bears the names that the index gives is ever touched, so that a folder that was named by mistake loses nothing.

use super::disk::Disk;
use super::error::IndexError;
use super::house::House;
use super::key::{self, TableKey, is_id};
use super::layout::Frame;
use super::segment::Segment;
use super::table::Table;
use super::used;
use super::write::PART;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of the name of a table's folder that is being removed.
const GONE: &str = ".gone";

/// The tables in the house's folder.
pub fn tables(house: &Arc<House>) -> Result<Vec<Table>, IndexError> {
    let mut tables = Vec::new();
    for (name, path) in entries(&house.folder)? {
        if name.strip_suffix(GONE).is_some_and(is_id) {
            clear(&house.disk, &path)?;
        } else if is_id(&name) && path.is_dir() {
            tables.extend(table(house, path)?);
        }
    }
    Ok(tables)
}

fn table(house: &Arc<House>, folder: PathBuf) -> Result<Option<Table>, IndexError> {
    let Some(key) = TableKey::read(&folder)? else {
        tracing::warn!(folder = %folder.display(), "removed: its key is missing or damaged");
        remove_table(&house.disk, &folder)?;
        return Ok(None);
    };
    let frame = Frame { table: key.digest(), units: key.units, positions: key.positions };
    let segments = segments(&house.disk, &folder, &frame)?;
    Ok(Some(Table::new(house.clone(), folder, key, segments)))
}

/// The segments of a table in the order of their appends. Removes temporaries, damaged ones, and parts of what was merged.
fn segments(disk: &Disk, folder: &Path, frame: &Frame) -> Result<Vec<Arc<Segment>>, IndexError> {
    let mut found = Vec::new();
    for (name, path) in entries(folder)? {
        if name.ends_with(PART) && is_ours(&name) {
            disk.remove(&path)?;
        } else if is_segment(&name) {
            found.extend(keep(disk, Segment::open(&path, frame))?);
        }
    }
    // What covers others comes before them.
    found.sort_by_key(|segment| (segment.shape().first, std::cmp::Reverse(segment.shape().last)));
    let mut kept: Vec<Segment> = Vec::new();
    for segment in found {
        // Parts are only given up for a whole that is readable.
        let checked = kept.last().filter(|before| before.shape().last >= segment.shape().first);
        if let Some(Err(error)) = checked.map(Segment::check_directory) {
            kept.pop();
            keep(disk, Err(error))?;
        }
        match kept.last() {
            Some(before) if before.shape().covers(segment.shape()) => disk.remove(segment.path())?,
            Some(before) if before.shape().last >= segment.shape().first => {
                let reason = format!("it shares appends with `{}`", before.shape().file_name());
                keep(disk, Err(IndexError::damaged(segment.path(), reason)))?;
            }
            _ => kept.push(segment),
        }
    }
    Ok(kept.into_iter().map(Arc::new).collect())
}

/// The segment, or none where it is damaged; then its file is removed.
fn keep(disk: &Disk, opened: Result<Segment, IndexError>) -> Result<Option<Segment>, IndexError> {
    match opened {
        Ok(segment) => Ok(Some(segment)),
        Err(IndexError::Damaged { path, reason }) => {
            let removed = disk.remove(&path);
            tracing::warn!("{}", IndexError::Damaged { path, reason });
            removed.map(|()| None)
        }
        Err(error) => Err(error),
    }
}

/// Removes a table's folder. Once its name is changed it is gone, and what is left of it is removed now or later.
pub fn remove_table(disk: &Disk, folder: &Path) -> Result<(), IndexError> {
    let mut gone = folder.as_os_str().to_owned();
    gone.push(GONE);
    let gone = PathBuf::from(gone);
    if gone.exists() {
        clear(disk, &gone)?;
    }
    disk.rename(folder, &gone)?;
    if let Err(error) = clear(disk, &gone) {
        tracing::warn!("what is left of an index is removed at the next start: {error}");
    }
    Ok(())
}

/// Removes our files from a folder, and the folder if nothing else is in it.
fn clear(disk: &Disk, folder: &Path) -> Result<(), IndexError> {
    let mut foreign = false;
    for (name, path) in entries(folder)? {
        if is_ours(&name) {
            disk.remove(&path)?;
        } else {
            foreign = true;
        }
    }
    if foreign {
        tracing::warn!(folder = %folder.display(), "not removed: it holds files that are not the index's");
        return Ok(());
    }
    disk.remove_folder(folder)
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, IndexError> {
    let read = || -> std::io::Result<Vec<(String, PathBuf)>> {
        let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let named = |entry: std::fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
        let mut entries: Vec<_> = entries.into_iter().filter_map(named).collect();
        entries.sort();
        Ok(entries)
    };
    read().map_err(IndexError::io("list", folder))
}

fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(PART).unwrap_or(name);
    is_segment(name) || [key::FILE, used::FILE].contains(&name)
}

fn is_segment(name: &str) -> bool {
    let numbers = name.strip_suffix(".seg").and_then(|stem| stem.split_once('-'));
    let number = |text: &str| text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(first, last)| number(first) && number(last))
}
