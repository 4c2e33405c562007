//! Several starts of each unit, of which the best is kept, from `--starts` and `--eliminate`. Knows no term.

use super::args::WantedArgs;
use crate::failure::Failure;
use unitscope_proto::v1::Elimination;

/// As the API says.
const DEFAULT_STEPS: u32 = 512;

/// How many pictures are made of each unit.
pub fn pictures_each(args: &WantedArgs) -> u32 {
    args.starts.unwrap_or(args.copies)
}

/// The starts, and after which steps the worse half of them goes.
pub fn elimination(args: &WantedArgs) -> Result<Option<Elimination>, Failure> {
    let Some(starts) = args.starts else { return Ok(None) };
    if args.copies > 1 {
        return Err(Failure::Usage(format!(
            "--starts {starts} keeps the best of {starts} pictures of a unit, --copies {} keeps all: give one of the two",
            args.copies
        )));
    }
    if args.diversity.is_some() {
        return Err(Failure::Usage(
            "--diversity pushes the pictures of a unit apart, and --starts keeps one of them: give --copies instead of \
             --starts to keep them all"
                .into(),
        ));
    }
    let steps = if args.eliminate.is_empty() {
        even_steps(starts, args.steps.unwrap_or(DEFAULT_STEPS))?
    } else {
        args.eliminate.clone()
    };
    Ok(Some(Elimination { starts, steps }))
}

/// So many steps that one start is left, evenly within the first half of all: what comes later has more to gain from steps than from starts.
fn even_steps(starts: u32, steps: u32) -> Result<Vec<u32>, Failure> {
    // The smaller half goes, so that ceil(log2(starts)) times leave one.
    let count = starts.next_power_of_two().trailing_zeros();
    if steps <= count {
        return Err(Failure::Usage(format!(
            "--starts {starts} needs {count} steps before the last, to leave one of them, and there are {} in --steps {steps}: \
             make more steps",
            steps.saturating_sub(1)
        )));
    }
    let even = |place: u32| u64::from(steps) * u64::from(place) / (2 * (u64::from(count) + 1));
    Ok((1..=count).map(|place| u32::try_from(even(place)).unwrap_or(steps).max(place)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(starts: u32, steps: u32, expected: &[u32]) {
        assert_eq!(even_steps(starts, steps).unwrap(), expected, "{starts} of {steps}");
    }

    #[test]
    fn eliminations_leave_one_within_the_first_half() {
        check(8, 512, &[64, 128, 192]);
        check(4, 512, &[85, 170]);
        check(2, 512, &[128]);
        check(5, 512, &[64, 128, 192]);
        check(9, 500, &[50, 100, 150, 200]);
        check(2, u32::MAX, &[u32::MAX / 4]);
    }

    #[test]
    fn a_few_steps_still_rise() {
        check(8, 4, &[1, 2, 3]);
        check(8, 10, &[1, 2, 3]);
        check(2, 2, &[1]);
        for (starts, steps) in [(2, 1), (8, 3), (1024, 10), (2, 0)] {
            let error = even_steps(starts, steps).unwrap_err().to_string();
            assert!(error.contains("make more steps"), "{error}");
        }
    }
}
