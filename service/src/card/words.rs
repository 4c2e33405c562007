//! Numbers and sentences of the card, in plain words. It knows no layout.

use super::{Aim, Certificate, Hit, Optimized, Statistics};

/// To three significant digits; as a power of ten where the plain number were long.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "not a number".to_owned();
    }
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    if value.is_infinite() {
        return format!("{sign}∞");
    }
    // Rounded first, so that 999.9 has the digits of 1000.
    let text = format!("{:.2e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let rounded: f64 = text.parse().unwrap_or(0.0);
    match exponent {
        _ if rounded == 0.0 => "0".to_owned(),
        // A thousand and more keep their units: 1,521 is as short as 1,520 and says more.
        3..=5 => format!("{sign}{}", count(value.abs().round() as u64)),
        -3..=2 => format!("{sign}{rounded:.*}", usize::try_from(2 - exponent).unwrap_or(0)),
        _ => format!("{sign}{mantissa}×10{}", superscript(exponent)),
    }
}

/// A round number, without the digits that say nothing: `50`, not `50.0`.
pub(super) fn round(value: f64) -> String {
    let text = number(value);
    let (mantissa, power) = text.split_once('×').map_or((&text[..], None), |(m, power)| (m, Some(power)));
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    power.map_or_else(|| mantissa.to_owned(), |power| format!("{mantissa}×{power}"))
}

fn superscript(value: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => other.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(other),
    };
    value.to_string().chars().map(raise).collect()
}

/// With a comma before each three digits.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `1,000 images`.
pub(super) fn images(value: u64) -> String {
    format!("{} image{}", count(value), if value == 1 { "" } else { "s" })
}

/// To one decimal; never `100` or `0` for what is only close to it.
pub(super) fn percentile(value: f64) -> String {
    match value {
        _ if value.is_nan() => "unknown".to_owned(),
        _ if value > 99.9 && value < 100.0 => "above 99.9".to_owned(),
        _ if value > 0.0 && value < 0.1 => "below 0.1".to_owned(),
        _ => format!("{value:.1}").trim_end_matches(".0").to_owned(),
    }
}

/// A share as percents; never `100 %` or `0 %` for what is only close to it.
pub(super) fn share(value: f64) -> String {
    format!("{} %", percentile(value * 100.0))
}

/// What a screen reader says of a real image.
pub(super) fn alt(hit: &Hit, of: u64) -> String {
    let class = hit.class.as_ref().map_or(String::new(), |class| format!(", class {}", plain(class)));
    let (score, place) = (number(hit.score), percentile(hit.percentile));
    format!("rank {} of {}{class}, activation {score}, percentile {place}", count(hit.rank), count(of))
}

/// How an optimized image compares with the dataset, in full.
pub(super) fn certificate(image: &Optimized, statistics: &Statistics) -> String {
    let (low, high) = (number(statistics.histogram.low), number(statistics.histogram.high));
    if image.score.is_nan() {
        return "its score is not a number, so it is compared with nothing".to_owned();
    }
    let all = match statistics.count {
        0 => return "no image of the dataset has a score to compare it with".to_owned(),
        1 => "the dataset's only image".to_owned(),
        many => format!("all {} of the dataset", images(many)),
    };
    let place = percentile(image.percentile);
    match (image.certificate, image.aim) {
        (Certificate::BeatsAll, _) => format!("higher than {all} (largest: {high})"),
        (Certificate::BelowAll, _) => format!("lower than {all} (smallest: {low})"),
        (Certificate::Within, Aim::Minimize) => {
            format!("does not fall below the smallest image ({low}): percentile {place}")
        }
        (Certificate::Within, _) => format!("does not exceed the largest image ({high}): percentile {place}"),
    }
}

/// The same in a few words, for a small caption.
pub(super) fn verdict(image: &Optimized, statistics: &Statistics) -> String {
    match image.certificate {
        _ if image.score.is_nan() || statistics.count == 0 => "not compared".to_owned(),
        Certificate::BeatsAll => format!("higher than all {}", count(statistics.count)),
        Certificate::BelowAll => format!("lower than all {}", count(statistics.count)),
        Certificate::Within => format!("percentile {}", percentile(image.percentile)),
    }
}

/// Text that cannot break a line, a page or the direction of what stands beside it: control characters and marks of direction
/// are shown as U+FFFD, as XML has no way to hold some of them.
pub(super) fn plain(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}')
    };
    text.chars().map(|c| if hostile(c) { '\u{FFFD}' } else { c }).collect()
}
