//! Filters as the proto has them.

use crate::filters::{Filter, Filters, MARGIN_PX};
use unitscope_engine::filters::{Fit, Gabor};
use unitscope_engine::model::Model;
use unitscope_proto::v1 as proto;

/// The answer to RenderFilters.
#[must_use]
pub fn filters(model: &Model, made: Filters) -> proto::RenderFiltersResponse {
    // A network's sizes were checked when it was loaded; what does not fit says so by its size.
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let Filters { convolution, color, filters, png, grid } = made;
    proto::RenderFiltersResponse {
        model: model.name().to_owned(),
        model_digest: model.digest().to_owned(),
        layer: convolution.layer,
        total_filters: count(convolution.filters),
        filter_channels: count(convolution.channels),
        groups: count(convolution.groups),
        kernel_height: count(convolution.height),
        kernel_width: count(convolution.width),
        color,
        filters: filters.into_iter().map(filter).collect(),
        png,
        grid: Some(proto::FilterGrid {
            columns: grid.columns,
            margin: MARGIN_PX,
            row_step: grid.row_step_px,
            column_step: grid.column_step_px,
            enlargement: grid.enlargement,
        }),
    }
}

fn filter(filter: Filter) -> proto::Filter {
    use proto::filter::Fit as Answer;
    let fit = match filter.fit {
        Ok(fit) => Answer::Gabor(gabor(&fit)),
        Err(reason) => Answer::NoFit(reason.to_string()),
    };
    proto::Filter {
        index: filter.index,
        scale: filter.scale,
        plane_share: filter.plane_share,
        plane_color: filter.plane_color.map(Vec::from).unwrap_or_default(),
        fit: Some(fit),
    }
}

fn gabor(fit: &Fit) -> proto::GaborFit {
    let Gabor { center_px: [center_x, center_y], sigma_px: [sigma_wave, sigma_crest], .. } = fit.gabor;
    proto::GaborFit {
        orientation_deg: fit.gabor.orientation_deg,
        frequency: fit.gabor.frequency,
        phase_deg: fit.gabor.phase_deg,
        center_x,
        center_y,
        sigma_wave,
        sigma_crest,
        amplitude: fit.gabor.amplitude,
        offset: fit.gabor.offset,
        r2: fit.r2,
    }
}
