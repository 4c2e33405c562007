//! What a store's errors mean, in a line, without what the store repeats of a request. It asks nothing.

use object_store::Error;

/// One line for people. Bodies of answers are not shown: they repeat keys and signatures; their code is.
pub(super) fn explain(error: &Error, bucket: &str) -> String {
    let full = error.to_string();
    let code =
        between(&full, "<Code>", "</Code>").filter(|code| code.chars().all(|c| c.is_ascii_alphanumeric()));
    let said = code.map_or_else(String::new, |code| format!(" (it says {code})"));
    match (code, error) {
        (Some("NoSuchBucket"), _) => format!("bucket `{bucket}` is not there{said}; is the location right?"),
        (
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            _,
        ) => {
            format!("bucket `{bucket}` is in another region{said}; set `region`")
        }
        (
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidClientTokenId"
                | "ExpiredToken"
                | "InvalidToken",
            ),
            _,
        )
        | (_, Error::Unauthenticated { .. }) => {
            format!(
                "bucket `{bucket}` refuses the keys{said}; set `access_key_id` and `secret_access_key`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        (_, Error::PermissionDenied { .. }) => {
            format!("bucket `{bucket}` may not be read with these keys, or without{said}")
        }
        (_, Error::NotFound { .. }) => format!("bucket `{bucket}` or its object is not there{said}"),
        (_, Error::InvalidPath { .. }) => {
            format!(
                "bucket `{bucket}` holds a key that is no path, with an empty part, `.` or `..`: {}",
                short(&full)
            )
        }
        _ => format!(
            "the store of bucket `{bucket}` does not answer as it should{said}: {}",
            short(&cause(error))
        ),
    }
}

/// What was wrong at the bottom: the layers above it repeat addresses and durations.
fn cause(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

/// The first line, without any body.
fn short(text: &str) -> String {
    /// More would be a body after all.
    const CHARS: usize = 200;
    let line = text.lines().next().unwrap_or_default();
    line.split('<').next().unwrap_or_default().trim_end_matches([':', ' ']).chars().take(CHARS).collect()
}
