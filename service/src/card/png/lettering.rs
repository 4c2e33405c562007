//! Text of the PNG: its font, and how much of a text fits where. It knows no card.

use super::super::view::escape;
use resvg::usvg::fontdb::{Database, Source};
use std::sync::{Arc, LazyLock};
use ttf_parser::Face;

/// The family's name in the font files.
pub(super) const FAMILY: &str = "Inter";

const REGULAR: &[u8] = include_bytes!("../../../fonts/Inter-Regular.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../../../fonts/Inter-SemiBold.otf");

/// Both weights, for the rasterizer.
pub(crate) fn fonts() -> Arc<Database> {
    static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
        let mut fonts = Database::new();
        for bytes in [REGULAR, SEMI_BOLD] {
            fonts.load_font_source(Source::Binary(Arc::new(bytes)));
        }
        Arc::new(fonts)
    });
    FONTS.clone()
}

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    pub(super) size_px: f64,
    pub(super) bold: bool,
    pub(super) color: &'static str,
}

impl Style {
    pub(crate) const fn new(size_px: f64, bold: bool, color: &'static str) -> Self {
        Self { size_px, bold, color }
    }

    /// The text's width, px.
    pub(super) fn width(&self, text: &str) -> f64 {
        let face = face(self.bold);
        let em = f64::from(face.units_per_em());
        let advance = |c: char| face.glyph_index(c).and_then(|glyph| face.glyph_hor_advance(glyph));
        text.chars().map(|c| advance(c).map_or(1.0, |units| f64::from(units) / em)).sum::<f64>()
            * self.size_px
    }

    /// The text, or as much of its beginning as fits into `room` px.
    pub(super) fn fit(&self, text: &str, room: f64) -> String {
        let text = drawable(text);
        if self.width(&text) <= room {
            return text;
        }
        let mut kept = String::new();
        let mut used = self.width("…");
        for c in text.chars() {
            used += self.width(c.encode_utf8(&mut [0; 4]));
            if used > room {
                break;
            }
            kept.push(c);
        }
        kept.truncate(kept.trim_end().len());
        kept + "…"
    }

    /// Lines of at most `room` px, at most `most` of them; longer words are broken.
    pub(super) fn wrap(&self, text: &str, room: f64, most: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        let text = drawable(text);
        for word in text.split(' ') {
            let line = lines.last_mut().expect("it begins with a line and only grows");
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&joined) <= room {
                *line = joined;
                continue;
            }
            if !line.is_empty() {
                lines.push(String::new());
            }
            for c in word.chars() {
                let line = lines.last_mut().expect("it begins with a line and only grows");
                if !line.is_empty() && self.width(line) + self.width(c.encode_utf8(&mut [0; 4])) > room {
                    lines.push(c.to_string());
                } else {
                    line.push(c);
                }
            }
            // What does not fit is not laid out, however long it is.
            if lines.len() > most {
                break;
            }
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = self.fit(&format!("{last} …"), room);
            }
        }
        lines
    }

    /// As an SVG element, its baseline at `y`.
    pub(crate) fn element(&self, (x, y): (f64, f64), anchor: &str, text: &str) -> String {
        let weight = if self.bold { 600 } else { 400 };
        let family = if self.bold { "Inter Semi Bold" } else { FAMILY };
        let (size, color) = (self.size_px, self.color);
        format!(
            r#"<text x="{x:.1}" y="{y:.1}" font-family="{family}" font-size="{size}" font-weight="{weight}" fill="{color}" text-anchor="{anchor}">{}</text>"#,
            escape(&drawable(text))
        )
    }
}

/// With a box in place of each letter that the font lacks.
fn drawable(text: &str) -> String {
    text.chars().map(|c| if face(false).glyph_index(c).is_some() { c } else { '□' }).collect()
}

fn face(bold: bool) -> &'static Face<'static> {
    static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
        [REGULAR, SEMI_BOLD].map(|bytes| {
            Face::parse(bytes, 0).expect("the fonts are part of the program and were parsed by its tests")
        })
    });
    &FACES[usize::from(bold)]
}
