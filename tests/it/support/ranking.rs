//! Rankings made again in the plainest way, from all scores, and held against what the server says. It knows no network.

use super::Client;
use std::collections::BTreeMap;
use unitscope_proto::v1::band::Range;
use unitscope_proto::v1::hit_group::Kind;
use unitscope_proto::v1::{
    Band, Direction, Hit, HitGroup, RankResult, RankSpec, RankUnit, UnitRanking, UnitStatistics, rank_unit,
};

/// A question about these units; tests change it by `RankSpec { top_k: …, ..question(…) }`.
pub fn question(model: &str, dataset: &str, units: impl IntoIterator<Item = RankUnit>) -> RankSpec {
    RankSpec {
        model: model.to_owned(),
        dataset: dataset.to_owned(),
        units: units.into_iter().collect(),
        ..RankSpec::default()
    }
}

/// A channel of a layer.
pub fn unit(layer: &str, channel: u32) -> RankUnit {
    RankUnit { layer: layer.to_owned(), what: Some(rank_unit::What::Channel(channel)), ..RankUnit::default() }
}

/// A sum of channels of a layer: pairs of channel and weight.
pub fn direction(layer: &str, sum: &[(u32, f32)]) -> RankUnit {
    let (channels, weights) = sum.iter().copied().unzip();
    RankUnit {
        layer: layer.to_owned(),
        what: Some(rank_unit::What::Direction(Direction { weights, channels })),
        ..RankUnit::default()
    }
}

/// Between two percentiles.
pub fn percentiles(low: f64, high: f64, k: u32) -> Band {
    Band { range: Some(Range::Percentile(unitscope_proto::v1::Range { low, high })), k: Some(k) }
}

/// Between two scores.
pub fn scores_between(low: f64, high: f64, k: u32) -> Band {
    Band { range: Some(Range::Score(unitscope_proto::v1::Range { low, high })), k: Some(k) }
}

/// All scores of a result that was asked to return them.
#[derive(Debug)]
pub struct Scores {
    /// Id, path, class; in the order of the columns.
    pub images: Vec<[String; 3]>,
    /// A row for each unit.
    pub rows: Vec<Vec<f32>>,
}

impl Scores {
    /// Reads both files.
    pub async fn of(client: &Client, result: &RankResult) -> Self {
        let npy = client.bytes(result.scores.as_ref().expect("scores were asked for")).await;
        let csv = client.bytes(result.images_csv.as_ref().expect("scores come with their images")).await;
        let csv = String::from_utf8(csv).expect("CSV is text");
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("image,path,class"));
        let cells = |line: &str| {
            let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            cells.try_into().unwrap_or_else(|cells| panic!("not three cells: {cells:?}"))
        };
        let images: Vec<[String; 3]> = lines.map(cells).collect();
        let rows = matrix(&npy, result.units.len(), images.len());
        assert!(images.is_sorted_by(|a, b| (&a[0], &a[1]) < (&b[0], &b[1])), "not in order of id");
        Self { images, rows }
    }

    /// A unit's score of each path.
    pub fn by_path(&self, unit: usize) -> BTreeMap<&str, f32> {
        self.images.iter().map(|image| image[1].as_str()).zip(self.rows[unit].iter().copied()).collect()
    }

    /// The images that count, with a unit's scores, largest first, equal ones in order of id and path.
    fn ordered(&self, unit: usize, classes: &[String]) -> Vec<(&[String; 3], f32)> {
        let all = self.images.iter().zip(self.rows[unit].iter().copied());
        let counts = |(image, score): &(&[String; 3], f32)| {
            !score.is_nan() && (classes.is_empty() || classes.contains(&image[2]))
        };
        let mut ordered: Vec<_> = all.filter(counts).collect();
        ordered.sort_by(|(_, a), (_, b)| b.partial_cmp(a).expect("NaN is left out"));
        ordered
    }

    /// Every group and every number of every unit is what the scores say.
    pub fn check(&self, spec: &RankSpec, result: &RankResult) {
        assert_eq!(result.images, self.images.len() as u64);
        assert_eq!(result.units.len(), spec.units.len());
        for (place, unit) in result.units.iter().enumerate() {
            let ordered = self.ordered(place, &spec.classes);
            let statistics = unit.statistics.as_ref().expect("every unit has statistics");
            let takes_part =
                self.images.iter().filter(|i| spec.classes.is_empty() || spec.classes.contains(&i[2]));
            assert_eq!(
                statistics.count + statistics.not_a_number,
                takes_part.count() as u64,
                "{}",
                unit.label
            );
            check_statistics(&unit.label, statistics, &ordered);
            check_groups(unit, spec, &ordered);
        }
    }
}

/// `units` × `images`, float32.
fn matrix(npy: &[u8], units: usize, images: usize) -> Vec<Vec<f32>> {
    assert_eq!(npy[..8], *b"\x93NUMPY\x01\x00");
    let header = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let text = std::str::from_utf8(&npy[10..10 + header]).expect("the header is text");
    let shape = format!("'descr': '<f4', 'fortran_order': False, 'shape': ({units}, {images})");
    assert!(text.contains(&shape), "`{text}` does not say `{shape}`");
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let numbers: Vec<f32> = npy[10 + header..].chunks(4).map(number).collect();
    assert_eq!(numbers.len(), units * images);
    (0..units).map(|unit| numbers[unit * images..][..images].to_vec()).collect()
}

fn check_groups(unit: &UnitRanking, spec: &RankSpec, ordered: &[(&[String; 3], f32)]) {
    let (top, bottom) = (spec.top_k.unwrap_or(9) as usize, spec.bottom_k.unwrap_or(0) as usize);
    let mut groups = unit.groups.iter();
    let label = &unit.label;
    if top > 0 {
        let group = groups.next().expect("the largest come first");
        assert_eq!(group.kind(), Kind::Top, "{label}");
        check_hits(label, &group.hits, &ordered[..top.min(ordered.len())], ordered);
    }
    if bottom > 0 {
        let group = groups.next().expect("the smallest come after the largest");
        assert_eq!(group.kind(), Kind::Bottom, "{label}");
        // Stable: equal scores stay in order of id.
        let mut rising = ordered.to_vec();
        rising.sort_by(|(_, a), (_, b)| a.partial_cmp(b).expect("NaN is left out"));
        check_hits(label, &group.hits, &rising[..bottom.min(rising.len())], ordered);
    }
    for (band, group) in spec.bands.iter().zip(groups.by_ref()) {
        assert_eq!((group.kind(), group.band), (Kind::Band, Some(*band)), "{label}");
        check_band(label, band, group, ordered);
    }
    assert!(groups.next().is_none(), "{label}: more groups than were asked for");
    let wanted = usize::from(top > 0) + usize::from(bottom > 0) + spec.bands.len();
    assert_eq!(unit.groups.len(), wanted, "{label}");
}

/// Hits are within their band, as many as there can be, largest first, each once; and they are spread over it.
fn check_band(label: &str, band: &Band, group: &HitGroup, ordered: &[(&[String; 3], f32)]) {
    let count = ordered.len() as f64;
    let (low, high) = match band.range.as_ref().expect("a band has a range") {
        Range::Score(range) => {
            let place = |past: &dyn Fn(f64) -> bool| {
                ordered.iter().filter(|(_, score)| past(f64::from(*score))).count()
            };
            (place(&|score| score > range.high), place(&|score| score >= range.low))
        }
        Range::Percentile(range) => {
            let place = |percentile: f64| ordered.len() - (percentile / 100.0 * count).round() as usize;
            (place(range.high), place(range.low))
        }
    };
    let inside = &ordered[low..high.max(low)];
    let k = (band.k.unwrap_or(9) as usize).min(inside.len());
    assert_eq!(group.hits.len(), k, "{label}: {band:?} of {} images", inside.len());
    let places: Vec<usize> = group
        .hits
        .iter()
        .map(|hit| {
            check_numbers(label, hit, ordered);
            let place = inside.iter().position(|(image, _)| image[0] == hit.image && image[1] == hit.path);
            place.unwrap_or_else(|| panic!("{label}: {hit:?} is outside of {band:?}"))
        })
        .collect();
    let scores: Vec<f32> = group.hits.iter().map(|hit| hit.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{label}: {scores:?}");
    let mut sorted = places.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), k, "{label}: an image stands twice in {band:?}");
    for (nth, place) in sorted.iter().enumerate() {
        let share = (nth * inside.len() / k)..=((nth + 1) * inside.len()).div_ceil(k);
        assert!(share.contains(place), "{label}: {band:?} is not evenly covered by places {sorted:?}");
    }
}

fn check_hits(label: &str, hits: &[Hit], expected: &[(&[String; 3], f32)], ordered: &[(&[String; 3], f32)]) {
    let found: Vec<_> = hits.iter().map(|hit| (&hit.image, &hit.path, &hit.class, hit.score)).collect();
    let expected: Vec<_> =
        expected.iter().map(|([id, path, class], score)| (id, path, class, *score)).collect();
    assert_eq!(found, expected, "{label}");
    hits.iter().for_each(|hit| check_numbers(label, hit, ordered));
}

/// Rank and percentile.
fn check_numbers(label: &str, hit: &Hit, ordered: &[(&[String; 3], f32)]) {
    let is_hit = |(image, _): &(&[String; 3], f32)| image[0] == hit.image && image[1] == hit.path;
    let place = ordered.iter().position(is_hit).unwrap_or_else(|| panic!("{label}: {hit:?} takes no part"));
    assert_eq!((ordered[place].1, &ordered[place].0[2]), (hit.score, &hit.class), "{label}: {hit:?}");
    assert_eq!(hit.rank, place as u64 + 1, "{label}: {hit:?}");
    let below = ordered.iter().filter(|(_, score)| *score < hit.score).count() as f64;
    let equal = ordered.iter().filter(|(_, score)| *score == hit.score).count() as f64;
    let percentile = 100.0 * (below + equal / 2.0) / ordered.len() as f64;
    assert!((hit.percentile - percentile).abs() < 1e-9, "{label}: {hit:?} is not at {percentile}");
}

fn check_statistics(label: &str, found: &UnitStatistics, ordered: &[(&[String; 3], f32)]) {
    let scores: Vec<f64> = ordered.iter().map(|(_, score)| f64::from(*score)).collect();
    assert_eq!(found.count, scores.len() as u64, "{label}");
    let near = |what: &str, a: f64, b: f64| {
        assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{label}: {what} is {a}, not {b}");
    };
    let finite: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    let count = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let squares = finite.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
    near("mean", found.mean, mean);
    near("deviation", found.deviation, (squares / count).sqrt());
    let ends =
        |scores: &[f64]| (scores.first().copied().unwrap_or(0.0), scores.last().copied().unwrap_or(0.0));
    let (largest, smallest) = ends(&scores);
    assert_eq!((f64::from(found.max), f64::from(found.min)), (largest, smallest), "{label}");
    let above = scores.iter().filter(|score| **score > 0.0).count();
    near("share", found.share_above_zero, above as f64 / scores.len().max(1) as f64);
    assert_eq!(found.dead, above == 0, "{label}");
    let (high, low) = ends(&finite);
    let mut histogram = vec![0_u64; 50];
    for score in &scores {
        // Infinite scores count in the outermost bins.
        let share = if high > low { (score - low) / (high - low) } else { 0.0 };
        histogram[((share * 50.0) as usize).min(49)] += 1;
    }
    assert_eq!(found.histogram, histogram, "{label}");
    assert_eq!(found.histogram.iter().sum::<u64>(), found.count, "{label}");
    near("histogram_low", found.histogram_low.into(), low);
    near("histogram_high", found.histogram_high.into(), high);
    check_classes(label, found, ordered);
}

fn check_classes(label: &str, found: &UnitStatistics, ordered: &[(&[String; 3], f32)]) {
    let mut classes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let counts = |(image, score): &&(&[String; 3], f32)| !image[2].is_empty() && score.is_finite();
    for (image, score) in ordered.iter().filter(counts) {
        classes.entry(&image[2]).or_default().push(f64::from(*score));
    }
    assert_eq!(
        (found.classes as usize, found.class_means.len()),
        (classes.len(), classes.len().min(10)),
        "{label}"
    );
    for mean in &found.class_means {
        let scores = classes.get(mean.class.as_str()).unwrap_or_else(|| panic!("{label}: {mean:?}"));
        let expected = scores.iter().sum::<f64>() / scores.len() as f64;
        assert_eq!(mean.count, scores.len() as u64, "{label}: {mean:?}");
        assert!(
            (mean.mean - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
            "{label}: {mean:?}, not {expected}"
        );
    }
    assert!(found.class_means.is_sorted_by(|a, b| a.mean >= b.mean), "{label}: {:?}", found.class_means);
}

#[test]
fn the_plain_ranking_sees_what_is_wrong() {
    let image = |id: &str, class: &str| [id.to_owned(), format!("{class}/{id}"), class.to_owned()];
    let scores = Scores {
        images: vec![image("1", "a"), image("2", "b"), image("3", "a")],
        rows: vec![vec![1.0, 3.0, 1.0]],
    };
    let ordered = scores.ordered(0, &[]);
    assert_eq!(ordered.iter().map(|(image, _)| image[0].as_str()).collect::<Vec<_>>(), ["2", "1", "3"]);
    assert_eq!(scores.ordered(0, &["a".to_owned()]).len(), 2);
    let hit = |rank, percentile| Hit {
        image: "1".to_owned(),
        path: "a/1".to_owned(),
        class: "a".to_owned(),
        score: 1.0,
        rank,
        percentile,
        ..Hit::default()
    };
    check_numbers("", &hit(2, 100.0 / 3.0), &ordered);
    for (rank, percentile) in [(3, 100.0 / 3.0), (2, 50.0)] {
        let checked = std::panic::catch_unwind(|| check_numbers("", &hit(rank, percentile), &ordered));
        assert!(checked.is_err(), "{rank} {percentile}");
    }
}
