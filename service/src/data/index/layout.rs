//! Where what stands in a segment file, byte by byte. It knows no file.
//!
//! All numbers are little-endian.
//!
//! | Place | Bytes | What |
//! |---|---|---|
//! | 0 | 8 | `unitseg` and a zero |
//! | 8 | 4 | version of the format, 1 |
//! | 12 | 4 | flags: 1 where there are positions |
//! | 16 | 16 | the table's id |
//! | 32 | 8 + 8 | first and last number of the appends whose rows these are |
//! | 48 | 8 | rows |
//! | 56 | 8 | units |
//! | 64 | 16 | checksum of the directory |
//! | 80 | 16 | checksum of the 80 bytes before |
//! | 96 | 8 × columns | directory: a checksum for each column |
//! | … | 16 × rows | directory: the rows' ids |
//! | next multiple of 4096 | 4 × rows × columns | the columns: each unit's scores (f32), then each unit's positions (u32) |
//!
//! Checksums are the first bytes of BLAKE3. Columns begin at multiples of four bytes, and those of 1024 n rows at a page.

use super::key::{RowId, half};
use super::limits::{TABLE_ROWS, UNITS};

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("segments are read in place: little-endian, and larger than 32 bits can address");

/// Bytes before the directory.
pub const HEADER_BYTES: usize = 96;
const MAGIC: &[u8; 8] = b"unitseg\0";
const FORMAT: u32 = 1;
const POSITIONS: u32 = 1;
/// A page on the machines this runs on, so that columns of 1024 n rows share no page.
const PAGE: u64 = 4096;
/// Bytes of a column's checksum: what chance damages goes unseen once in 2^64.
pub const SUM_BYTES: u64 = 8;

/// What all segments of a table have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub table: [u8; 16],
    pub units: u32,
    pub positions: bool,
}

/// What one number of a row and unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Scores,
    Positions,
}

impl Frame {
    pub fn columns(&self) -> u64 {
        u64::from(self.units) * if self.positions { 2 } else { 1 }
    }

    /// The columns in their order in a file.
    pub fn each_column(&self) -> impl Iterator<Item = (Kind, u32)> + use<> {
        let (units, positions) = (self.units, self.positions);
        let positions = (0..if positions { units } else { 0 }).map(|unit| (Kind::Positions, unit));
        (0..units).map(|unit| (Kind::Scores, unit)).chain(positions)
    }

    pub fn column(&self, kind: Kind, unit: u32) -> u64 {
        match kind {
            Kind::Scores => u64::from(unit),
            Kind::Positions => u64::from(self.units) + u64::from(unit),
        }
    }

    /// Bytes of so many rows in memory.
    pub fn memory_bytes(&self, rows: usize) -> u64 {
        rows as u64 * (size_of::<RowId>() as u64 + 4 * self.columns())
    }
}

/// What a segment holds. Segments of a table hold the rows of consecutive appends, and a merged one those of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub frame: Frame,
    pub first: u64,
    pub last: u64,
    pub rows: u64,
}

/// The places follow from the caps: 2^25 rows × 2·10^6 columns × 4 bytes are below 2^48, so that nothing here overflows
/// after [`Shape::check`].
impl Shape {
    fn check(&self) -> Result<(), String> {
        let Self { frame, first, last, rows } = *self;
        if frame.units == 0 || frame.units > UNITS {
            return Err(format!("it has {} units, not 1 to {UNITS}", frame.units));
        }
        if rows == 0 || rows > TABLE_ROWS {
            return Err(format!("it has {rows} rows, not 1 to {TABLE_ROWS}"));
        }
        // The next number must exist.
        if first > last || last == u64::MAX {
            return Err(format!("its appends are {first} to {last}"));
        }
        Ok(())
    }

    pub fn ids_at(&self) -> u64 {
        HEADER_BYTES as u64 + SUM_BYTES * self.frame.columns()
    }

    pub fn directory_end(&self) -> u64 {
        self.ids_at() + size_of::<RowId>() as u64 * self.rows
    }

    pub fn column_bytes(&self) -> u64 {
        4 * self.rows
    }

    pub fn data_at(&self) -> u64 {
        self.directory_end().next_multiple_of(PAGE)
    }

    pub fn column_at(&self, kind: Kind, unit: u32) -> u64 {
        self.data_at() + self.frame.column(kind, unit) * self.column_bytes()
    }

    pub fn file_bytes(&self) -> u64 {
        self.data_at() + self.frame.columns() * self.column_bytes()
    }

    /// True where `other` holds nothing that this does not.
    pub fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    pub fn file_name(&self) -> String {
        format!("{:010}-{:010}.seg", self.first, self.last)
    }

    /// The header, given the checksum of the directory.
    pub fn header(&self, directory: [u8; 16]) -> [u8; HEADER_BYTES] {
        let flags = if self.frame.positions { POSITIONS } else { 0 };
        let fields: [&[u8]; 9] = [
            MAGIC,
            &FORMAT.to_le_bytes(),
            &flags.to_le_bytes(),
            &self.frame.table,
            &self.first.to_le_bytes(),
            &self.last.to_le_bytes(),
            &self.rows.to_le_bytes(),
            &u64::from(self.frame.units).to_le_bytes(),
            &directory,
        ];
        let mut bytes = fields.concat();
        let sum = half(&blake3::hash(&bytes));
        bytes.extend_from_slice(&sum);
        bytes.try_into().expect("the fields are 80 bytes, and their checksum 16")
    }

    /// Reads a header, and the checksum of the directory. The caller compares [`Shape::file_bytes`] with the file's length.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<(Self, [u8; 16]), String> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or_else(|| format!("{} bytes hold no header", bytes.len()))?;
        if bytes[..8] != *MAGIC {
            return Err("it does not begin like a segment".to_owned());
        }
        let format = number(&bytes[8..12]);
        if format != u64::from(FORMAT) {
            return Err(format!("its format is {format}, and this server reads {FORMAT}"));
        }
        if bytes[80..] != half(&blake3::hash(&bytes[..80])) {
            return Err("its header differs from its checksum".to_owned());
        }
        let flags = number(&bytes[12..16]);
        let units = number(&bytes[56..64]);
        let frame = Frame {
            table: array(&bytes[16..32]),
            units: u32::try_from(units).map_err(|_| format!("it has {units} units"))?,
            positions: flags == u64::from(POSITIONS),
        };
        if flags > u64::from(POSITIONS) {
            return Err(format!("its flags are {flags:#x}, and this server knows {POSITIONS}"));
        }
        let (first, last) = (number(&bytes[32..40]), number(&bytes[40..48]));
        let shape = Self { frame, first, last, rows: number(&bytes[48..56]) };
        shape.check()?;
        Ok((shape, array(&bytes[64..80])))
    }
}

/// The checksum of a column.
pub fn sum(column: &[u8]) -> u64 {
    number(&blake3::hash(column).as_bytes()[..SUM_BYTES as usize])
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn array(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().expect("callers pass 16 bytes")
}
