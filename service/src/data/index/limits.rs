//! Every cap of the activation index, with its reason. It knows no file.

use std::time::Duration;

/// Units of a layer. The widest layers in use have some 100,000; at this many the checksums of one segment take 16 MB.
pub const UNITS: u32 = 1_000_000;

/// Rows of one table. The ids in memory take about 35 bytes each: 1.2 GB.
pub const TABLE_ROWS: u64 = 1 << 25;

/// Tables of one index. Each may hold some twenty maps, and Linux gives a process 65,530 (`vm.max_map_count`).
pub const TABLES: usize = 2048;

/// Bytes of each text of a key; digests and readings have at most some hundred.
pub const KEY_TEXT_BYTES: usize = 4096;

/// Tables that wait to be looked at by the thread that merges. One that finds no place is looked at after its next tail.
pub const QUEUE: usize = 64;

/// Bytes that are gathered before the kernel is asked to write them; below this, calls cost more than copies.
pub const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// The last use is noted on disk at most so often: eviction by the minute is exact enough, and queries should not write.
pub const NOTE_USE: Duration = Duration::from_secs(60);

/// Sizes that tests make small.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A segment of so many rows is merged no more: its columns are 256 KiB, long enough for any disk to read at full speed.
    pub sealed_rows: u64,
    /// Smaller segments at the end of a table before they are merged. Fewer would write more, more would make queries slower.
    pub tails: usize,
    /// Rows are written once they take so much memory: some 32,000 rows of 512 units, which one write
    /// flushes in well under a second.
    pub tail_bytes: u64,
    /// Rows are refused when so much is in memory and cannot be written: the disk is full.
    pub held_bytes: u64,
    /// Rows in memory are gathered up to so many, so that a query meets tens of pieces and not thousands.
    pub block_rows: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { sealed_rows: 1 << 16, tails: 8, tail_bytes: 64 << 20, held_bytes: 256 << 20, block_rows: 1024 }
    }
}
