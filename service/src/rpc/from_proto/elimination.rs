//! Several starts of each picture, of which the worse go early.

use super::Wrong;
use unitscope_engine::spec::Elimination;
use unitscope_proto::v1 as proto;

/// `images` and `steps` are the spec's.
pub(super) fn elimination(
    given: Option<&proto::Elimination>,
    images: u32,
    steps: u32,
    wrong: &mut Wrong,
) -> Option<Elimination> {
    let given = given?;
    let starts = given.starts;
    if starts < 2 {
        let reason = format!(
            "{starts} is too few: of at least 2 starts one is kept; give 2 or more, or leave the elimination out"
        );
        wrong.add("elimination.starts", reason);
    } else if !images.is_multiple_of(starts) {
        let next = u64::from(images.div_ceil(starts)) * u64::from(starts);
        let reason = format!(
            "{images} images are no multiple of {starts} starts, as each family has all of its starts; ask for {next} images"
        );
        wrong.add("elimination.starts", reason);
    }
    if given.steps.is_empty() {
        let reason = "there are none; give at least one step after which the worse half goes, such as 64";
        wrong.add("elimination.steps", reason);
    } else if steps < 2 {
        let reason =
            "a job of 1 step has none before its last; make more steps, or leave the elimination out";
        wrong.add("elimination.steps", reason);
    } else {
        wrong.rising("elimination.steps", &given.steps, 1, steps - 1);
    }
    Some(Elimination { starts, steps: given.steps.clone() })
}
