//! The card as one HTML page that loads nothing: pictures and styles are inline, and there is no script. It words nothing.

use super::blocks::{Shot, Tile};
use super::chart::{Chart, chart};
use super::view::{UnitView, description, rows, view};
use super::words::{count, number};
use super::{Aim, Card, UnitCard};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Widths of the chart, px: on a desktop, and on a phone of 390 px less its margins.
const WIDTHS: [(&str, f64); 2] = [("wide", 1136.0), ("narrow", 358.0)];

/// One self-contained page.
#[must_use]
pub fn html(card: &Card) -> String {
    let view = view(card);
    let units: Vec<Section> =
        view.units.iter().enumerate().map(|(place, unit)| Section::new(place + 1, unit)).collect();
    let page = Page { title: &view.title, about: &view.about, units: &units, provenance: &view.provenance };
    // The template writes to a string, which does not fail, and calls nothing that could.
    page.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "card.html")]
struct Page<'a> {
    title: &'a str,
    about: &'a [(&'static str, String)],
    units: &'a [Section<'a>],
    provenance: &'a [(String, String)],
}

struct Section<'a> {
    /// From 1, for anchors.
    place: usize,
    view: &'a UnitView<'a>,
    charts: Vec<Drawing>,
    description: String,
    /// (from, to, images).
    bins: Vec<[String; 3]>,
    rows: Vec<[String; 6]>,
}

struct Drawing {
    name: &'static str,
    chart: Chart,
}

impl<'a> Section<'a> {
    fn new(place: usize, view: &'a UnitView<'a>) -> Self {
        let unit = view.unit;
        let charts = WIDTHS.map(|(name, width)| Drawing { name, chart: chart(unit, width) }).into();
        Self { place, view, charts, description: description(unit), bins: bins(unit), rows: rows(unit) }
    }
}

/// The histogram as a table.
fn bins(unit: &UnitCard) -> Vec<[String; 3]> {
    let histogram = &unit.statistics.histogram;
    let bins = histogram.counts.len().max(1) as f64;
    let edge = |bin: usize| {
        let share = bin as f64 / bins;
        number(histogram.low * (1.0 - share) + histogram.high * share)
    };
    let row = |(bin, images): (usize, &u64)| [edge(bin), edge(bin + 1), count(*images)];
    histogram.counts.iter().enumerate().filter(|(_, images)| **images > 0).map(row).collect()
}

impl Shot<'_> {
    fn uri(&self) -> Option<String> {
        let kind = self.format?.to_mime_type();
        Some(format!("data:{kind};base64,{}", STANDARD.encode(self.bytes)))
    }

    /// The sides' ratio, and which side fills its square.
    fn style(&self) -> String {
        let (width, height) = self.size;
        let fill = if width >= height { "width" } else { "height" };
        format!("aspect-ratio:{width}/{height};{fill}:100%")
    }

    fn frame_style(&self) -> Option<String> {
        let [top, left, bottom, right] = self.frame?.map(|side| side * 100.0);
        Some(format!("top:{top:.2}%;left:{left:.2}%;width:{:.2}%;height:{:.2}%", right - left, bottom - top))
    }
}

impl Tile<'_> {
    /// The sign of the chart, as a picture may be told by shape alone.
    fn sign(&self) -> &'static str {
        match self.aim {
            Some(Aim::Maximize) => "▲",
            Some(Aim::Minimize) => "▼",
            Some(Aim::Diverse) => "◆",
            None => "",
        }
    }

    /// Whether the score needs smaller letters beside another picture.
    fn is_long(&self) -> bool {
        self.score.chars().count() > 7
    }

    fn class(&self) -> &'static str {
        match self.aim {
            Some(Aim::Maximize) => "maximize",
            Some(Aim::Minimize) => "minimize",
            Some(Aim::Diverse) => "diverse",
            None => "real",
        }
    }
}
