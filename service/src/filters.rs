//! A convolution's filters for one answer: which ones, each one's plane and Gabor fit, and the picture of all. It knows no job and no gRPC.

mod grid;

pub use grid::{Grid, MARGIN_PX};

use crate::limits::{FILTER_PIXELS, FILTER_WEIGHTS, FILTERS};
use grid::{Shades, Tile, draw};
use std::collections::HashSet;
use unitscope_engine::filters::{Fit, NoFit, fit, principal};
use unitscope_engine::model::{ChannelOrder, Convolution, Model, ModelError};
use unitscope_engine::spec::FieldError;

/// Some filters of a convolution.
#[derive(Clone, Debug)]
pub struct Filters {
    /// The convolution.
    pub convolution: Convolution,
    /// Whether they are drawn in colour.
    pub color: bool,
    /// Each filter, in the order asked.
    pub filters: Vec<Filter>,
    /// All of them, as PNG.
    pub png: Vec<u8>,
    /// Its layout.
    pub grid: Grid,
}

/// One filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Its output channel.
    pub index: u32,
    /// The largest absolute weight of what is drawn.
    pub scale: f64,
    /// Which part of its squared weights its plane holds.
    pub plane_share: f64,
    /// Red, green and blue of its plane; none in grey.
    pub plane_color: Option<[f64; 3]>,
    /// Of the plane.
    pub fit: Result<Fit, NoFit>,
}

/// Why there are no filters.
#[derive(Debug, thiserror::Error)]
pub enum FiltersError {
    /// The request cannot be answered.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The network could not compute its weights.
    #[error(transparent)]
    Engine(#[from] ModelError),
}

/// Draws and fits the filters of these numbers of a layer; of the first convolution where `layer` is empty, and as many as one answer has room for where `wanted` is. Takes
/// some milliseconds a filter, so it belongs on a blocking thread.
///
/// # Errors
/// A [`FiltersError`].
pub fn filters(model: &Model, layer: &str, wanted: &[u32]) -> Result<Filters, FiltersError> {
    let found = if layer.is_empty() { model.first_convolution() } else { model.convolution(layer) };
    let convolution = found.map_err(|error| FieldError::new("layer", error.to_string()))?;
    let wanted = choose(&convolution, wanted)?;
    let order = model.manifest().input.channels;
    let color = convolution.reads_image && matches!(order, ChannelOrder::Rgb | ChannelOrder::Bgr);
    let (height, width) = (convolution.height as usize, convolution.width as usize);
    let mut tiles = Vec::with_capacity(wanted.len());
    let mut filters = Vec::with_capacity(wanted.len());
    for (&index, mut weights) in wanted.iter().zip(model.kernels(&convolution, &wanted)?) {
        if color && order == ChannelOrder::Bgr {
            let pixels = height * width;
            let (blue, rest) = weights.split_at_mut(pixels);
            blue.swap_with_slice(&mut rest[pixels..]);
        }
        let plane = principal(&weights, height * width);
        let shades = if color { Shades::colors(&weights) } else { Shades::grey(&plane.values) };
        filters.push(Filter {
            index,
            scale: shades.scale(),
            plane_share: plane.share,
            plane_color: plane.direction.try_into().ok().filter(|_| color),
            fit: fit(&plane.values, height, width),
        });
        tiles.push(Tile { number: index, shades });
    }
    let (png, grid) = draw(&tiles, height as u32, width as u32);
    Ok(Filters { convolution, color, filters, png, grid })
}

/// The filters' numbers, if the layer has them and one answer has room for them.
fn choose(convolution: &Convolution, wanted: &[u32]) -> Result<Vec<u32>, FieldError> {
    let Convolution { layer, filters, channels, height, width, .. } = convolution;
    let pixels = height.saturating_mul(*width);
    let weights = pixels.saturating_mul(*channels);
    if weights == 0 || pixels > FILTER_PIXELS || weights > FILTER_WEIGHTS {
        let size = format!("{channels} channels of {height}×{width}");
        let most = format!("at most {FILTER_PIXELS} pixels and {FILTER_WEIGHTS} weights");
        let reason = format!("a filter of layer `{layer}` has {size}; filters of {most} are drawn");
        return Err(FieldError::new("layer", reason));
    }
    let most = (FILTERS as u64).min(FILTER_PIXELS / pixels).min(FILTER_WEIGHTS / weights);
    let wrong = |reason: String| Err(FieldError::new("filters", reason));
    if wanted.is_empty() {
        return Ok((0..(*filters).min(most) as u32).collect());
    }
    if wanted.len() as u64 > most {
        let given = wanted.len();
        return wrong(format!(
            "{given} are too many; one answer has room for {most} filters of layer `{layer}`, so ask for the others after these"
        ));
    }
    let mut seen = HashSet::new();
    for (place, filter) in wanted.iter().enumerate() {
        let field = format!("filters[{place}]");
        if u64::from(*filter) >= *filters {
            let reason = format!(
                "layer `{layer}` has no filter {filter}; it has {filters}, from 0 to {}",
                filters.saturating_sub(1)
            );
            return Err(FieldError::new(field, reason));
        }
        if !seen.insert(filter) {
            return Err(FieldError::new(
                field,
                format!("filter {filter} is asked for twice; name each once"),
            ));
        }
    }
    Ok(wanted.to_vec())
}
