//! The power goes after each change of a file in turn, and the disk is full.

use super::faults::Faults;
use super::*;
use crate::data::index::IndexError;

/// What a server does: tails, merges, a sealed segment, a table that is deleted and made again. Returns the rows that a
/// checkpoint promised to keep, and how many there were in all.
fn live(folder: &Path, faults: &Arc<Faults>, kept: &mut u32) -> Result<(), IndexError> {
    let disk = Disk { faults: Some(faults.clone()) };
    let index = Index::open_with(folder.to_owned(), NO_CAP, disk, SMALL)?;
    let table = index.table(&key("a"))?;
    let mut next = table.snapshot().len() as u32;
    for (round, rows) in [1, 1, 1, 2, 1, 12, 3, 25, 1].into_iter().enumerate() {
        append(&table, next..next + rows)?;
        next += rows;
        table.checkpoint()?;
        *kept = next;
        settle(&index);
        if round == 3 || round == 6 {
            append(&index.table(&key("b"))?, 0..3)?;
            index.table(&key("b"))?.checkpoint()?;
            index.delete(&key("b").id())?;
        }
    }
    append(&table, next..next + 3)
}

#[test]
fn after_a_crash_at_any_change_all_that_is_found_is_right() {
    let mut changes = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::crash_after(changes);
        let mut kept = 0;
        // A merge that fails is no error of whoever appends, so the result says nothing.
        let _ = live(folder.path(), &faults, &mut kept);
        let crashed = faults.crashed();
        check_found(folder.path(), kept);
        changes += 1;
        if !crashed {
            break;
        }
    }
    assert!(changes > 150, "only {changes} changes were tried");
}

/// A crash while cleaning up after a crash.
#[test]
fn after_two_crashes_too() {
    for first in (0..150).step_by(13) {
        for second in 0..12 {
            let folder = tempfile::tempdir().unwrap();
            let mut kept = 0;
            let _ = live(folder.path(), &Faults::crash_after(first), &mut kept);
            let mut more = 0;
            let _ = live(folder.path(), &Faults::crash_after(second), &mut more);
            check_found(folder.path(), kept.max(more));
        }
    }
}

fn check_found(folder: &Path, kept: u32) {
    let index = open(folder);
    let table = index.table(&key("a")).unwrap();
    let rows = read(&table.snapshot()).expect("nothing is damaged");
    assert!(ids(0..kept).iter().all(|row| table.contains(row)), "{kept} rows were promised");
    assert_eq!(rows, ids(0..rows.len() as u32), "rows are those that were appended first");
    append(&table, 0..80).unwrap();
    table.checkpoint().unwrap();
    settle(&index);
    check(&table, 0..80);
    assert_eq!(files(folder, &key("a"), ".part"), [""; 0]);
}

#[test]
fn parts_beside_their_whole_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    let table = index.table(&key("a")).unwrap();
    let home = folder.path().join(key("a").id());
    let spare = tempfile::tempdir().unwrap();
    for row in 0..4 {
        append(&table, [row]).unwrap();
        table.checkpoint().unwrap();
        if row < 3 {
            let name = files(folder.path(), &key("a"), ".seg").pop().unwrap();
            std::fs::copy(home.join(&name), spare.path().join(&name)).unwrap();
        }
    }
    settle(&index);
    assert_eq!(files(folder.path(), &key("a"), ".seg").len(), 1);
    drop((table, index));
    for entry in std::fs::read_dir(spare.path()).unwrap().flatten() {
        std::fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
    }
    let index = open(folder.path());
    check(&index.table(&key("a")).unwrap(), 0..4);
    assert_eq!(files(folder.path(), &key("a"), ".seg").len(), 1);
}

#[test]
fn a_full_disk_keeps_rows_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::<Faults>::default();
    let disk = Disk { faults: Some(faults.clone()) };
    let index = Index::open_with(folder.path().to_owned(), NO_CAP, disk, SMALL).unwrap();
    let table = index.table(&key("a")).unwrap();
    append(&table, 0..5).unwrap();
    faults.set_full(true);
    let error = table.checkpoint().unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    check(&table, 0..5);
    // More rows are taken up to a cap, and then refused.
    let taken =
        (5..200).take_while(|row| append(&table, [*row]).is_ok() || table.contains(&id(*row))).count();
    assert!((20..40).contains(&taken), "{taken} rows were taken");
    let rows = 5 + taken as u32;
    check(&table, 0..rows);
    assert_eq!(files(folder.path(), &key("a"), ".seg"), [""; 0]);
    assert_eq!(files(folder.path(), &key("a"), ".part"), [""; 0]);
    faults.set_full(false);
    append(&table, [rows]).unwrap();
    check(&table, 0..=rows);
    drop((table, index));
    // The last one came after the others were written.
    check(&open(folder.path()).table(&key("a")).unwrap(), 0..rows);
}
