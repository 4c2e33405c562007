//! What all tests of the index share: rows whose scores follow from their ids, and a check that a table is right.

mod basics;
mod crash;
mod damage;
pub mod faults;
mod model;
mod room;

use super::disk::Disk;
use super::limits::Sizes;
use super::{Index, RowId, Snapshot, Table, TableKey};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

const UNITS: u32 = 3;
const NO_CAP: u64 = u64::MAX;

/// Small enough that a few rows are written, merged and sealed.
const SMALL: Sizes =
    Sizes { sealed_rows: 16, tails: 3, tail_bytes: 10 * 40, held_bytes: 30 * 40, block_rows: 4 };

fn key(layer: &str) -> TableKey {
    TableKey {
        model: "tiny".to_owned(),
        model_digest: "00".to_owned(),
        layer: layer.to_owned(),
        reading: "max".to_owned(),
        preprocessing: "centre crop".to_owned(),
        precision: "float32".to_owned(),
        device_kind: "cpu".to_owned(),
        pass_shape: [32, 3, 8, 8],
        numerics: 1,
        units: UNITS,
        positions: true,
    }
}

fn open(folder: &Path) -> Index {
    Index::open_with(folder.to_owned(), NO_CAP, Disk::default(), SMALL).unwrap()
}

fn id(row: u32) -> RowId {
    *blake3::hash(&row.to_le_bytes()).as_bytes().first_chunk().unwrap()
}

/// Any bits, among them those of infinities and of all kinds of NaN.
fn bits(row: &RowId, unit: u32) -> u32 {
    let hash = blake3::keyed_hash(&[7; 32], &[&row[..], &unit.to_le_bytes()].concat());
    let bits = u32::from_le_bytes(*hash.as_bytes().first_chunk().unwrap());
    if bits.is_multiple_of(5) { bits | 0x7f80_0000 } else { bits }
}

fn position(row: &RowId, unit: u32) -> u32 {
    bits(row, unit + UNITS)
}

fn matrix(rows: &[RowId], value: fn(&RowId, u32) -> u32) -> Vec<u32> {
    rows.iter().flat_map(|row| (0..UNITS).map(move |unit| value(row, unit))).collect()
}

fn ids(rows: impl IntoIterator<Item = u32>) -> Vec<RowId> {
    rows.into_iter().map(id).collect()
}

fn append(table: &Arc<Table>, rows: impl IntoIterator<Item = u32>) -> Result<(), super::IndexError> {
    let rows = ids(rows);
    let scores: Vec<f32> = matrix(&rows, bits).into_iter().map(f32::from_bits).collect();
    table.append(&rows, &scores, Some(&matrix(&rows, position)))
}

/// Reads everything, and checks that it is right: scores and positions are those of the rows, and no row comes twice.
/// Returns the rows; none where a read failed because of damage.
fn read(snapshot: &Snapshot) -> Option<Vec<RowId>> {
    let rows: Vec<RowId> = snapshot.row_ids().copied().collect();
    assert_eq!(rows.len(), snapshot.len());
    assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len(), "a row comes twice");
    for unit in 0..UNITS {
        let scores = snapshot.scores(unit).ok()?.concat();
        let expected: Vec<u32> = rows.iter().map(|row| bits(row, unit)).collect();
        assert_eq!(scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>(), expected);
        for (ordinal, row) in rows.iter().enumerate() {
            assert_eq!(snapshot.position(unit, ordinal).ok()?, Some(position(row, unit)));
        }
    }
    Some(rows)
}

/// Checks that a table holds exactly these rows, in this order.
fn check(table: &Arc<Table>, rows: impl IntoIterator<Item = u32>) {
    let expected = ids(rows);
    assert_eq!(read(&table.snapshot()), Some(expected.clone()));
    assert!(expected.iter().all(|row| table.contains(row)));
}

/// The names in a table's folder that end so, in order.
fn files(folder: &Path, key: &TableKey, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join(key.id())).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
    names.sort();
    names
}

fn settle(index: &Index) {
    index.house.merges.settle();
}
