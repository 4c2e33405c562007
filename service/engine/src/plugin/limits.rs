//! Every cap on what a plugin may declare or return, with its reason.

/// A plugin larger than this is not a plugin; reading it whole for its digest would only fill memory.
pub const LIBRARY_BYTES: u64 = 256 << 20;
/// Text of the ELF note: an id, a version and the ids of [`TERMS`] terms.
pub const NOTE_BYTES: usize = 64 << 10;
/// Terms of one library: far more than a person would look through.
pub const TERMS: u64 = 256;
/// Parameters of one term.
pub const PARAMS: u64 = 64;
/// Choices of one enumeration.
pub const CHOICES: u64 = 256;
/// Ids, names, versions and units: they stand in messages and tables.
pub const NAME_BYTES: u64 = 128;
/// Titles and docs: a screen of text.
pub const DOC_BYTES: u64 = 16 << 10;
/// Taps of one term: a style or caricature term reads about ten layers; the header says 16.
pub const TAPS: u64 = 16;
/// A layer's path; PyTorch's deepest module paths have about 100 characters.
pub const PATH_BYTES: u64 = 1 << 10;
/// A plugin's error message: a paragraph, so that it fits a gRPC trailer beside others.
pub const ERROR_BYTES: usize = 2 << 10;
/// A string parameter in a request.
pub const STRING_BYTES: usize = 64 << 10;
/// Elements of a list parameter: a direction in the widest common layers has 4,096.
pub const LIST_ELEMENTS: usize = 64 << 10;
/// Guard elements on each side of a buffer that a plugin writes: the usual overrun is a row or a few elements.
pub const GUARD_ELEMENTS: usize = 1 << 10;
