//! Why the index cannot do what it is asked. It knows no gRPC.

use std::io;
use std::path::{Path, PathBuf};

/// Why the index cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum IndexError {
    #[error("cannot {doing} `{}`: {source}{}", path.display(), way_out(source))]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the index in `{}` belongs to another server that is running; stop it, or give this one another folder", folder.display())]
    Locked { folder: PathBuf },
    /// A snapshot met a damaged segment. It is gone from the table by now: take a new snapshot, and score what is missing in it.
    #[error("`{}` is damaged and was dropped: {reason}; its rows have to be scored again", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("this key of an index is refused: {reason}")]
    Key { reason: String },
    #[error("these rows are refused: {reason}")]
    Rows { reason: String },
    #[error("unit {unit} is not in index `{table}`, which has units 0 to {}", units - 1)]
    Unit { table: String, unit: u32, units: u32 },
    #[error("there is no index `{id}`; `unitscope indexes list` shows all")]
    Unknown { id: String },
    #[error("index `{id}` was deleted while it was being used; start again")]
    Deleted { id: String },
    #[error(
        "index `{table}` needs {needed} bytes beside {held} bytes of indexes in use, and the server keeps at most {cap}; delete some, or raise the server's limit"
    )]
    Full { table: String, needed: u64, held: u64, cap: u64 },
    #[error("the index is closing; nothing was changed")]
    Closing,
}

impl IndexError {
    /// For `map_err` of what is done to `path`.
    pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }
}

fn way_out(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or delete indexes (`unitscope indexes delete`)"
        }
        _ => "",
    }
}
