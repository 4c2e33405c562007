//! Why an image's bytes cannot be had. It opens nothing.

/// Why an image's bytes cannot be had now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ReadError {
    #[error("`{path}` is not there any more")]
    Vanished { path: String },
    #[error("`{path}` has changed since the dataset was listed; refresh the dataset")]
    Changed { path: String },
    #[error("`{path}` leads out of the dataset's root, which is not followed")]
    Outside { path: String },
    #[error("`{path}` has {bytes} bytes, but a file is read up to {limit}")]
    TooLarge { path: String, bytes: u64, limit: u64 },
    #[error("`{path}` cannot be read: {reason}")]
    Failed { path: String, reason: String },
}

impl ReadError {
    /// The reason without the path.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Vanished { .. } => "it is not there".to_owned(),
            Self::Changed { .. } => "it changed while the dataset was listed".to_owned(),
            Self::Outside { .. } => "it leads out of the dataset's root, which is not followed".to_owned(),
            Self::TooLarge { bytes, limit, .. } => {
                format!("it has {bytes} bytes, but a file is read up to {limit}")
            }
            Self::Failed { reason, .. } => format!("it cannot be read: {reason}"),
        }
    }
}
