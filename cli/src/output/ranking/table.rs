//! A ranking as text: a table of hits for each unit, or a line for each. Knows no file.

use super::statistics::{histogram_line, statistics_line};
use crate::numbers::{grouped, percentile, share, short_number};
use crate::table::{Table, printable};
use std::fmt::Write;
use unitscope_proto::v1::hit_group::Kind;
use unitscope_proto::v1::{HitGroup, RankResult, UnitRanking, band};

/// Units that get a table each; of more, a reader scrolls past what is looked for.
const MAX_TABLES: usize = 12;
/// Reasons of left-out images that are printed.
const MAX_REASONS: usize = 3;

/// All units: a table each, or for many a line each.
pub fn describe(result: &RankResult, takes_blocks: bool) -> String {
    if result.units.len() > MAX_TABLES {
        return summary_table(&result.units).to_string();
    }
    let units = result.units.iter().map(|unit| describe_unit(unit, takes_blocks));
    units.collect::<Vec<_>>().join("\n")
}

fn describe_unit(unit: &UnitRanking, takes_blocks: bool) -> String {
    let mut text = format!("{}\n", console::style(printable(&unit.label)).bold());
    if let Some(statistics) = &unit.statistics {
        if let Some(histogram) = histogram_line(statistics).filter(|_| takes_blocks) {
            text.push_str(&format!("{histogram}\n"));
        }
        text.push_str(&format!("{}\n", statistics_line(statistics)));
    }
    if unit.groups.iter().any(|group| !group.hits.is_empty()) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", hits_table(unit));
    }
    text
}

/// The class has a column where any hit has one; a group is named in its first row.
fn hits_table(unit: &UnitRanking) -> Table {
    let hits = || unit.groups.iter().flat_map(|group| &group.hits);
    let has_classes = hits().any(|hit| !hit.class.is_empty());
    let mut header = vec!["GROUP", "NTH", "SCORE", "PERCENTILE", "CLASS", "PATH"];
    if !has_classes {
        header.remove(4);
    }
    let mut table = Table::new(&header);
    for group in sorted(&unit.groups) {
        for (index, hit) in group.hits.iter().enumerate() {
            let mut row = vec![
                if index == 0 { group_name(group) } else { String::new() },
                grouped(hit.rank),
                short_number(hit.score.into()),
                percentile(hit.percentile),
                printable(&hit.path),
            ];
            if has_classes {
                row.insert(4, printable(&hit.class));
            }
            table.row(row);
        }
    }
    table
}

/// The largest, the bands, the smallest: from top to bottom as the scores fall.
pub fn sorted(groups: &[HitGroup]) -> Vec<&HitGroup> {
    let place = |group: &&HitGroup| match group.kind() {
        Kind::Top => 0,
        Kind::Band | Kind::Unspecified => 1,
        Kind::Bottom => 2,
    };
    let mut sorted: Vec<&HitGroup> = groups.iter().collect();
    sorted.sort_by_key(place);
    sorted
}

/// `largest`, `smallest`, `45:55 %`, `scores -1:0.5`
pub fn group_name(group: &HitGroup) -> String {
    let range = group.band.as_ref().and_then(|band| band.range.as_ref());
    match (group.kind(), range) {
        (Kind::Top, _) => "largest".to_string(),
        (Kind::Bottom, _) => "smallest".to_string(),
        (_, Some(band::Range::Percentile(range))) => format!("{}:{} %", range.low, range.high),
        (_, Some(band::Range::Score(range))) => format!("scores {}:{}", range.low, range.high),
        (_, None) => "band".to_string(),
    }
}

/// A line for each unit.
pub fn summary_table(units: &[UnitRanking]) -> Table {
    let mut table = Table::new(&["UNIT", "LARGEST", "MEAN", "SMALLEST", "ABOVE ZERO", "HIGHEST CLASS"]);
    for unit in units {
        let statistics = unit.statistics.clone().unwrap_or_default();
        let known = |text: String| if statistics.count > 0 { text } else { "?".to_string() };
        table.row(vec![
            printable(&unit.label),
            known(short_number(statistics.max.into())),
            known(short_number(statistics.mean)),
            known(short_number(statistics.min.into())),
            if statistics.dead { "dead".to_string() } else { known(share(statistics.share_above_zero)) },
            statistics.class_means.first().map_or_else(String::new, |class| printable(&class.class)),
        ]);
    }
    table
}

/// `12 images were left out: a.jpg: truncated; b.png: …; the first 100 are in ranking.json`; none where none were.
pub fn left_out(result: &RankResult) -> Option<String> {
    let verb = match result.skipped {
        0 => return None,
        1 => "1 image was".to_string(),
        skipped => format!("{} images were", grouped(skipped)),
    };
    let reasons = result.skipped_images.iter().take(MAX_REASONS);
    let reasons: Vec<String> =
        reasons.map(|image| format!("{}: {}", printable(&image.path), printable(&image.reason))).collect();
    let more = if result.skipped > reasons.len() as u64 { "; the first 100 are in ranking.json" } else { "" };
    let colon = if reasons.is_empty() { "" } else { ": " };
    Some(format!("{verb} left out{colon}{}{more}", reasons.join("; ")))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
