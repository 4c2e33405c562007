//! The order of a unit's pictures: blocks of equal width, each end of the axis with its optimized and its real images side by side.
//! It knows neither HTML nor pixels.

use super::words::{alt, certificate, images, number, percentile, plain, verdict};
use super::{Aim, Group, Hit, Optimized, Place, Statistics, UnitCard};
use image::{ImageFormat, ImageReader};
use std::io::Cursor;

/// Pictures of one kind, in a square grid where there are enough.
pub(super) struct Block<'a> {
    pub(super) title: String,
    pub(super) note: String,
    /// Pictures per row.
    pub(super) columns: usize,
    pub(super) tiles: Vec<Tile<'a>>,
}

/// One picture with its caption.
pub(super) struct Tile<'a> {
    /// Of an optimized image: tells its shape.
    pub(super) aim: Option<Aim>,
    pub(super) picture: Shot<'a>,
    /// The whole image with a frame, where the picture is a part of it.
    pub(super) whole: Option<Shot<'a>>,
    pub(super) score: String,
    /// Behind the score.
    pub(super) aside: String,
    pub(super) lines: Vec<String>,
}

/// Bytes of a picture, and what can be said about it without drawing it.
pub(super) struct Shot<'a> {
    pub(super) bytes: &'a [u8],
    /// None where no decoder of ours knows the bytes.
    pub(super) format: Option<ImageFormat>,
    /// Width and height.
    pub(super) size: (u32, u32),
    /// Top, left, bottom, right as shares of the sides.
    pub(super) frame: Option<[f32; 4]>,
    pub(super) alt: String,
}

/// From this share of the image's area on, a crop shows nothing that the framed image does not.
const NEARLY_ALL: f32 = 0.85;

/// From this share on, a frame would only be a border.
const ALL: f32 = 0.97;

/// Each end's optimized and real images, then one other block, so that three in a row make a row per end.
pub(super) fn blocks(unit: &UnitCard) -> Vec<Block<'_>> {
    let made = |aim: Aim| optimized(unit, aim);
    let real = |place: Place| {
        let groups = unit.groups.iter().filter(move |group| group.place == place && !group.hits.is_empty());
        groups.map(|group| natural(group, &unit.statistics)).collect::<Vec<_>>()
    };
    let (largest, smallest) = (real(Place::Largest), real(Place::Smallest));
    let mut others = made(Aim::Diverse).into_iter().chain(real(Place::Band));
    let mut blocks: Vec<Block> = made(Aim::Maximize).into_iter().chain(largest).collect();
    // Where an end has both kinds, a third block fills its row.
    if blocks.len() == 2 {
        blocks.extend(others.next());
    }
    blocks.extend(made(Aim::Minimize).into_iter().chain(smallest));
    blocks.extend(others);
    blocks
}

fn optimized(unit: &UnitCard, aim: Aim) -> Option<Block<'_>> {
    let found: Vec<&Optimized> = unit.optimized.iter().filter(|image| image.aim == aim).collect();
    let columns = match found.len() {
        0 => return None,
        1 => 1,
        2..=4 => 2,
        _ => 3,
    };
    let title = match aim {
        Aim::Maximize => "Optimized to be large",
        Aim::Minimize => "Optimized to be small",
        Aim::Diverse => "Optimized to be large and diverse",
    };
    let made_count = found.len() as u64;
    let tiles = found.into_iter().map(|image| made(image, &unit.statistics, columns == 1)).collect();
    Some(Block { title: title.to_owned(), note: images(made_count), columns, tiles })
}

fn made<'a>(image: &'a Optimized, statistics: &Statistics, alone: bool) -> Tile<'a> {
    let title = plain(&image.title);
    let (words, seed) = (certificate(image, statistics), format!("seed {}", image.seed));
    let score = number(image.score);
    let lines = if alone { vec![words.clone(), seed] } else { vec![verdict(image, statistics), seed] };
    let alt = format!("{title}, optimized, activation {score}, {words}");
    Tile {
        aim: Some(image.aim),
        picture: Shot::new(&image.picture, None, alt),
        whole: None,
        score,
        aside: title,
        lines,
    }
}

fn natural<'a>(group: &'a Group, statistics: &Statistics) -> Block<'a> {
    let count = images(group.hits.len() as u64);
    let note = if group.note.is_empty() { count } else { format!("{count}, {}", plain(&group.note)) };
    let tiles = group.hits.iter().map(|hit| hit_tile(hit, statistics.count)).collect();
    Block { title: format!("Real: {}", plain(&group.title)), note, columns: 3, tiles }
}

fn hit_tile(hit: &Hit, of: u64) -> Tile<'_> {
    let words = alt(hit, of);
    let area = hit.window.map_or(1.0, |[top, left, bottom, right]| (bottom - top) * (right - left));
    let crop = hit.crop.as_deref().filter(|_| area < NEARLY_ALL);
    let frame = hit.window.filter(|_| area < ALL);
    let whole = |alt| Shot::new(&hit.thumbnail, frame, alt);
    let (picture, whole) = match crop {
        Some(bytes) => {
            let part = Shot::new(bytes, None, format!("{words}: the part that the unit sees"));
            (part, Some(whole("the whole image, with a frame around that part".to_owned())))
        }
        None => (whole(words), None),
    };
    let place = percentile(hit.percentile);
    let lines = hit.class.iter().map(|class| plain(class)).collect();
    Tile { aim: None, picture, whole, score: number(hit.score), aside: format!("pctl. {place}"), lines }
}

impl<'a> Shot<'a> {
    fn new(bytes: &'a [u8], frame: Option<[f32; 4]>, alt: String) -> Self {
        let known =
            |format: &ImageFormat| matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP);
        let format = image::guess_format(bytes).ok().filter(known);
        let size = format
            .and_then(|format| ImageReader::with_format(Cursor::new(bytes), format).into_dimensions().ok());
        // A frame that leaves the picture, or is none, is cut to what can be drawn.
        let inside = |frame: [f32; 4]| {
            let [top, left, bottom, right] =
                frame.map(|side| if side.is_nan() { 0.0 } else { side.clamp(0.0, 1.0) });
            [top, left, bottom.max(top), right.max(left)]
        };
        match size {
            Some((width, height)) if width > 0 && height > 0 => {
                Self { bytes, format, size: (width, height), frame: frame.map(inside), alt }
            }
            _ => Self { bytes, format: None, size: (1, 1), frame: None, alt },
        }
    }

    /// Whether its pixels are so few that they are better seen than smoothed.
    pub(super) fn coarse(&self) -> bool {
        self.size.0.max(self.size.1) <= 64
    }
}
