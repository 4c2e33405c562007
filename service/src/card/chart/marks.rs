//! What stands above the histogram, and in which row: ranges of real images, the mean, and every optimized image. It draws nothing.

use super::super::words::number;
use super::super::{Aim, UnitCard};
use super::axis::Axis;

/// Size of a label, px.
pub(super) const TEXT_PX: f64 = 12.0;

/// Rows of marks at most: more would push the histogram off a phone. Marks without a row of their own go without words.
const LANES: u32 = 8;

/// Letters of a title in a label, at most.
const TITLE: usize = 28;

/// One mark: at a score (`from` = `to`) or over a range, px.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) label: String,
    /// Its words where the label has no room.
    pub(super) brief: String,
}

/// A mark with its row, counted from the histogram, and where its words stand.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) mark: Mark,
    pub(super) lane: u32,
    pub(super) text: Option<Side>,
}

/// Words on one side of a mark.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Where the mark with its words begins.
    from: f64,
    /// Where both end.
    to: f64,
    pub(super) x: f64,
    /// SVG's `text-anchor`.
    pub(super) anchor: &'static str,
    pub(super) words: String,
}

/// The marks of a unit: real images first, as they belong next to the histogram. What has no number has no mark.
pub(super) fn marks(unit: &UnitCard, axis: &Axis) -> Vec<Mark> {
    let mut marks = Vec::new();
    for group in &unit.groups {
        let scores = || group.hits.iter().map(|hit| hit.score).filter(|score| !score.is_nan());
        let (low, high) =
            (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
        if let (true, Some(from), Some(to)) = (low <= high, axis.x(low), axis.x(high)) {
            let range = if number(low) == number(high) {
                number(low)
            } else {
                format!("{} to {}", number(low), number(high))
            };
            let title = short(&group.title);
            marks.push(Mark {
                class: "real",
                from,
                to,
                label: format!("{title} ({} real): {range}", scores().count()),
                brief: title,
            });
        }
    }
    if let Some(x) = axis.x(unit.statistics.mean).filter(|_| unit.statistics.count > 0) {
        let label = format!("mean {}", number(unit.statistics.mean));
        marks.push(Mark { class: "mean", from: x, to: x, label, brief: "mean".to_owned() });
    }
    for image in &unit.optimized {
        if let Some(x) = axis.x(image.score) {
            let brief = number(image.score);
            let label = format!("{} {brief}", short(&image.title));
            marks.push(Mark { class: class(image.aim), from: x, to: x, label, brief });
        }
    }
    marks
}

/// The name by which a style sheet colours an aim.
fn class(aim: Aim) -> &'static str {
    match aim {
        Aim::Maximize => "maximize",
        Aim::Minimize => "minimize",
        Aim::Diverse => "diverse",
    }
}

/// Gives each mark a row in which its words are free, the lowest that crosses no line of another, and says how many rows there are.
///
/// Words stand towards the middle, and marks are placed from the middle outwards: then each line to the axis passes beside the
/// words below it.
pub(super) fn place(marks: Vec<Mark>, (left, width): (f64, f64)) -> (Vec<Placed>, u32) {
    let middle = f64::midpoint(left, width);
    let mut order: Vec<Mark> = marks;
    order.sort_by(|a, b| {
        let key = |mark: &Mark| (mark.class != "real", (mark.middle() - middle).abs());
        key(a).0.cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1))
    });
    let coming = order.iter().filter(|mark| mark.class != "real").map(Mark::middle).collect();
    let mut rows = Rows { coming, ..Rows::default() };
    let placed: Vec<Placed> =
        order.into_iter().map(|mark| rows.place(mark, middle, (left - 8.0, width))).collect();
    let lanes = placed.iter().map(|placed| placed.lane + 1).max().unwrap_or(0);
    (placed, lanes)
}

/// What is taken.
#[derive(Default)]
struct Rows {
    /// (row, from, to): marks with their words.
    words: Vec<(u32, f64, f64)>,
    /// (row, x): lines from a mark down to the axis.
    lines: Vec<(u32, f64)>,
    /// The x of such lines of marks that are not placed yet.
    coming: Vec<f64>,
}

impl Rows {
    fn place(&mut self, mark: Mark, middle: f64, (left, right): (f64, f64)) -> Placed {
        let fits = |side: &Side| side.from >= left && side.to <= right;
        let [label, brief] = [&mark.label, &mark.brief]
            .map(|words| mark.sides(words, middle).into_iter().filter(fits).collect::<Vec<_>>());
        let places = |sides: &[Side]| {
            let sides = sides.to_vec();
            (0..LANES).flat_map(move |lane| sides.clone().into_iter().map(move |side| (lane, side)))
        };
        let free = |(lane, side): &(u32, Side)| self.free(*lane, side.from, side.to);
        let clear =
            |place: &(u32, Side)| free(place) && !self.crosses(&mark, place.0, place.1.from, place.1.to);
        let found = (places(&label).find(clear))
            .or_else(|| places(&brief).find(clear))
            .or_else(|| places(&label).find(free))
            .or_else(|| places(&brief).find(free));
        let (lane, from, to, text) = match found {
            Some((lane, side)) => (lane, side.from, side.to, Some(side)),
            None => {
                let (from, to) = (mark.from - 7.0, mark.to + 7.0);
                let lane = (0..LANES).find(|lane| self.free(*lane, from, to)).unwrap_or(LANES - 1);
                (lane, from, to, None)
            }
        };
        self.words.push((lane, from, to));
        if mark.class != "real" {
            let x = mark.middle();
            self.lines.push((lane, x));
            // Equal places are equal numbers, as they come from one computation.
            let own = self.coming.iter().position(|coming| coming.total_cmp(&x).is_eq());
            own.map(|own| self.coming.swap_remove(own));
        }
        Placed { mark, lane, text }
    }

    fn free(&self, lane: u32, from: f64, to: f64) -> bool {
        !self.words.iter().any(|(row, left, right)| *row == lane && from < right + 10.0 && to > left - 10.0)
    }

    /// Whether a line would run through words: of this mark, of one placed higher, or of one still to come.
    fn crosses(&self, mark: &Mark, lane: u32, from: f64, to: f64) -> bool {
        let middle = mark.middle();
        let within = |x: &f64| from < *x && *x < to;
        if mark.class == "real" {
            // Lines may cross the range itself: they show what lies in it.
            return self.coming.iter().any(|x| within(x) && !(mark.from..=mark.to).contains(x));
        }
        self.words.iter().any(|(row, left, right)| *row < lane && *left < middle && middle < *right)
            || self.lines.iter().any(|(row, x)| *row > lane && within(x))
            || self.coming.iter().any(|x| within(x) && (x - middle).abs() > 0.5)
    }
}

impl Mark {
    fn middle(&self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    /// Both sides, the one towards the middle of the drawing first.
    fn sides(&self, words: &str, middle: f64) -> [Side; 2] {
        let wide = text_width(words);
        let side = |from, to, x, anchor| Side { from, to, x, anchor, words: words.to_owned() };
        let mut sides = [
            side(self.from - 7.0, self.to + 10.0 + wide, self.to + 10.0, "start"),
            side(self.from - 10.0 - wide, self.to + 7.0, self.from - 10.0, "end"),
        ];
        if self.middle() > middle {
            sides.reverse();
        }
        sides
    }
}

fn short(title: &str) -> String {
    if title.chars().count() <= TITLE {
        title.to_owned()
    } else {
        title.chars().take(TITLE - 1).chain(['…']).collect()
    }
}

/// A little more than most fonts need for a label.
pub(super) fn text_width(text: &str) -> f64 {
    let wide = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ' ' | '\'' | '|' | 't' | 'f' | 'r' => 0.36,
        'm' | 'w' | 'M' | 'W' | '@' => 0.95,
        _ if c.is_ascii_uppercase() => 0.72,
        _ if c.is_ascii() => 0.6,
        _ => 0.7,
    };
    text.chars().map(wide).sum::<f64>() * TEXT_PX
}
