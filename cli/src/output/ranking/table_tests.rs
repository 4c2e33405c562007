//! A ranking as text.

use super::*;
use unitscope_proto::v1::{Band, Hit, Range, SkippedImage, UnitStatistics};

fn hit(rank: u64, score: f32, class: &str, path: &str) -> Hit {
    Hit {
        rank,
        score,
        percentile: 100.0 - rank as f64,
        class: class.into(),
        path: path.into(),
        ..Hit::default()
    }
}

fn unit(class: &str) -> UnitRanking {
    let band =
        Band { range: Some(band::Range::Percentile(Range { low: 45.0, high: 55.5 })), ..Band::default() };
    let group = |kind: Kind, band: Option<Band>, hits| HitGroup { kind: kind.into(), band, hits };
    UnitRanking {
        label: "block3:12".into(),
        statistics: Some(UnitStatistics {
            count: 90,
            max: 8.3125,
            min: -1.5,
            mean: 1.25,
            deviation: 0.5,
            share_above_zero: 0.5,
            histogram: vec![1, 0, 4],
            ..UnitStatistics::default()
        }),
        groups: vec![
            group(Kind::Top, None, vec![hit(1, 8.3125, class, "a.png"), hit(2, 8.0, class, "b\x1b.png")]),
            group(Kind::Bottom, None, vec![hit(90, -1.5, class, "z.png")]),
            group(Kind::Band, Some(band), vec![hit(45, 1.0, class, "m.png")]),
        ],
    }
}

fn lines(result: &RankResult, takes_blocks: bool) -> Vec<String> {
    let text = describe(result, takes_blocks);
    console::strip_ansi_codes(&text).lines().map(ToString::to_string).collect()
}

#[test]
fn hits_stand_from_the_largest_to_the_smallest() {
    let result = RankResult { units: vec![unit("rings")], ..RankResult::default() };
    let expected = [
        "block3:12",
        "0.00 ▄ █ 0.00",
        "90 images · 1.25 ± 0.50 · 50 % above zero",
        "GROUP      NTH  SCORE  PERCENTILE  CLASS  PATH",
        "largest    1    8.31   99.00       rings  a.png",
        "           2    8.00   98.00       rings  b�.png",
        "45:55.5 %  45   1.00   55.00       rings  m.png",
        "smallest   90   -1.50  10.00       rings  z.png",
    ];
    assert_eq!(lines(&result, true), expected);
    assert_eq!(lines(&result, false).len(), expected.len() - 1, "without bars");
}

#[test]
fn without_classes_there_is_no_column_for_them() {
    let result = RankResult { units: vec![unit("")], ..RankResult::default() };
    assert_eq!(lines(&result, false)[2], "GROUP      NTH  SCORE  PERCENTILE  PATH");
    assert_eq!(lines(&result, false)[3], "largest    1    8.31   99.00       a.png");
}

#[test]
fn many_units_get_a_line_each() {
    let mut result = RankResult { units: vec![unit("rings"); 12], ..RankResult::default() };
    assert_eq!(lines(&result, false).len(), 12 * 7 + 11);
    result.units.push(UnitRanking { label: "x".into(), ..UnitRanking::default() });
    let lines = lines(&result, true);
    assert_eq!(lines.len(), 14);
    assert_eq!(lines[0], "UNIT       LARGEST  MEAN  SMALLEST  ABOVE ZERO  HIGHEST CLASS");
    assert_eq!(lines[1], "block3:12  8.31     1.25  -1.50     50 %");
    assert_eq!(lines[13], "x          ?        ?     ?         ?");
}

#[test]
fn left_out_images_say_why() {
    let check = |skipped, listed: usize, text: Option<&str>| {
        let image = |number| SkippedImage { path: format!("{number}.jpg"), reason: "cut off".into() };
        let skipped_images = (0..listed).map(image).collect();
        let result = RankResult { skipped, skipped_images, ..RankResult::default() };
        assert_eq!(left_out(&result).as_deref(), text);
    };
    check(0, 0, None);
    check(1, 1, Some("1 image was left out: 0.jpg: cut off"));
    check(3, 3, Some("3 images were left out: 0.jpg: cut off; 1.jpg: cut off; 2.jpg: cut off"));
    check(
        1200,
        100,
        Some(
            "1,200 images were left out: 0.jpg: cut off; 1.jpg: cut off; 2.jpg: cut off; the first 100 are in ranking.json",
        ),
    );
}
