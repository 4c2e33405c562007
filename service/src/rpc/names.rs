//! Resource names, `jobs/ULID` and `jobs/ULID/artifacts/FILE`, and page tokens.

use crate::limits::NAME_BYTES;
use ulid::Ulid;

/// `jobs/ULID`.
#[must_use]
pub fn job(id: Ulid) -> String {
    format!("jobs/{id}")
}

/// `jobs/ULID/artifacts/FILE`.
#[must_use]
pub fn artifact(id: Ulid, file: &str) -> String {
    format!("jobs/{id}/artifacts/{file}")
}

/// Reads `jobs/ULID`; `None` where no job can have this name.
#[must_use]
pub fn parse_job(name: &str) -> Option<Ulid> {
    let id = name.strip_prefix("jobs/")?;
    let ulid = Ulid::from_string(id).ok()?;
    // One job, one name: the lenient spellings of Crockford's base 32 are others.
    (ulid.to_string() == id).then_some(ulid)
}

/// Reads `jobs/ULID/artifacts/FILE`.
#[must_use]
pub fn parse_artifact(name: &str) -> Option<(Ulid, &str)> {
    let (job, file) = name.split_once("/artifacts/")?;
    Some((parse_job(job)?, file)).filter(|(_, file)| file.len() <= NAME_BYTES)
}

/// What continues a list after this job.
#[must_use]
pub fn page_token(last: Ulid) -> String {
    format!("before-{last}")
}

/// Reads a page token.
#[must_use]
pub fn parse_page_token(token: &str) -> Option<Ulid> {
    Ulid::from_string(token.strip_prefix("before-")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let id = Ulid(12345);
        assert_eq!(parse_job(&job(id)), Some(id));
        assert_eq!(parse_artifact(&artifact(id, "0.png")), Some((id, "0.png")));
        assert_eq!(parse_page_token(&page_token(id)), Some(id));
    }

    #[test]
    fn other_names_are_no_names() {
        for name in ["", "jobs/", "jobs/1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "jobs/01arz3ndektsv4rrffq69g5fav"] {
            assert_eq!(parse_job(name), None, "{name}");
        }
        assert_eq!(parse_artifact("jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/0.png"), None);
        assert_eq!(parse_page_token("01ARZ3NDEKTSV4RRFFQ69G5FAV"), None);
    }
}
