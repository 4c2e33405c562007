//! The chart of one unit as SVG: the dataset's histogram, and where real and optimized images lie on the same axis. It knows no page.

mod axis;
mod marks;
#[cfg(test)]
mod tests;

use super::UnitCard;
use super::view::escape;
use super::words::{count, round};
use axis::{Axis, spread};
use marks::{Mark, Placed, Side, TEXT_PX, marks, place, text_width};
use std::fmt::Write;

/// Height of the histogram, px.
const PLOT: f64 = 120.0;

/// Left of the histogram: room for counts.
const LEFT: f64 = 46.0;

/// Right of it: room for half a label.
const RIGHT: f64 = 22.0;

/// Below it: labels of the axis and its title.
const BELOW: f64 = 44.0;

/// Above it: room for the title of the counts.
const ABOVE: f64 = 30.0;

/// Height of a row of marks, px.
const LANE: f64 = 19.0;

/// SVG elements in a box of their own, styled by classes: `bar`, `line`, `zero`, `mean`, `grid`, `real`, `maximize`, `minimize`,
/// `diverse`, and text by `text`, `strong`.
pub(super) struct Chart {
    /// The elements.
    pub(super) body: String,
    /// Px.
    pub(super) width: f64,
    /// Px.
    pub(super) height: f64,
}

/// Draws `width` px wide.
pub(super) fn chart(unit: &UnitCard, width: f64) -> Chart {
    let histogram = &unit.statistics.histogram;
    let data = (histogram.low, histogram.high);
    let scores: Vec<f64> = unit.optimized.iter().map(|image| image.score).collect();
    let axis = Axis::new(data, &scores, (LEFT, width - RIGHT));
    let (placed, lanes) = place(marks(unit, &axis), (LEFT, width));
    let top = f64::from(lanes) * LANE + ABOVE;
    let base = top + PLOT;
    let mut body = String::new();
    grid(&mut body, unit, base, width);
    bars(&mut body, unit, &axis, base);
    for mark in &placed {
        leader(&mut body, mark, base - PLOT, base);
    }
    line(&mut body, &axis, base);
    labels(&mut body, unit, &axis, base, width);
    for mark in &placed {
        draw(&mut body, mark, base - PLOT - ABOVE);
    }
    Chart { body, width, height: base + BELOW }
}

/// Writing to a string does not fail.
macro_rules! put {
    ($body:expr, $($format:tt)*) => { let _ = write!($body, $($format)*); };
}

/// Heights by the square root of a count, so that a single image at the tail is seen beside thousands.
fn height(count: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { (count as f64 / most as f64).sqrt() * PLOT }
}

fn most(unit: &UnitCard) -> u64 {
    unit.statistics.histogram.counts.iter().copied().max().unwrap_or(0)
}

fn grid(body: &mut String, unit: &UnitCard, base: f64, width: f64) {
    let most = match same(unit) {
        true => unit.statistics.count,
        false => most(unit),
    };
    let counts = [most, most / 4];
    for value in counts.into_iter().take(if most >= 4 { 2 } else { 1 }).filter(|value| *value > 0) {
        let y = base - height(value, most);
        put!(body, r#"<path class="grid" d="M{LEFT} {y:.1}H{:.1}"/>"#, width - RIGHT);
        put!(
            body,
            r#"<text class="text" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 6.0,
            y + 4.0,
            count(value)
        );
    }
}

/// Whether all scores are so close that they make one bar.
fn same(unit: &UnitCard) -> bool {
    let histogram = &unit.statistics.histogram;
    spread(histogram.low, histogram.high) != (histogram.low, histogram.high)
}

fn bars(body: &mut String, unit: &UnitCard, axis: &Axis, base: f64) {
    let histogram = &unit.statistics.histogram;
    if unit.statistics.count == 0 {
        return;
    }
    if same(unit) {
        // All scores are one: a bar around it.
        if let Some(x) = axis.x(f64::midpoint(histogram.low, histogram.high)) {
            put!(
                body,
                r#"<path class="bar" d="M{:.1} {base:.1}V{:.1}H{:.1}V{base:.1}z"/>"#,
                x - 4.0,
                base - PLOT,
                x + 4.0
            );
        }
        return;
    }
    let bins = histogram.counts.len().max(1) as f64;
    let edge = |bin: usize| {
        let share = bin as f64 / bins;
        axis.x(histogram.low * (1.0 - share) + histogram.high * share).unwrap_or(LEFT)
    };
    let most = most(unit);
    body.push_str(r#"<path class="bar" d=""#);
    for (bin, images) in histogram.counts.iter().enumerate().filter(|(_, images)| **images > 0) {
        let (left, right) = (edge(bin), edge(bin + 1));
        // A hairline keeps bins apart where there is room for one.
        let right = if right - left > 3.0 { right - 1.0 } else { right };
        // One image of very many is still seen.
        let top = base - height(*images, most).max(1.5);
        put!(body, "M{left:.2} {base:.1}V{top:.1}H{right:.2}V{base:.1}z");
    }
    body.push_str(r#""/>"#);
}

/// The axis itself, with slanted strokes where it is broken, and the zero line.
fn line(body: &mut String, axis: &Axis, base: f64) {
    for (left, right) in axis.runs() {
        put!(body, r#"<path class="line" d="M{left:.1} {base:.1}H{right:.1}"/>"#);
    }
    for x in axis.breaks() {
        for x in [x - 4.0, x + 4.0] {
            put!(body, r#"<path class="line" d="M{:.1} {:.1}l8 -16"/>"#, x - 4.0, base + 8.0);
        }
    }
    if let Some(x) = zero(axis) {
        put!(body, r#"<path class="zero" d="M{x:.1} {:.1}V{:.1}"/>"#, base - PLOT, base + 5.0);
    }
}

fn zero(axis: &Axis) -> Option<f64> {
    axis.holds(0.0).then(|| axis.x(0.0)).flatten()
}

fn labels(body: &mut String, unit: &UnitCard, axis: &Axis, base: f64, width: f64) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut label = |x: f64, text: &str, class: &str| {
        let half = text_width(text) / 2.0;
        let centre = x.clamp(half, width - half);
        if taken.iter().any(|(left, right)| centre + half + 6.0 > *left && centre - half - 6.0 < *right) {
            return;
        }
        taken.push((centre - half, centre + half));
        put!(body, r#"<path class="line" d="M{x:.1} {base:.1}v5"/>"#);
        put!(
            body,
            r#"<text class="{class}" x="{centre:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            base + 18.0,
            escape(text)
        );
    };
    // Zero first: it is never left out for another.
    if let Some(x) = zero(axis) {
        label(x, "0", "strong");
    }
    for tick in axis.ticks(90.0) {
        if let Some(x) = axis.x(tick).filter(|_| tick.abs() > 0.0) {
            label(x, &round(tick), "text");
        }
    }
    let top = base - PLOT - 12.0;
    put!(body, r#"<text class="text halo" x="0" y="{top:.1}">images per bin (square-root scale)</text>"#);
    let broken = if axis.breaks().is_empty() { "" } else { ", axis broken at //" };
    put!(
        body,
        r#"<text class="text" x="{:.1}" y="{:.1}" text-anchor="middle">activation{broken}</text>"#,
        (LEFT + width - RIGHT) / 2.0,
        base + 36.0
    );
    if unit.statistics.count == 0 {
        let (x, y) = ((LEFT + width - RIGHT) / 2.0, base - PLOT / 2.0);
        put!(
            body,
            r#"<text class="strong" x="{x:.1}" y="{y:.1}" text-anchor="middle">no image has a score</text>"#
        );
    }
}

/// From a mark down to the axis, or to the histogram's top for a range.
fn leader(body: &mut String, placed: &Placed, top: f64, base: f64) {
    let y = lane_y(placed, top - ABOVE);
    let Mark { class, from, to, .. } = placed.mark;
    if class == "real" {
        return;
    }
    put!(
        body,
        r#"<path class="leader {class}" d="M{:.1} {:.1}V{base:.1}"/>"#,
        f64::midpoint(from, to),
        y + 5.0
    );
}

fn lane_y(placed: &Placed, bottom: f64) -> f64 {
    bottom - (f64::from(placed.lane) + 0.5) * LANE
}

/// A mark and its words; the shape tells its kind without colour.
fn draw(body: &mut String, placed: &Placed, bottom: f64) {
    let y = lane_y(placed, bottom);
    let Mark { class, from, to, .. } = &placed.mark;
    let x = f64::midpoint(*from, *to);
    match *class {
        "maximize" => put_path(body, class, &format!("M{x:.1} {:.1}l6 11h-12z", y - 6.0)),
        "minimize" => put_path(body, class, &format!("M{x:.1} {:.1}l6 -11h-12z", y + 6.0)),
        "diverse" => put_path(body, class, &format!("M{x:.1} {:.1}l6 6l-6 6l-6 -6z", y - 6.0)),
        "mean" => put_path(body, class, &format!("M{x:.1} {:.1}v11", y - 5.0)),
        _ => {
            let (from, to) = if to - from < 2.0 { (x - 1.0, x + 1.0) } else { (*from, *to) };
            put_path(
                body,
                class,
                &format!("M{from:.1} {:.1}v8M{from:.1} {y:.1}H{to:.1}M{to:.1} {:.1}v8", y - 4.0, y - 4.0),
            );
        }
    }
    if let Some(Side { x, anchor, words, .. }) = &placed.text {
        let y = y + TEXT_PX * 0.35;
        put!(
            body,
            r#"<text class="label" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
            escape(words)
        );
    }
}

fn put_path(body: &mut String, class: &str, path: &str) {
    put!(body, r#"<path class="mark {class}" d="{path}"/>"#);
}
