//! When pictures and jobs end before the last step.

use super::Wrong;
use unitscope_engine::spec::{Plateau, Stop};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::stop;

/// As the proto says: a day, as long as [`crate::limits::Limits::steps`] steps of a second take.
const MOST_SECONDS: f64 = 86_400.0;

/// `most_steps` is the server's limit.
pub(super) fn stop(given: Option<&proto::Stop>, most_steps: u32, wrong: &mut Wrong) -> Stop {
    let Some(given) = given else { return Stop::default() };
    if let Some(target) = given.target.filter(|target| !target.is_finite()) {
        let reason = format!("{target} is not finite; give a score to reach, or leave the target out");
        wrong.add("stop.target", reason);
    }
    if let Some(seconds) = given.seconds.filter(|seconds| !(*seconds > 0.0 && *seconds <= MOST_SECONDS)) {
        let reason = format!(
            "{seconds} is out of range; it must be above 0 and at most {MOST_SECONDS}, a day: leave it out for no limit"
        );
        wrong.add("stop.seconds", reason);
    }
    let plateau = given.plateau.as_ref().map(|given| plateau(given, most_steps, wrong));
    Stop { plateau, target: given.target, seconds: given.seconds }
}

fn plateau(given: &stop::Plateau, most_steps: u32, wrong: &mut Wrong) -> Plateau {
    let window = given.window.unwrap_or(Plateau::DEFAULT.window);
    let tolerance = given.tolerance.unwrap_or(Plateau::DEFAULT.tolerance);
    Plateau {
        window: wrong.within("stop.plateau.window", window, 1, most_steps),
        tolerance: wrong.within("stop.plateau.tolerance", tolerance, 0.0, 1.0),
    }
}
