//! Tests of the order and the statistics, against slow and plain ways to the same answers.

use super::*;
use proptest::prelude::*;

fn ordered(scores: &[f32]) -> Ordered {
    Ordered::new(scores, |_| true)
}

fn images(ranked: &[Ranked]) -> Vec<u32> {
    ranked.iter().map(|one| one.image).collect()
}

fn check(scores: &[f32], pick: Pick, expected: &[u32]) {
    assert_eq!(images(&ordered(scores).pick(pick)), expected, "{scores:?} {pick:?}");
}

const MIXED: [f32; 7] = [0.5, -1.0, f32::NAN, 3.0, 0.5, -2.0, 0.0];

#[test]
fn the_order_is_by_score_then_by_image() {
    check(&MIXED, Pick::Top(3), &[3, 0, 4]);
    check(&MIXED, Pick::Top(99), &[3, 0, 4, 6, 1, 5]);
    check(&MIXED, Pick::Bottom(2), &[5, 1]);
    check(&[1.0; 4], Pick::Top(2), &[0, 1]);
    check(&[1.0; 4], Pick::Bottom(2), &[0, 1]);
    check(&[0.0, -0.0, 0.0], Pick::Top(3), &[0, 1, 2]);
    check(&[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN], Pick::Top(4), &[0, 2, 3, 1]);
    check(&[], Pick::Top(3), &[]);
    check(&[f32::NAN], Pick::Percentiles { low: 0.0, high: 100.0, count: 3 }, &[]);
    assert_eq!(ordered(&MIXED).not_a_number(), 1);
}

#[test]
fn bands_are_spread_evenly() {
    let scores: Vec<f32> = (0..1000_u16).map(f32::from).collect();
    let band = |low, high, count| Pick::Percentiles { low, high, count };
    check(&scores, band(45.0, 55.0, 2), &[525, 475][..]);
    check(&scores, band(0.0, 100.0, 1), &[500]);
    check(&scores, band(0.0, 0.2, 9), &[1, 0]);
    check(&scores, band(50.0, 50.0, 9), &[]);
    check(&scores, Pick::Scores { low: 10.0, high: 12.0, count: 9 }, &[12, 11, 10]);
    check(&scores, Pick::Scores { low: 10.5, high: 10.6, count: 9 }, &[]);
    check(&scores, Pick::Scores { low: -5.0, high: 999.0, count: 1 }, &[500]);
}

#[test]
fn a_filter_leaves_images_out() {
    let even = Ordered::new(&[1.0, 9.0, 3.0, 8.0, 2.0], |image| image % 2 == 0);
    assert_eq!(images(&even.pick(Pick::Top(9))), [2, 4, 0]);
    assert_eq!(even.pick(Pick::Top(1))[0].percentile, 100.0 * 2.5 / 3.0);
}

#[test]
fn statistics_are_those_of_the_numbers() {
    let scores = [1.0, 2.0, 3.0, -2.0, f32::NAN];
    let found = statistics(&ordered(&scores), |image| (image > 0).then_some(image % 2));
    assert_eq!((found.count, found.not_a_number, found.min, found.max), (4, 1, -2.0, 3.0));
    assert_eq!((found.mean, found.share_above_zero, found.dead), (1.0, 0.75, false));
    assert!((found.deviation - 3.5_f64.sqrt()).abs() < 1e-12);
    let mean = |class, mean, count| ClassMean { class, mean, count };
    assert_eq!(found.class_means, [mean(0, 3.0, 1), mean(1, 0.0, 2)]);
    let histogram = &found.histogram;
    assert_eq!((histogram.low, histogram.high, histogram.counts.len()), (-2.0, 3.0, HISTOGRAM_BINS));
    for (bin, count) in [(0, 1), (30, 1), (40, 1), (49, 1)] {
        assert_eq!(histogram.counts[bin], count, "bin {bin}");
    }
    assert_eq!(histogram.counts.iter().sum::<u64>(), 4);
}

#[test]
fn odd_scores_have_statistics_too() {
    let check = |scores: &[f32], count: u64, dead: bool, first_bin: u64| {
        let found = statistics(&ordered(scores), |_| None);
        let counted = (found.count, found.dead, found.histogram.counts[0]);
        assert_eq!(counted, (count, dead, first_bin), "{scores:?}");
        assert_eq!(found.histogram.counts.iter().sum::<u64>(), count, "{scores:?}");
        assert!(found.mean.is_finite() && found.deviation.is_finite());
    };
    check(&[], 0, true, 0);
    check(&[0.0; 5], 5, true, 5);
    check(&[4.0; 5], 5, false, 5);
    check(&[-1.0, -2.0], 2, true, 1);
    check(&[f32::INFINITY, f32::NEG_INFINITY, 1.0], 3, false, 3);
    check(&[f32::MAX, f32::MIN], 2, false, 1);
    check(&[f32::INFINITY, f32::NEG_INFINITY, 1.0, 2.0], 4, false, 2);
}

proptest! {
    /// The order is that of a plain sort, and ranks and percentiles are those of counting.
    #[test]
    fn agrees_with_counting(scores in prop::collection::vec(prop_oneof![-3.0f32..3.0, Just(0.0), Just(-0.0), Just(1.0), Just(f32::NAN)], 0..60)) {
        let ordered = ordered(&scores);
        let numbers: Vec<f32> = scores.iter().copied().filter(|score| !score.is_nan()).collect();
        let mut expected: Vec<(f32, u32)> = (0_u32..).zip(&scores).filter(|(_, score)| !score.is_nan()).map(|(image, score)| (*score, image)).collect();
        expected.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
        let top = ordered.pick(Pick::Top(u32::MAX));
        prop_assert_eq!(images(&top), expected.iter().map(|(_, image)| *image).collect::<Vec<_>>());
        let count = |test: &dyn Fn(f32) -> bool| numbers.iter().filter(|&&score| test(score)).count() as f64;
        for (place, one) in top.iter().enumerate() {
            prop_assert_eq!(one.rank, place as u64 + 1);
            let share = (count(&|score| score < one.score) + count(&|score| score == one.score) / 2.0) / numbers.len() as f64;
            prop_assert!((one.percentile - 100.0 * share).abs() < 1e-9);
        }
        for one in ordered.pick(Pick::Bottom(5)) {
            prop_assert_eq!(top.iter().find(|other| other.image == one.image), Some(&one));
        }
    }
}
