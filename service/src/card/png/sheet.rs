//! The PNG's layout: from the card's words and blocks to one SVG, top to bottom. It rasterizes nothing.

use super::super::Aim;
use super::super::blocks::{Block, Shot, Tile};
use super::super::chart::chart;
use super::super::view::{UnitView, View};
use super::lettering::Style;
use image::ImageFormat;
use std::fmt::Write;

/// Of the whole sheet.
pub(super) const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 32.0;
const INNER: f64 = WIDTH - 2.0 * MARGIN;
/// Blocks per row, as on a wide page.
const COLUMNS: usize = 3;
const GUTTER: f64 = 24.0;
const COLUMN: f64 = (INNER - 2.0 * GUTTER) / 3.0;
/// Between pictures of a block.
const GAP: f64 = 8.0;
/// Side of the small whole image under a part of it.
const WHOLE: f64 = 44.0;

const INK: &str = "#1a1a1a";
const SOFT: &str = "#595959";
const TITLE: Style = Style::new(30.0, true, INK);
const NAME: Style = Style::new(22.0, true, INK);
const LABEL: Style = Style::new(22.0, false, SOFT);
const HEAD: Style = Style::new(14.0, true, INK);
const BODY: Style = Style::new(14.5, false, INK);
const NOTE: Style = Style::new(13.0, false, SOFT);
const SMALL: Style = Style::new(11.5, false, SOFT);
const SCORE: Style = Style::new(12.0, true, INK);

/// The colours of the light page.
const CSS: &str = r#"
.text, .strong, .label { font-family: Inter; font-size: 12px; fill: #595959; }
.strong { fill: #1a1a1a; font-family: "Inter Semi Bold"; font-weight: 600; }
.label { fill: #1a1a1a; }
.label, .halo { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
.bar { fill: #8a929c; } .grid { stroke: #d9d9d9; } .zero { stroke: #1a1a1a; }
.line { stroke: #1a1a1a; fill: none; }
.leader { stroke-dasharray: 2 3; fill: none; } .leader.mean { stroke: #1a1a1a; stroke-dasharray: 5 3; }
.leader.maximize { stroke: #d55e00; } .mark.maximize { fill: #d55e00; }
.leader.minimize { stroke: #0072b2; } .mark.minimize { fill: #0072b2; }
.leader.diverse { stroke: #009e73; } .mark.diverse { fill: #009e73; }
.mark.real { stroke: #1a1a1a; stroke-width: 2; fill: none; } .mark.mean { stroke: #1a1a1a; stroke-width: 1.5; fill: none; }
"#;

/// A drawing that grows downwards.
pub(super) struct Sheet<'a> {
    body: String,
    pictures: Vec<(ImageFormat, &'a [u8])>,
    /// Where the next thing begins.
    y: f64,
}

/// Lays out the whole card.
pub(super) fn lay_out<'a>(view: &'a View<'a>) -> Sheet<'a> {
    let mut sheet = Sheet { body: String::new(), pictures: Vec::new(), y: 36.0 };
    sheet.header(view);
    for unit in &view.units {
        sheet.unit(unit);
    }
    sheet.provenance(&view.provenance);
    sheet.y += 28.0;
    sheet
}

impl<'a> Sheet<'a> {
    /// In px of the layout.
    pub(super) fn height(&self) -> u64 {
        self.y.ceil() as u64
    }

    /// What the SVG's images are called by their number.
    pub(super) fn pictures(&self) -> &[(ImageFormat, &'a [u8])] {
        &self.pictures
    }

    /// The whole drawing.
    pub(super) fn svg(&self) -> String {
        let (height, body) = (self.height(), &self.body);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"><style>{CSS}</style><rect width="100%" height="100%" fill="#ffffff"/>{body}</svg>"##
        )
    }

    fn header(&mut self, view: &View) {
        self.lines(NOTE, &["Evidence card".to_owned()], 20.0);
        self.lines(TITLE, &TITLE.wrap(&view.title, INNER, 3), 38.0);
        let mut x = MARGIN;
        self.y += 8.0;
        for (label, value) in &view.about {
            let value = BODY.fit(value, INNER / 2.0);
            let wide = BODY.width(&value).max(NOTE.width(label));
            if x > MARGIN && x + wide > WIDTH - MARGIN {
                (x, self.y) = (MARGIN, self.y + 48.0);
            }
            self.text(NOTE, x, self.y + 14.0, label);
            self.text(BODY, x, self.y + 34.0, &value);
            x += wide + 40.0;
        }
        self.y += 66.0;
    }

    fn unit(&mut self, unit: &UnitView<'a>) {
        self.rule(2.0, INK);
        self.y += 22.0;
        let name = NAME.fit(&unit.name, INNER);
        self.text(NAME, MARGIN, self.y + 20.0, &name);
        if let Some(label) = &unit.label {
            let x = MARGIN + NAME.width(&name) + 14.0;
            if x < WIDTH - MARGIN - 60.0 {
                let label = LABEL.fit(label, WIDTH - MARGIN - x);
                self.text(LABEL, x, self.y + 20.0, &label);
            }
        }
        self.y += 36.0;
        for sentence in &unit.lead {
            self.lines(BODY, &BODY.wrap(sentence, INNER, 4), 21.0);
        }
        self.y += 14.0;
        let chart = chart(unit.unit, INNER);
        let (y, body) = (self.y, &chart.body);
        self.put(&format!(r#"<g transform="translate({MARGIN} {y:.1})">{body}</g>"#));
        self.y += chart.height + 8.0;
        self.lines(NOTE, &NOTE.wrap(&unit.reading, INNER, 3), 18.0);
        self.y += 24.0;
        for row in unit.blocks.chunks(COLUMNS) {
            let top = self.y;
            let mut bottom = top;
            for (column, block) in row.iter().enumerate() {
                self.y = top;
                self.block(block, MARGIN + column as f64 * (COLUMN + GUTTER));
                bottom = bottom.max(self.y);
            }
            self.y = bottom + 20.0;
        }
        self.tables(unit);
        self.y += 36.0;
    }

    /// Leaves `y` under it.
    fn block(&mut self, block: &Block<'a>, left: f64) {
        self.text(HEAD, left, self.y + 13.0, &HEAD.fit(&block.title, COLUMN));
        self.text(NOTE, left, self.y + 31.0, &NOTE.fit(&block.note, COLUMN));
        self.y += 40.0;
        let columns = block.columns as f64;
        let side = (COLUMN - GAP * (columns - 1.0)) / columns;
        for row in block.tiles.chunks(block.columns) {
            let top = self.y;
            let mut bottom = top;
            for (column, tile) in row.iter().enumerate() {
                let under = self.tile(tile, (left + column as f64 * (side + GAP), top), side);
                bottom = bottom.max(under);
            }
            self.y = bottom + 10.0;
        }
    }

    /// The y under it.
    fn tile(&mut self, tile: &Tile<'a>, (left, top): (f64, f64), side: f64) -> f64 {
        self.shot(&tile.picture, (left, top), side);
        let (mut x, y) = (left, top + side + 4.0);
        let mut bottom = y;
        if let Some(whole) = &tile.whole {
            self.shot(whole, (left, y), WHOLE);
            x += WHOLE + 6.0;
            bottom += WHOLE;
        }
        let room = left + side - x;
        let mut baseline = y + 12.0;
        let mut start = x;
        if let Some(aim) = tile.aim {
            self.sign(aim, x + 5.0, baseline - 4.5);
            start += 15.0;
        }
        self.text(SCORE, start, baseline, &tile.score);
        let aside = start + SCORE.width(&tile.score) + 6.0;
        let words = SMALL.width(&tile.aside);
        if aside + words <= x + room {
            self.text(SMALL, aside, baseline, &tile.aside);
        } else {
            baseline += 15.0;
            let words = SMALL.fit(&tile.aside, room);
            self.text(SMALL, x, baseline, &words);
        }
        if tile.whole.is_some() {
            baseline = bottom;
        }
        for line in tile.lines.iter().flat_map(|line| SMALL.wrap(line, side, 2)) {
            baseline += 15.0;
            self.text(SMALL, left, baseline, &line);
        }
        bottom.max(baseline + 4.0)
    }

    /// A picture in the middle of a square, with its frame.
    fn shot(&mut self, shot: &Shot<'a>, (left, top): (f64, f64), side: f64) {
        self.put(&format!(
            r##"<rect x="{left:.2}" y="{top:.2}" width="{side:.2}" height="{side:.2}" fill="#f4f4f2"/>"##
        ));
        let Some(format) = shot.format else {
            let (x, y) = (left + side / 2.0, top + side / 2.0 + 4.0);
            self.put(&SMALL.element((x, y), "middle", &SMALL.fit("no picture", side)));
            return;
        };
        let (width, height) = (f64::from(shot.size.0), f64::from(shot.size.1));
        let scale = side / width.max(height);
        let (width, height) = (width * scale, height * scale);
        let (x, y) = (left + (side - width) / 2.0, top + (side - height) / 2.0);
        let number = self.pictures.len();
        self.pictures.push((format, shot.bytes));
        let rendering = if shot.coarse() { "optimizeSpeed" } else { "optimizeQuality" };
        self.put(&format!(
            r#"<image href="{number}" x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" preserveAspectRatio="none" image-rendering="{rendering}"/>"#
        ));
        let Some([top, left, bottom, right]) = shot.frame.map(|frame| frame.map(f64::from)) else { return };
        // Black, white, black: seen on every picture.
        for (inset, color) in [(0.5, "#000000"), (1.5, "#ffffff"), (2.5, "#000000")] {
            let (wide, high) = ((right - left) * width - 2.0 * inset, (bottom - top) * height - 2.0 * inset);
            if wide > 0.0 && high > 0.0 {
                let (x, y) = (x + left * width + inset, y + top * height + inset);
                self.put(&format!(
                    r#"<rect x="{x:.2}" y="{y:.2}" width="{wide:.2}" height="{high:.2}" fill="none" stroke="{color}"/>"#
                ));
            }
        }
    }

    fn sign(&mut self, aim: Aim, x: f64, y: f64) {
        let (class, path) = match aim {
            Aim::Maximize => ("maximize", format!("M{x:.1} {:.1}l5 9h-10z", y - 4.5)),
            Aim::Minimize => ("minimize", format!("M{x:.1} {:.1}l5 -9h-10z", y + 4.5)),
            Aim::Diverse => ("diverse", format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5z", y - 5.0)),
        };
        self.put(&format!(r#"<path class="mark {class}" d="{path}"/>"#));
    }

    fn tables(&mut self, unit: &UnitView) {
        let numbers = unit.numbers.iter().map(|(label, value)| [*label, value, ""]).collect::<Vec<_>>();
        let classes =
            unit.classes.iter().map(|(class, mean, images)| [&class[..], mean, images]).collect::<Vec<_>>();
        let top = self.y;
        self.table("Scores of the dataset", &numbers, MARGIN);
        let bottom = self.y;
        if !classes.is_empty() {
            self.y = top;
            self.table("Classes with the highest means (mean, images)", &classes, MARGIN + COLUMN + GUTTER);
        }
        self.y = self.y.max(bottom);
    }

    fn table(&mut self, title: &str, rows: &[[&str; 3]], left: f64) {
        self.text(HEAD, left, self.y + 13.0, title);
        self.y += 22.0;
        for [label, value, more] in rows {
            let y = self.y;
            self.put(&format!(
                r##"<rect x="{left:.1}" y="{y:.1}" width="{COLUMN:.1}" height="1" fill="#d9d9d9"/>"##
            ));
            let label = BODY.fit(label, COLUMN - 140.0);
            self.text(BODY, left, y + 18.0, &label);
            let right = if more.is_empty() { left + COLUMN } else { left + COLUMN - 56.0 };
            self.put(&BODY.element((right, y + 18.0), "end", value));
            if !more.is_empty() {
                self.put(&BODY.element((left + COLUMN, y + 18.0), "end", more));
            }
            self.y += 26.0;
        }
    }

    fn provenance(&mut self, rows: &[(String, String)]) {
        const LABELS: f64 = 190.0;
        self.rule(2.0, INK);
        self.y += 18.0;
        self.lines(HEAD, &["How to make this card again".to_owned()], 24.0);
        for (label, value) in rows {
            let label = NOTE.fit(label, LABELS - 12.0);
            self.text(NOTE, MARGIN, self.y + 14.0, &label);
            for line in NOTE.wrap(value, INNER - LABELS, 12) {
                self.text(Style { color: INK, ..NOTE }, MARGIN + LABELS, self.y + 14.0, &line);
                self.y += 18.0;
            }
            self.y += 5.0;
        }
    }

    fn rule(&mut self, height: f64, color: &str) {
        let y = self.y;
        self.put(&format!(
            r#"<rect x="{MARGIN}" y="{y:.1}" width="{INNER}" height="{height}" fill="{color}"/>"#
        ));
    }

    fn lines(&mut self, style: Style, lines: &[String], high: f64) {
        for line in lines {
            self.text(style, MARGIN, self.y + style.size_px, line);
            self.y += high;
        }
    }

    fn text(&mut self, style: Style, x: f64, y: f64, text: &str) {
        self.put(&style.element((x, y), "start", text));
    }

    fn put(&mut self, element: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}
