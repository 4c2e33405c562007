//! The card as one PNG: lays it out as SVG and rasterizes that with the font in `fonts/`, as servers have none. It words nothing.

pub(crate) mod lettering;
mod sheet;

use super::limits::{PNG_HEIGHT, PNG_UNITS};
use super::view::view;
use super::{Card, CardError};
use image::ImageFormat;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, ImageKind, Options, Tree};
use sheet::{Sheet, WIDTH, lay_out};
use std::sync::Arc;

/// Pixels per unit of the layout, where the height allows it: sharp on dense displays.
const SCALE: u32 = 2;

/// One PNG, 2,400 px wide; 1,200 px where it were too high otherwise.
///
/// Letters that the font lacks are drawn as □; the HTML page shows them. A picture that cannot be decoded leaves its place empty.
///
/// # Errors
/// [`CardError::Units`] and [`CardError::Height`] where the card is too large.
pub fn png(card: &Card) -> Result<Vec<u8>, CardError> {
    if card.units.len() > PNG_UNITS {
        return Err(CardError::Units { units: card.units.len(), most: PNG_UNITS });
    }
    let view = view(card);
    let sheet = lay_out(&view);
    let height = sheet.height();
    if height > PNG_HEIGHT {
        return Err(CardError::Height { height, most: PNG_HEIGHT });
    }
    let scale = if height * u64::from(SCALE) <= PNG_HEIGHT { SCALE } else { 1 };
    rasterize(&sheet, scale)
}

fn rasterize(sheet: &Sheet, scale: u32) -> Result<Vec<u8>, CardError> {
    let failed = |why: &dyn ToString| CardError::Drawing(why.to_string());
    let pictures: Arc<[Option<ImageKind>]> =
        sheet.pictures().iter().map(|(format, bytes)| kind(*format, bytes)).collect();
    // Only the sheet's own pictures are found: nothing that a text says can name a file.
    let resolver = ImageHrefResolver {
        resolve_data: Box::new(|_, _, _| None),
        resolve_string: Box::new(move |name, _| pictures.get(name.parse::<usize>().ok()?)?.clone()),
    };
    let options = Options {
        font_family: lettering::FAMILY.to_owned(),
        fontdb: lettering::fonts(),
        image_href_resolver: resolver,
        ..Options::default()
    };
    let tree = Tree::from_str(&sheet.svg(), &options).map_err(|e| failed(&e))?;
    let height = u32::try_from(sheet.height()).map_err(|e| failed(&e))?;
    let mut pixels = Pixmap::new(WIDTH as u32 * scale, height * scale).ok_or_else(|| failed(&"no room"))?;
    resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| failed(&e))
}

fn kind(format: ImageFormat, bytes: &[u8]) -> Option<ImageKind> {
    let bytes = Arc::new(bytes.to_vec());
    match format {
        ImageFormat::Png => Some(ImageKind::PNG(bytes)),
        ImageFormat::Jpeg => Some(ImageKind::JPEG(bytes)),
        ImageFormat::WebP => Some(ImageKind::WEBP(bytes)),
        _ => None,
    }
}
