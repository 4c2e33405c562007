//! Files that are not what was written are found out, and no others.

use super::*;
use crate::data::index::{IndexError, key as keys};
use std::fs;
use std::path::PathBuf;

/// A folder with a table of five rows in one segment; the segment's path and bytes.
fn written() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    append(&table, 0..5).unwrap();
    table.checkpoint().unwrap();
    let path = folder.path().join(key("a").id()).join(&files(folder.path(), &key("a"), ".seg")[0]);
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// Opens a table with those bytes as its segment. What is read is right, or nothing; then the rows are scored again, and all is
/// well. Returns whether the damage was found.
fn check_damaged(folder: &Path, path: &Path, bytes: &[u8]) -> bool {
    fs::write(path, bytes).unwrap();
    let index = open(folder);
    let table = index.table(&key("a")).unwrap();
    let before = table.snapshot();
    let found = read(&before).is_none_or(|rows| rows.is_empty());
    assert_eq!(found, table.snapshot().is_empty(), "what is damaged is dropped, and nothing else");
    assert_eq!(found, !path.exists());
    if found && !before.is_empty() {
        assert_ne!(before.version(), table.snapshot().version());
    }
    append(&table, 0..5).unwrap();
    check(&table, 0..5);
    found
}

#[test]
fn every_flipped_bit_is_found_where_it_matters() {
    let (folder, path, bytes) = written();
    // The directory ends behind six checksums and five ids; the columns begin at the next page.
    let (directory, data) = (96 + 6 * 8 + 5 * 16, 4096);
    assert_eq!(bytes.len(), data + 6 * 5 * 4);
    for bit in
        (0..directory * 8).chain((directory * 8..data * 8).step_by(501)).chain(data * 8..bytes.len() * 8)
    {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let padding = (directory..data).contains(&(bit / 8));
        assert_eq!(check_damaged(folder.path(), &path, &bytes), !padding, "bit {bit}");
    }
    assert!(!check_damaged(folder.path(), &path, &bytes));
}

#[test]
fn every_other_length_is_found() {
    let (folder, path, bytes) = written();
    for length in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        assert!(check_damaged(folder.path(), &path, &bytes[..length]), "{length} bytes");
    }
    for more in [1, 4, 4096] {
        assert!(check_damaged(folder.path(), &path, &[&bytes[..], &vec![0; more]].concat()), "{more} more");
    }
}

#[test]
fn another_tables_segment_is_refused() {
    let (folder, path, bytes) = written();
    let (other, stray) = {
        let index = open(folder.path());
        let table = index.table(&key("b")).unwrap();
        append(&table, 10..12).unwrap();
        table.checkpoint().unwrap();
        let other = folder.path().join(key("b").id()).join(path.file_name().unwrap());
        (other, path.with_file_name("0000000007-0000000007.seg"))
    };
    assert!(check_damaged(folder.path(), &path, &fs::read(other).unwrap()));
    fs::write(&path, bytes).unwrap();
    // Nor one that was copied within its table.
    fs::copy(path.with_file_name("0000000001-0000000001.seg"), &stray).unwrap();
    check(&open(folder.path()).table(&key("a")).unwrap(), 0..5);
    assert!(!stray.exists());
}

/// Sizes that would overflow or exhaust memory if they were believed, behind a checksum that is right.
#[test]
fn absurd_sizes_are_refused() {
    let (folder, path, bytes) = written();
    for (at, value) in [
        (48, u64::MAX),
        (48, 0),
        (48, 1 << 62),
        (56, u64::MAX),
        (56, 1 << 32),
        (56, 0),
        (40, u64::MAX),
        (32, 9),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let sum = keys::half(&blake3::hash(&bytes[..80]));
        bytes[80..96].copy_from_slice(&sum);
        assert!(check_damaged(folder.path(), &path, &bytes), "{value} at {at}");
    }
}

/// Flips a bit of the last unit's scores in the table's segment of that place.
fn flip(folder: &Path, place: usize) {
    let path = folder.join(key("a").id()).join(&files(folder, &key("a"), ".seg")[place]);
    let mut bytes = fs::read(&path).unwrap();
    let rows = (bytes.len() - 4096) / (4 * 6);
    bytes[4096 + 2 * 4 * rows] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn only_who_reads_a_damaged_column_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    for begin in [0, 5, 7] {
        append(&table, begin..[5, 7, 9][begin as usize / 3]).unwrap();
        table.checkpoint().unwrap();
    }
    drop((table, index));
    flip(folder.path(), 1);
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    let snapshot = table.snapshot();
    assert_eq!(snapshot.scores(0).unwrap().concat().len(), 9);
    assert!(table.contains(&id(5)));
    let error = snapshot.scores(2).unwrap_err();
    assert!(error.to_string().contains("the scores of unit 2"), "{error}");
    // The caller's way: a new snapshot, what is missing, again.
    assert!(!table.contains(&id(5)));
    check(&table, [0, 1, 2, 3, 4, 7, 8]);
    append(&table, 0..9).unwrap();
    check(&table, [0, 1, 2, 3, 4, 7, 8, 5, 6]);
    // The old one still says so.
    assert!(matches!(snapshot.scores(2), Err(IndexError::Damaged { .. })));
    assert_eq!(table.snapshot().scores(2).unwrap().concat().len(), 9);
}

#[test]
fn merging_finds_damage_and_goes_on_without() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    for row in 0..3 {
        append(&table, [row]).unwrap();
        table.checkpoint().unwrap();
    }
    drop((table, index));
    flip(folder.path(), 1);
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    for row in 3..6 {
        append(&table, [row]).unwrap();
        table.checkpoint().unwrap();
        settle(&index);
    }
    check(&table, [0, 2, 3, 4, 5]);
    assert!(files(folder.path(), &key("a"), ".seg").len() < 3);
}

#[test]
fn a_damaged_whole_does_not_take_its_parts_along() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    let home = folder.path().join(key("a").id());
    let mut parts = Vec::new();
    for row in 0..4 {
        append(&table, [row]).unwrap();
        table.checkpoint().unwrap();
        let name = format!("{0:010}-{0:010}.seg", row + 1);
        parts.extend(fs::read(home.join(&name)).map(|bytes| (name, bytes)));
    }
    settle(&index);
    drop((table, index));
    parts.iter().for_each(|(name, bytes)| fs::write(home.join(name), bytes).unwrap());
    let whole = home.join("0000000001-0000000004.seg");
    let mut bytes = fs::read(&whole).unwrap();
    // An id, which only the directory's checksum knows.
    bytes[96 + 6 * 8] ^= 1;
    fs::write(&whole, bytes).unwrap();
    let index = open(folder.path());
    check(&index.table(&key("a")).unwrap(), 0..parts.len() as u32);
}

#[test]
fn a_table_without_its_key_is_removed_and_nothing_else_is() {
    let (folder, path, _) = written();
    let own = folder.path().join("notes.txt");
    let foreign = folder.path().join("0123456789abcdef0123456789abcdef");
    fs::write(&own, "mine").unwrap();
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "mine").unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(path.with_file_name("key.json"), "{}").unwrap();
    let index = open(folder.path());
    assert!(index.list().is_empty());
    assert!(!path.exists());
    assert!(own.exists() && folder.path().join("photos").exists());
    let kept = fs::read_dir(folder.path()).unwrap().flatten();
    assert!(kept.into_iter().any(|entry| entry.path().join("thesis.tex").exists()));
    check(&index.table(&key("a")).unwrap(), []);
}

#[test]
fn rows_that_come_twice_count_once() {
    let (folder, path, _) = written();
    let (other, name) = (tempfile::tempdir().unwrap(), "0000000002-0000000002.seg");
    let index = open(other.path());
    let table = index.table(&key("a")).unwrap();
    append(&table, [9]).unwrap();
    table.checkpoint().unwrap();
    append(&table, [8, 4]).unwrap();
    table.checkpoint().unwrap();
    fs::copy(other.path().join(key("a").id()).join(name), path.with_file_name(name)).unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    check(&table, 0..5);
    assert!(!table.contains(&id(8)), "it went with its segment");
    assert!(!path.with_file_name(name).exists());
}
