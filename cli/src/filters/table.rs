//! Filters as text: a table of the best fits for people, and all of them as CSV.

use crate::numbers::{counted, share};
use crate::table::{Table, printable};
use unitscope_proto::v1::filter::Fit;
use unitscope_proto::v1::{Filter, GaborFit, RenderFiltersResponse};

/// The most filters that the table shows; the files have all.
const MAX_SHOWN: usize = 12;

/// What filters of V1 are taken for Gabor functions by, roughly: below it much of the filter is something else.
const GOOD_R2: f64 = 0.8;

/// What was drawn, the best fits, how many are good, and why there are none.
pub fn describe(answer: &RenderFiltersResponse) -> String {
    let kernel = format!("{}×{}", answer.kernel_height, answer.kernel_width);
    let drawn = if answer.color { "in colour" } else { "in grey" };
    let (layer, shown) = (printable(&answer.layer), answer.filters.len());
    let mut text = format!(
        "{}  {shown} of {} with {} of {kernel}, {drawn}\n",
        console::style(layer).bold(),
        counted(answer.total_filters.into(), "filter"),
        counted(answer.filter_channels.into(), "channel"),
    );
    let mut fits: Vec<(&Filter, &GaborFit)> =
        answer.filters.iter().filter_map(|filter| Some((filter, gabor(filter)?))).collect();
    fits.sort_by(|(_, a), (_, b)| b.r2.total_cmp(&a.r2));
    if !fits.is_empty() {
        let mut table =
            Table::new(&["FILTER", "R2", "ORIENTATION", "FREQUENCY", "PHASE", "CENTRE", "SIGMA", "PLANE"]);
        fits.iter().take(MAX_SHOWN).for_each(|(filter, fit)| table.row(row(filter, fit)));
        let good = fits.iter().filter(|(_, fit)| fit.r2 >= GOOD_R2).count();
        text.push_str(&format!(
            "\n{table}\n{good} of {} with R2 of at least {GOOD_R2}",
            counted(fits.len() as u64, "fit")
        ));
        // Of an even number the lower one of the middle.
        text.push_str(&format!("; the median is {:.2}\n", fits[fits.len() / 2].1.r2));
    }
    for (reason, count) in reasons(&answer.filters) {
        text.push_str(&format!("{} without a fit: {}\n", counted(count, "filter"), printable(reason)));
    }
    text.push('\n');
    text
}

fn row(filter: &Filter, fit: &GaborFit) -> Vec<String> {
    vec![
        filter.index.to_string(),
        format!("{:.3}", fit.r2),
        format!("{:.0}°", fit.orientation_deg),
        format!("{:.3}", fit.frequency),
        format!("{:.0}°", fit.phase_deg),
        format!("{:+.1} {:+.1}", fit.center_x, fit.center_y),
        format!("{:.1} × {:.1}", fit.sigma_wave, fit.sigma_crest),
        share(filter.plane_share),
    ]
}

/// Each reason for no fit, with how many filters have it, in the order of the filters.
fn reasons(filters: &[Filter]) -> Vec<(&str, u64)> {
    let mut reasons: Vec<(&str, u64)> = Vec::new();
    for filter in filters {
        let Some(Fit::NoFit(reason)) = &filter.fit else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    reasons
}

fn gabor(filter: &Filter) -> Option<&GaborFit> {
    match &filter.fit {
        Some(Fit::Gabor(fit)) => Some(fit),
        _ => None,
    }
}

const COLUMNS: &str = "filter,r2,orientation_deg,frequency,phase_deg,center_x,center_y,sigma_wave,sigma_crest,amplitude,offset,\
                       scale,plane_share,red,green,blue,no_fit";

/// One filter a row; what it has not is empty.
pub fn csv(answer: &RenderFiltersResponse) -> String {
    let mut text = format!("{COLUMNS}\n");
    for filter in &answer.filters {
        let fit = gabor(filter).map(|fit| {
            let GaborFit { center_x, center_y, sigma_wave, sigma_crest, amplitude, offset, .. } = fit;
            [
                fit.r2,
                fit.orientation_deg,
                fit.frequency,
                fit.phase_deg,
                *center_x,
                *center_y,
                *sigma_wave,
                *sigma_crest,
                *amplitude,
                *offset,
            ]
        });
        let mut cells = vec![filter.index.to_string()];
        cells.extend(cells_of(fit.as_ref().map_or(&[], |fit| &fit[..]), 10));
        cells.extend(cells_of(&[filter.scale, filter.plane_share], 2));
        cells.extend(cells_of(&filter.plane_color, 3));
        cells.push(match &filter.fit {
            Some(Fit::NoFit(reason)) => format!("\"{}\"", printable(reason).replace('"', "\"\"")),
            _ => String::new(),
        });
        text.push_str(&format!("{}\n", cells.join(",")));
    }
    text
}

/// So many cells.
fn cells_of(numbers: &[f64], count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|place| numbers.get(place).map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> RenderFiltersResponse {
        let fit = |r2| {
            let (orientation_deg, frequency, phase_deg) = (45.2, 0.21, -90.0);
            let (center_x, center_y, sigma_wave, sigma_crest) = (0.5, -1.25, 1.5, 2.0);
            Fit::Gabor(GaborFit {
                orientation_deg,
                frequency,
                phase_deg,
                center_x,
                center_y,
                sigma_wave,
                sigma_crest,
                amplitude: 0.5,
                offset: 0.0,
                r2,
            })
        };
        let filter = |index, fit| Filter {
            index,
            scale: 0.25,
            plane_share: 0.9,
            plane_color: vec![1.0, 0.0, 0.0],
            fit: Some(fit),
        };
        let filters = vec![
            filter(3, fit(0.5)),
            filter(4, Fit::NoFit("all \"weights\" are equal, so".into())),
            filter(7, fit(0.9)),
            filter(9, Fit::NoFit("all \"weights\" are equal, so".into())),
        ];
        RenderFiltersResponse {
            layer: "conv1".into(),
            total_filters: 64,
            filter_channels: 3,
            kernel_height: 7,
            kernel_width: 7,
            color: true,
            filters,
            ..RenderFiltersResponse::default()
        }
    }

    #[test]
    fn the_best_fits_come_first_and_reasons_are_counted() {
        let text = console::strip_ansi_codes(&describe(&answer())).into_owned();
        let lines = [
            "conv1  4 of 64 filters with 3 channels of 7×7, in colour",
            "",
            "FILTER  R2     ORIENTATION  FREQUENCY  PHASE  CENTRE     SIGMA      PLANE",
            "7       0.900  45°          0.210      -90°   +0.5 -1.2  1.5 × 2.0  90 %",
            "3       0.500  45°          0.210      -90°   +0.5 -1.2  1.5 × 2.0  90 %",
            "",
            "1 of 2 fits with R2 of at least 0.8; the median is 0.50",
            "2 filters without a fit: all \"weights\" are equal, so",
            "",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn every_filter_has_a_row_of_all_columns() {
        let text = csv(&answer());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[1], "3,0.5,45.2,0.21,-90,0.5,-1.25,1.5,2,0.5,0,0.25,0.9,1,0,0,");
        assert_eq!(lines[2], "4,,,,,,,,,,,0.25,0.9,1,0,0,\"all \"\"weights\"\" are equal, so\"");
        assert_eq!(lines[0].split(',').count(), 17);
    }
}
