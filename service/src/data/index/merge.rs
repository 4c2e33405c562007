//! Which segments to merge, and how. It knows no thread.
//!
//! Neighbours are merged, so that rows keep their order. A segment of `sealed_rows` is left alone; smaller ones stand at the end
//! of a table, and are merged
//!
//! - all, once they have `sealed_rows` together, or once a sealed one follows them (a tail may be that large), which they join;
//! - else, where there are more than `tails`, from the first on that is no larger than all that follow it.
//!
//! So a row is written once as a tail, at most once with a sealed segment that followed it, at most once as part of what is
//! larger than the rest of its merge, and else only into a segment of at least twice the size: at most 2 + log2(`sealed_rows` /
//! rows of a tail) merges. What cannot be merged by the last rule halves from one to the next, so that at most 17 small ones stay.
//! Tails of 32,768 rows are merged once, tails of 1,000 rows three times (`tests/basics.rs`).

use super::error::IndexError;
use super::key::RowId;
use super::layout::{Kind, Shape};
use super::limits::Sizes;
use super::segment::Segment;
use super::table::Table;
use super::write::Rows;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The segments to merge next, given the rows of each; none where nothing is due.
pub fn due(rows: &[u64], sizes: &Sizes) -> Option<Range<usize>> {
    let small = |rows: &&u64| **rows < sizes.sealed_rows;
    let start = rows.iter().position(|rows| small(&rows))?;
    let end = start + rows[start..].iter().take_while(small).count();
    if end < rows.len() {
        return Some(start..end + 1);
    }
    let together = |from: usize| rows[from..end].iter().sum::<u64>();
    if together(start) >= sizes.sealed_rows {
        return Some(start..end);
    }
    let many = end - start > sizes.tails;
    let first = (start..end).find(|&place| rows[place] <= together(place + 1)).filter(|_| many)?;
    Some(first..end)
}

/// Merges what is due first; false where nothing is. Ends early when told to stop.
///
/// # Errors
/// [`IndexError::Io`], [`IndexError::Closing`]; the parts stay then.
pub fn merge_due(table: &Table, stop: &AtomicBool) -> Result<bool, IndexError> {
    let parts = {
        let state = table.state();
        let rows: Vec<u64> = state.segments.iter().map(|segment| segment.shape().rows).collect();
        let Some(range) = due(&rows, &table.house().sizes) else { return Ok(false) };
        state.segments[range].to_vec()
    };
    let written = {
        let _alive = table.alive()?;
        let stop = || stop.load(SeqCst) || table.is_deleted();
        Parts::open(&parts, &stop).and_then(|mut rows| table.write(&whole(&parts), &mut rows))
    };
    let merged = match written {
        Ok(merged) => merged,
        Err(error) => return damaged_part(table, &parts, error),
    };
    // A part that turned out to be damaged meanwhile was dropped, and its rows may have been scored again.
    let replaced = table.state().replace(&parts, merged.clone());
    let removed = if replaced { &parts[..] } else { std::slice::from_ref(&merged) };
    removed.iter().for_each(|segment| table.remove_file(segment.path()));
    Ok(true)
}

/// Drops the part that the error is about, so that the others can be merged.
fn damaged_part(table: &Table, parts: &[Arc<Segment>], error: IndexError) -> Result<bool, IndexError> {
    if let IndexError::Damaged { path, .. } = &error
        && let Some(part) = parts.iter().find(|part| part.path() == path)
    {
        table.drop_damaged(part, &error);
        return Ok(true);
    }
    Err(error)
}

fn whole(parts: &[Arc<Segment>]) -> Shape {
    let (first, last) = (parts[0].shape(), parts[parts.len() - 1].shape());
    let rows = parts.iter().map(|part| part.shape().rows).sum();
    Shape { frame: first.frame, first: first.first, last: last.last, rows }
}

/// Segments, to be written one after the other. Columns are read from the files, a piece at a time: what went through a map would
/// stay in the process's memory.
struct Parts<'a> {
    parts: Vec<(&'a Segment, File)>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Parts<'a> {
    fn open(parts: &'a [Arc<Segment>], stop: &'a dyn Fn() -> bool) -> Result<Self, IndexError> {
        let open = |segment: &'a Arc<Segment>| {
            let file = File::open(segment.path()).map_err(IndexError::io("open", segment.path()))?;
            Ok((&**segment, file))
        };
        Ok(Self { parts: parts.iter().map(open).collect::<Result<_, _>>()?, stop })
    }
}

impl Rows for Parts<'_> {
    fn ids(&self) -> Vec<&[RowId]> {
        self.parts.iter().map(|(segment, _)| segment.ids()).collect()
    }

    fn column(&mut self, kind: Kind, unit: u32, bytes: &mut Vec<u8>) -> Result<(), IndexError> {
        if (self.stop)() {
            return Err(IndexError::Closing);
        }
        for (segment, file) in &self.parts {
            let (from, shape) = (bytes.len(), segment.shape());
            bytes.resize(from + shape.column_bytes() as usize, 0);
            let read = file.read_exact_at(&mut bytes[from..], shape.column_at(kind, unit));
            read.map_err(IndexError::io("read", segment.path()))?;
            segment.compare(kind, unit, &bytes[from..])?;
        }
        Ok(())
    }
}
