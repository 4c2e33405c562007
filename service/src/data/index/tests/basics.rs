//! Rows go in, come out, and stay.

use super::*;
use crate::data::index::IndexError;
use crate::data::index::merge::due;
use std::fs;

#[test]
fn rows_survive_a_restart_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    for begin in 0..20 {
        append(&table, begin * 3..begin * 3 + 3).unwrap();
        check(&table, 0..begin * 3 + 3);
    }
    table.checkpoint().unwrap();
    drop((table, index));
    let index = open(folder.path());
    check(&index.table(&key("a")).unwrap(), 0..60);
    assert_eq!(index.list()[0].rows, 60);
}

#[test]
fn rows_that_are_there_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    append(&table, [1, 2, 1]).unwrap();
    append(&table, [2, 3]).unwrap();
    check(&table, [1, 2, 3]);
    table.checkpoint().unwrap();
    let version = table.snapshot().version();
    append(&table, [3, 1]).unwrap();
    assert_eq!(table.snapshot().version(), version);
    append(&table, [4, 3]).unwrap();
    assert_ne!(table.snapshot().version(), version);
    check(&table, [1, 2, 3, 4]);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    append(&table, 0..7).unwrap();
    table.checkpoint().unwrap();
    append(&table, 7..9).unwrap();
    let snapshot = table.snapshot();
    for begin in 3..20 {
        append(&table, begin * 3..begin * 3 + 3).unwrap();
        table.checkpoint().unwrap();
        assert_eq!(read(&snapshot), Some(ids(0..9)));
    }
    settle(&index);
    index.delete(&key("a").id()).unwrap();
    assert_eq!(read(&snapshot), Some(ids(0..9)));
    assert!(matches!(append(&table, [99]), Err(IndexError::Deleted { .. })));
    assert!(matches!(index.delete(&key("a").id()), Err(IndexError::Unknown { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the lock is left");
    check(&index.table(&key("a")).unwrap(), []);
}

#[test]
fn merging_keeps_rows_order_and_version() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    for row in 0..64 {
        append(&table, [row]).unwrap();
        let version = table.snapshot().version();
        table.checkpoint().unwrap();
        settle(&index);
        assert_eq!(table.snapshot().version(), version);
        check(&table, 0..=row);
    }
    // Four sealed ones, which in one write would be the same bytes.
    let merged = files(folder.path(), &key("a"), ".seg");
    assert_eq!(merged.len(), 4, "{merged:?}");
    let alone = tempfile::tempdir().unwrap();
    let other = open(alone.path());
    let table = other.table(&key("a")).unwrap();
    append(&table, 0..16).unwrap();
    table.checkpoint().unwrap();
    let bytes =
        |folder: &Path, name: &str| fs::read(folder.join(key("a").id()).join(name)).unwrap()[96..].to_vec();
    assert_eq!(
        bytes(folder.path(), &merged[0]),
        bytes(alone.path(), &files(alone.path(), &key("a"), ".seg")[0])
    );
}

#[test]
fn what_is_due_follows_the_rules() {
    let check = |rows: &[u64], expected: Option<std::ops::Range<usize>>| {
        assert_eq!(due(rows, &SMALL), expected, "{rows:?}");
    };
    check(&[], None);
    check(&[1, 1, 1], None);
    check(&[1, 1, 1, 1], Some(0..4));
    check(&[16, 20, 1, 1, 1, 1], Some(2..6));
    check(&[9, 1, 1, 1], Some(1..4));
    check(&[8, 4, 2, 1], None);
    check(&[10, 6], Some(0..2));
    check(&[16, 3, 16], Some(1..3));
    check(&[3, 2, 40, 1], Some(0..3));
}

/// The bound that `merge` states, on tails of any sizes.
#[test]
fn rows_are_written_a_few_times() {
    let sizes = Sizes::default();
    let cases = [
        (vec![1; 140_000], 12.0),
        (vec![1000; 656], 4.0),
        (vec![32_768; 64], 1.5),
        ([1, 900, 3, 40_000, 2, 70_000, 5].repeat(40), 1.5),
    ];
    for (tails, most) in cases {
        let (mut segments, mut written) = (Vec::new(), 0);
        for &tail in &tails {
            segments.push(tail);
            while let Some(range) = due(&segments, &sizes) {
                let merged = segments[range.clone()].iter().sum();
                written += merged;
                segments.splice(range, [merged]);
            }
            let small = segments.iter().filter(|rows| **rows < sizes.sealed_rows).count();
            assert!(small <= 17, "{small} small segments");
        }
        let times = written as f64 / tails.iter().sum::<u64>() as f64;
        assert!(times < most, "each row was merged {times} times");
    }
}

#[test]
fn readers_and_writers_at_once_see_whole_tables() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let table = &table;
            scope.spawn(move || {
                for row in 0..200 {
                    append(table, [row * 2 + writer, row * 2]).unwrap();
                }
            });
        }
        for _ in 0..100 {
            read(&table.snapshot()).expect("nothing is damaged");
        }
    });
    table.checkpoint().unwrap();
    settle(&index);
    let mut rows = read(&table.snapshot()).unwrap();
    let mut expected = ids(0..400);
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    assert!(index.list()[0].segments < 40);
}

#[test]
fn nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let check_key = |key: TableKey, word: &str| {
        let Err(error) = index.table(&key) else { panic!("a table was made") };
        assert!(error.to_string().contains(word), "{error}");
    };
    check_key(TableKey { units: 0, ..key("a") }, "0 units");
    check_key(TableKey { units: 1_000_001, ..key("a") }, "1000001 units");
    check_key(TableKey { layer: "a".repeat(5000), ..key("a") }, "5000 bytes");
    let table = index.table(&key("a")).unwrap();
    let check_rows = |scores: usize, positions: Option<usize>, word: &str| {
        let positions = positions.map(|length| vec![0; length]);
        let error = table.append(&ids([1]), &vec![0.0; scores], positions.as_deref()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    };
    check_rows(2, Some(3), "2 scores of 1 rows and 3 units");
    check_rows(3, Some(2), "2 positions");
    check_rows(3, None, "0 positions");
    check(&table, []);
    assert!(matches!(table.snapshot().scores(3), Err(IndexError::Unit { .. })));
    assert!(matches!(table.snapshot().position(3, 0), Err(IndexError::Unit { .. })));
    assert!(matches!(index.delete("../x"), Err(IndexError::Unknown { .. })));
}

#[test]
fn tables_without_positions_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let key = TableKey { positions: false, ..key("a") };
    let table = index.table(&key).unwrap();
    table.append(&ids([1]), &[1.0, 2.0, 3.0], None).unwrap();
    table.checkpoint().unwrap();
    assert_eq!(table.snapshot().position(0, 0).unwrap(), None);
    assert_eq!(table.snapshot().scores(2).unwrap().concat(), [3.0]);
    assert!(table.append(&ids([2]), &[1.0, 2.0, 3.0], Some(&[0; 3])).is_err());
}

/// Everything but the model's name decides which table it is.
#[test]
fn keys_differ_in_each_part() {
    let keys = [
        key("a"),
        TableKey { model_digest: "01".into(), ..key("a") },
        key("b"),
        TableKey { reading: "mean".into(), ..key("a") },
        TableKey { reading: "".into(), layer: "amax".into(), ..key("a") },
        TableKey { preprocessing: "".into(), ..key("a") },
        TableKey { precision: "bfloat16".into(), ..key("a") },
        TableKey { device_kind: "cuda".into(), ..key("a") },
        TableKey { pass_shape: [32, 3, 8, 9], ..key("a") },
        TableKey { numerics: 2, ..key("a") },
        TableKey { units: 4, ..key("a") },
        TableKey { positions: false, ..key("a") },
    ];
    let ids: HashSet<String> = keys.iter().map(TableKey::id).collect();
    assert_eq!(ids.len(), keys.len());
    assert_eq!(TableKey { model: "other".into(), ..key("a") }.id(), key("a").id());
    // Changing how ids are made orphans every index.
    assert_eq!(key("a").id(), "5020eb5078eef6254086ffcc749a93fc");
}

#[test]
fn deletion_may_come_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for row in 0..150 {
                let table = index.table(&key("a")).unwrap();
                for result in [append(&table, [row, row + 1]), table.checkpoint()] {
                    assert!(matches!(result, Ok(()) | Err(IndexError::Deleted { .. })), "{result:?}");
                }
                read(&table.snapshot()).expect("nothing is damaged");
            }
        });
        while !writer.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let result = index.delete(&key("a").id());
            assert!(matches!(result, Ok(()) | Err(IndexError::Unknown { .. })), "{result:?}");
        }
    });
    let table = index.table(&key("a")).unwrap();
    append(&table, 0..40).unwrap();
    table.checkpoint().unwrap();
    settle(&index);
    drop((table, index));
    let index = open(folder.path());
    let rows = read(&index.table(&key("a")).unwrap().snapshot()).unwrap();
    assert!(ids(0..40).iter().all(|row| rows.contains(row)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the lock and the table");
}

#[test]
fn rows_that_come_one_by_one_make_few_slices() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path().to_owned(), NO_CAP).unwrap();
    let table = index.table(&key("a")).unwrap();
    (0..3000).for_each(|row| append(&table, [row]).unwrap());
    let slices = table.snapshot().scores(0).unwrap().len();
    assert!(slices < 16, "{slices} slices");
    check(&table, 0..3000);
}
