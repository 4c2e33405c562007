//! How pictures ended, in plain words.

use unitscope_proto::v1::optimized_image::Outcome;

/// Such as `target reached`.
pub fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Dead => "dead",
        Outcome::Stopped => "stopped",
        Outcome::Plateau => "plateau",
        Outcome::TargetReached => "target reached",
        Outcome::OutOfTime => "out of time",
        Outcome::Eliminated => "eliminated",
        Outcome::Unspecified => "unknown",
    }
}
