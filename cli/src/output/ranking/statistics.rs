//! A unit's scores in words and as a small histogram. Knows no terminal but its character set.

use crate::numbers::{counted, grouped, share, short_number};
use crate::table::printable;
use unitscope_proto::v1::UnitStatistics;

/// Eighths of a character's height.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Classes that one line names.
const MAX_CLASSES: usize = 3;

/// `2,000 images · 1.32 ± 0.84 · 63 % above zero · highest classes rings 3.10, dots 2.21`
pub fn statistics_line(statistics: &UnitStatistics) -> String {
    let mut parts = vec![counted(statistics.count, "image")];
    if statistics.count > 0 {
        parts.push(format!("{} ± {}", short_number(statistics.mean), short_number(statistics.deviation)));
        match statistics.dead {
            true => parts.push("dead: none above zero".to_string()),
            false => parts.push(format!("{} above zero", share(statistics.share_above_zero))),
        }
    }
    if statistics.not_a_number > 0 {
        parts.push(format!("{} scored NaN", grouped(statistics.not_a_number)));
    }
    if let classes @ [_, ..] = &statistics.class_means[..] {
        let shown = classes.iter().take(MAX_CLASSES);
        let shown: Vec<String> =
            shown.map(|class| format!("{} {}", printable(&class.class), short_number(class.mean))).collect();
        let noun = if shown.len() == 1 { "highest class" } else { "highest classes" };
        parts.push(format!("{noun} {}", shown.join(", ")));
    }
    parts.join(" · ")
}

/// `-0.50 ▂▁ ▃█▁ 8.31`: a bar for each bin between the ends; none without scores.
pub fn histogram_line(statistics: &UnitStatistics) -> Option<String> {
    let bars = sparkline(&statistics.histogram)?;
    let (low, high) = (statistics.histogram_low, statistics.histogram_high);
    Some(format!("{} {bars} {}", short_number(low.into()), short_number(high.into())))
}

/// Heights go as the square roots of counts: of most units most images score near 0, and the few that matter would not be seen.
/// A bin that is not empty has a bar.
fn sparkline(counts: &[u64]) -> Option<String> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)? as f64;
    let bar = |count: &u64| match *count {
        0 => ' ',
        count => BLOCKS[((count as f64 / most).sqrt() * 8.0).ceil().clamp(1.0, 8.0) as usize - 1],
    };
    Some(counts.iter().map(bar).collect())
}

/// Whether the terminal shows block characters, by the variables of its environment: unless another character set is named, UTF-8
/// is expected.
pub fn takes_blocks(variable: impl Fn(&str) -> Option<String>) -> bool {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    if given("TERM").is_some_and(|term| term == "dumb") {
        return false;
    }
    // The first that is set counts (POSIX, "Internationalization Variables").
    match given("LC_ALL").or_else(|| given("LC_CTYPE")).or_else(|| given("LANG")) {
        None => true,
        Some(locale) => {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::ClassMean;

    #[test]
    fn statistics_are_one_line() {
        let class = |class: &str, mean| ClassMean { class: class.into(), mean, count: 5 };
        let mut statistics = UnitStatistics {
            count: 2000,
            mean: 1.3219,
            deviation: 0.84,
            share_above_zero: 0.63,
            class_means: vec![class("rings", 3.1)],
            ..UnitStatistics::default()
        };
        let check = |statistics: &UnitStatistics, text: &str| assert_eq!(statistics_line(statistics), text);
        check(&statistics, "2,000 images · 1.32 ± 0.84 · 63 % above zero · highest class rings 3.10");
        statistics.class_means.extend([class("dots", 2.2), class("a\x1bb", 2.0), class("last", 1.0)]);
        statistics.not_a_number = 2;
        check(
            &statistics,
            "2,000 images · 1.32 ± 0.84 · 63 % above zero · 2 scored NaN · highest classes rings 3.10, dots 2.20, a�b 2.00",
        );
        let dead = UnitStatistics { count: 1, dead: true, ..UnitStatistics::default() };
        check(&dead, "1 image · 0.00 ± 0.00 · dead: none above zero");
        check(&UnitStatistics::default(), "0 images");
    }

    #[test]
    fn bars_are_as_high_as_the_roots_of_counts() {
        let check = |counts: &[u64], text: Option<&str>| assert_eq!(sparkline(counts).as_deref(), text);
        check(&[64, 0, 16, 1], Some("█ ▄▁"));
        check(&[1_000_000, 1], Some("█▁"));
        check(&[0, 0], None);
        check(&[], None);
        let statistics = UnitStatistics {
            histogram: vec![0, 4],
            histogram_low: -0.5,
            histogram_high: 8.25,
            ..UnitStatistics::default()
        };
        assert_eq!(histogram_line(&statistics).as_deref(), Some("-0.50  █ 8.25"));
    }

    #[test]
    fn bars_are_for_terminals_that_have_them() {
        let check = |variables: &[(&str, &str)], expected| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            };
            assert_eq!(takes_blocks(variable), expected, "{variables:?}");
        };
        check(&[], true);
        check(&[("LANG", "en_GB.UTF-8")], true);
        check(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LANG", "C"), ("LC_ALL", ""), ("LC_CTYPE", "C.utf8")], true);
        check(&[("LANG", "de_DE.ISO-8859-1")], false);
        check(&[("TERM", "dumb"), ("LANG", "C.UTF-8")], false);
    }
}
