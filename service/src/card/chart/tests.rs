//! Holds the axis to its rules, and the chart to its frame.

use super::super::sample::unit;
use super::axis::{Axis, DATA_SHARE};
use super::*;
use proptest::prelude::*;

/// Builds an axis over 1,000 px and holds it to all of its rules.
fn check((low, high): (f64, f64), scores: &[f64], breaks: usize) -> Axis {
    let axis = Axis::new((low, high), scores, (0.0, 1000.0));
    assert_eq!(axis.breaks().len(), breaks, "{low} to {high}, {scores:?}");
    hold(&axis, (low, high), scores);
    axis
}

fn hold(axis: &Axis, (low, high): (f64, f64), scores: &[f64]) {
    let mut all: Vec<f64> =
        scores.iter().copied().chain([low, high]).filter(|score| !score.is_nan()).collect();
    all.sort_by(f64::total_cmp);
    let places: Vec<f64> = all.iter().map(|score| axis.x(*score).expect("it is a number")).collect();
    assert!(places.is_sorted(), "{all:?} lie at {places:?}");
    assert!(places.iter().all(|x| (0.0..=1000.0).contains(x)), "{all:?} lie at {places:?}");
    if high > low
        && high - low > 1e-5 * high.abs().max(low.abs())
        && high - low > 1e-280
        && high.abs().max(low.abs()) < 1e299
    {
        let share = (axis.x(high).expect("it is a number") - axis.x(low).expect("it is a number")) / 1000.0;
        assert!(share >= DATA_SHARE - 1e-6, "{low} to {high} takes {share} beside {scores:?}");
    }
    let ticks = axis.ticks(90.0);
    assert!(ticks.len() <= 40 && ticks.is_sorted(), "{ticks:?}");
}

#[test]
fn an_axis_breaks_only_where_the_data_were_squeezed() {
    check((0.0, 10.0), &[], 0);
    check((0.0, 10.0), &[18.0, -9.0], 0);
    check((0.0, 10.0), &[28.0], 0);
    check((0.0, 10.0), &[50.0], 1);
    check((0.0, 10.0), &[50.0, -4.0, 12.0, 60.0], 1);
    check((0.0, 10.0), &[-50.0, -49.0], 1);
    check((0.0, 10.0), &[50.0, -50.0], 2);
    check((0.0, 10.0), &[50.0, 14.0, -3.9, -50.0], 2);
    check((-5e-9, -4e-9), &[1.0], 1);
    check((0.0, 0.0), &[606.0], 1);
    check((0.0, 0.0), &[], 0);
    check((7.0, 7.0), &[7.0], 0);
    check((f64::NAN, 3.0), &[f64::NAN], 0);
    check((0.0, 1.0), &[f64::INFINITY, f64::NEG_INFINITY], 2);
}

#[test]
fn scores_beyond_a_break_stay_apart_and_off_it() {
    let axis = check((0.0, 10.0), &[50.0, 60.0, 70.0], 1);
    let x = |score: f64| axis.x(score).expect("it is a number");
    let gap = axis.breaks()[0];
    assert!(x(10.0) < gap && gap < x(50.0) && x(50.0) + 10.0 < x(60.0) && x(60.0) + 10.0 < x(70.0));
    assert!((x(60.0) - x(50.0) - (x(70.0) - x(60.0))).abs() < 1e-6, "linear there too");
    assert!((x(5.0) * 2.0 - x(0.0) - x(10.0)).abs() < 1e-6, "linear in the data");
    assert!(axis.ticks(90.0).iter().any(|tick| *tick > 40.0), "its scale is written there");
    assert!(axis.holds(5.0) && axis.holds(60.0) && !axis.holds(30.0));
}

#[test]
fn one_image_is_seen_beside_thousands() {
    assert!(height(1, 4000) > 1.5 && (height(1000, 4000) - height(4000, 4000) / 2.0).abs() < 1e-9);
    let chart = chart(&unit("fc:1"), 1136.0);
    assert!(chart.body.contains("square-root scale"));
    assert!(chart.body.contains(">510<"), "the highest bin's count is on the scale");
}

#[test]
fn a_chart_names_its_marks() {
    // Where there is no room, a range keeps its name alone.
    for (width, range) in [(1136.0, "largest (2 real): 11.5 to 12.3"), (358.0, "largest")] {
        let chart = chart(&unit("fc:1"), width);
        for label in ["Maximizes 41.5", "Minimizes −1.25", "Diverse 1 11.8", "mean 6.15", range] {
            assert!(chart.body.contains(&format!(">{label}<")), "{label} at {width} px: {}", chart.body);
        }
        assert!(chart.body.contains("axis broken at //"));
        for class in ["mark maximize", "mark minimize", "mark diverse", "mark real", "\"zero\""] {
            assert!(chart.body.contains(class), "{class}");
        }
    }
}

#[test]
fn words_of_marks_do_not_overlap() {
    let mut unit = unit("fc:1");
    let one = unit.optimized[0].clone();
    unit.optimized
        .extend((0..9).map(|k| super::super::Optimized { score: 41.0 + f64::from(k) / 10.0, ..one.clone() }));
    let axis = Axis::new((0.0, 12.3), &[-1.25, 41.8], (LEFT, 1136.0 - RIGHT));
    let (placed, lanes) = place(marks(&unit, &axis), (LEFT, 1136.0));
    assert!(lanes <= 8);
    let words = |placed: &Placed| {
        let side = placed.text.as_ref()?;
        let wide = text_width(&side.words);
        Some(if side.anchor == "start" { (side.x, side.x + wide) } else { (side.x - wide, side.x) })
    };
    assert!(placed.iter().filter(|one| one.text.is_some()).count() >= 10, "most have words");
    for (place, one) in placed.iter().enumerate() {
        let Some((left, right)) = words(one) else { continue };
        assert!(left >= 0.0 && right <= 1136.0, "{one:?} leaves the drawing");
        for other in placed[..place].iter().filter(|other| other.lane == one.lane) {
            assert!(
                words(other).is_none_or(|(from, to)| right <= from || to <= left),
                "{one:?} lies on {other:?}"
            );
        }
    }
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, -1e6..1e6, Just(0.0)]
}

proptest! {
    #[test]
    fn any_axis_keeps_its_rules(low in score(), high in score(), scores in prop::collection::vec(score(), 0..6)) {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        hold(&Axis::new((low, high), &scores, (0.0, 1000.0)), (low, high), &scores);
    }
}
