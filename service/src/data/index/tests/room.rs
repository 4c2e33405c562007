//! Who may open a folder, and who has to go when it is full.

use super::*;
use crate::data::index::IndexError;
use std::fs::{File, OpenOptions};
use std::time::{Duration, SystemTime};

#[test]
fn one_folder_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let again = || Index::open(folder.path().to_owned(), NO_CAP);
    let check_locked = |what: &str| {
        let Err(error) = again() else { panic!("a second server opened it beside {what}") };
        assert!(matches!(error, IndexError::Locked { .. }), "{error}");
    };
    check_locked("the first");
    let table = index.table(&key("a")).unwrap();
    drop(index);
    check_locked("a table that is still used");
    drop(table);
    assert!(again().is_ok());
}

/// Bytes of a segment of eight rows of the test's tables.
const SEGMENT: u64 = 4096 + 8 * 6 * 4;

fn open_capped(folder: &Path, segments: u64) -> Index {
    Index::open_with(folder.to_owned(), segments * SEGMENT, Disk::default(), SMALL).unwrap()
}

fn fill(index: &Index, layer: &str, begin: u32) -> Result<Arc<Table>, IndexError> {
    let table = index.table(&key(layer))?;
    append(&table, begin..begin + 8)?;
    table.checkpoint()?;
    Ok(table)
}

fn check_left(index: &Index, layers: &str) {
    let mut left: Vec<String> = index.list().into_iter().map(|info| info.key.layer).collect();
    left.sort();
    assert_eq!(left.concat(), layers);
    let on_disk = std::fs::read_dir(&index.house.folder).unwrap().count() - 1;
    assert_eq!(on_disk, layers.len());
}

#[test]
fn the_table_used_longest_ago_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let index = open_capped(folder.path(), 3);
    for layer in ["a", "b", "c"] {
        fill(&index, layer, 0).unwrap();
    }
    check_left(&index, "abc");
    drop(index.table(&key("a")).unwrap());
    drop(fill(&index, "d", 0).unwrap());
    check_left(&index, "acd");
    // It may itself be the oldest.
    drop(fill(&index, "c", 8).unwrap());
    check_left(&index, "cd");
    check(&index.table(&key("c")).unwrap(), 0..16);
}

#[test]
fn what_somebody_holds_stays() {
    let folder = tempfile::tempdir().unwrap();
    let index = open_capped(folder.path(), 2);
    let held = fill(&index, "a", 0).unwrap();
    let snapshot = fill(&index, "b", 0).unwrap().snapshot();
    drop(fill(&index, "c", 0).unwrap());
    check_left(&index, "ac");
    assert_eq!(read(&snapshot), Some(ids(0..8)), "who reads an evicted table goes on reading");
    let other = index.table(&key("c")).unwrap();
    let error = fill(&index, "a", 8).map(drop).unwrap_err();
    assert!(matches!(error, IndexError::Full { needed: SEGMENT, .. }), "{error}");
    check(&held, 0..16);
    // Nobody holds it any more, but it would go in vain.
    drop(other);
    let much = index.table(&key("d")).unwrap();
    append(&much, 0..9).unwrap();
    let bytes = index.house.make_room(much.id(), 2 * SEGMENT).unwrap_err();
    assert!(matches!(bytes, IndexError::Full { held: SEGMENT, .. }), "{bytes}");
    check_left(&index, "acd");
    index.delete(much.id()).unwrap();
    held.checkpoint().unwrap();
    check_left(&index, "a");
    check(&held, 0..16);
}

#[test]
fn the_order_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    for layer in ["a", "b", "c"] {
        fill(&index, layer, 0).unwrap();
    }
    drop(index);
    for (layer, hours) in [("a", 1), ("b", 3), ("c", 2)] {
        let used = folder.path().join(key(layer).id()).join("used");
        let used = OpenOptions::new().write(true).open(used).unwrap();
        used.set_modified(SystemTime::now() - Duration::from_secs(3600 * hours)).unwrap();
    }
    // A lower cap evicts at once.
    check_left(&open_capped(folder.path(), 2), "ac");
    let index = open_capped(folder.path(), 2);
    drop(index.table(&key("c")).unwrap());
    drop(index);
    check_left(&open_capped(folder.path(), 1), "c");
}

#[test]
fn the_last_use_is_noted_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    let used = folder.path().join(key("a").id()).join("used");
    let noted = || File::open(&used).unwrap().metadata().unwrap().modified().unwrap();
    let first = noted();
    let shown = index.list()[0].used;
    append(&table, [1]).unwrap();
    assert_eq!(noted(), first);
    assert!(index.list()[0].used > shown);
}
