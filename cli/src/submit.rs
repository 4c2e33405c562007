//! What all commands that make jobs have in common: the id of a request, and seeing an accepted job through. Knows no spec.

use crate::connect::Services;
use crate::failure::Failure;
use crate::follow::{follow, is_ended};
use crate::json;
use crate::progress::Progress;
use unitscope_proto::v1::{Job, job};

/// How a job is waited for.
pub struct Wait {
    /// Print its name and leave.
    pub detach: bool,
    /// No progress.
    pub quiet: bool,
    /// Print messages instead of text.
    pub as_json: bool,
}

impl Wait {
    /// Gives the job when it has ended, at once where its answer was known; none where nobody waits for it.
    pub async fn see_through(&self, services: &Services, job: Job) -> Result<Option<Job>, Failure> {
        if self.detach {
            if self.as_json {
                json::print(&json::to_json("Job", &job));
            } else {
                println!("{}", job.name);
                let watch = services.command(&format!("watch {}", job.name.trim_start_matches("jobs/")));
                eprintln!("{watch} follows it and fetches what it makes");
            }
            return Ok(None);
        }
        // A ranking that is a look-up; it has no events that anybody wants to see.
        if is_ended(job.state()) && matches!(job.spec, Some(job::Spec::Rank(_))) {
            return Ok(Some(job));
        }
        let mut progress = Progress::new(&job, self.quiet);
        follow(services, &job.name, &mut progress).await.map(Some)
    }
}

/// A UUID of version 7 (RFC 9562): 48 bits of milliseconds, as a ULID has them, then random bits but for version and variant.
pub fn request_id() -> String {
    let bits = (ulid::Ulid::generate().0 & !(0xf << 76) & !(0x3 << 62)) | (0x7 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn request_ids_are_uuids_of_version_7() {
        let id = super::request_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>(), [8, 13, 18, 23]);
        assert_eq!(&id[14..15], "7");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(id, super::request_id());
    }
}
