//! Why a file gives no picture: the value, the rule, the way out; knows no paths.

use crate::rank::limits;
use thiserror::Error;

/// What is wrong with an image file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It has no bytes.
    #[error("the file is empty; copy it again")]
    Empty,
    /// It is larger than [`limits::IMAGE_FILE_BYTES`].
    #[error("the file has {0} bytes; at most {most} are read: shrink it", most = limits::IMAGE_FILE_BYTES)]
    FileBytes(usize),
    /// It is of a known format that is not read.
    #[error("the file is {0}; JPEG, PNG, WebP, BMP and GIF are read: convert it to one of them")]
    Refused(&'static str),
    /// Its first bytes are those of no known format.
    #[error(
        "the file does not begin like an image; JPEG, PNG, WebP, BMP and GIF are read: convert it to one of them"
    )]
    Unknown,
    /// Its header promises more than [`limits::IMAGE_PIXELS`].
    #[error("the image has {width} × {height} pixels; at most {most} are read: shrink it", most = limits::IMAGE_PIXELS)]
    Pixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// It ends before its picture does.
    #[error("the {0} ends before its picture is complete; copy it again from where it came")]
    Truncated(&'static str),
    /// Its decoder says no.
    #[error("the {name} cannot be decoded: {reason}; check the file, or convert it to PNG")]
    Broken {
        /// The format.
        name: &'static str,
        /// The decoder's words, one line.
        reason: String,
    },
    /// The resizer says no.
    #[error("the picture cannot be resized: {0}; check the model's input size")]
    Resize(String),
}

impl DecodeError {
    /// A decoder's words, cut to one short line.
    pub(super) fn broken(name: &'static str, reason: impl ToString) -> Self {
        let words = reason.to_string();
        let plain = words.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        let line: String = plain.take(limits::REASON_CHARS).collect();
        Self::Broken { name, reason: line.trim().trim_end_matches('.').to_owned() }
    }
}
