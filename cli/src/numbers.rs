//! How numbers, sizes and times read: short, with what counts. Knows no message.

use std::time::{SystemTime, UNIX_EPOCH};

/// A number with about three digits that count.
pub fn short_number(number: f64) -> String {
    match number.abs() {
        size if size >= 1e6 || (size > 0.0 && size < 1e-3) => format!("{number:.2e}"),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// `950`, `1.00 k`, `25.6 M`, `340 G`: three digits that count.
pub fn magnitude(number: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if number < 1000 {
        return number.to_string();
    }
    let mut amount = number as f64 / 1e3;
    let mut unit = 0;
    // What would round to 1000 belongs to the next unit.
    while amount >= 999.5 {
        amount /= 1e3;
        unit += 1;
    }
    let decimals = if amount < 9.995 { 2 } else { usize::from(amount < 99.95) };
    format!("{amount:.decimals$} {}", UNITS[unit])
}

/// `12,345`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `2,000 images`
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Two decimals, or as many as tell it from 0 and 100: of a million images, the largest is not the hundredth percentile.
pub fn percentile(number: f64) -> String {
    /// Of 10^9 images the first differs from 100 in the eighth decimal.
    const MAX_DECIMALS: usize = 8;
    let is_edge = number <= 0.0 || number >= 100.0;
    let texts = (2..=MAX_DECIMALS).map(|decimals| format!("{number:.decimals$}"));
    let mut told = texts.filter(|text| is_edge || !matches!(text.parse(), Ok(0.0 | 100.0)));
    told.next().unwrap_or_else(|| format!("{number:.2}"))
}

/// `63 %`; never 0 or 100 where some are on the other side.
pub fn share(part: f64) -> String {
    match part * 100.0 {
        percent if percent > 0.0 && percent < 1.0 => "under 1 %".to_string(),
        percent if percent > 99.0 && percent < 100.0 => "over 99 %".to_string(),
        percent => format!("{percent:.0} %"),
    }
}

/// `17 B`, `1.5 KiB`, `220 MiB`
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut amount = size as f64 / 1024.0;
    let mut unit = 0;
    // What would round to 1024 belongs to the next unit.
    while amount >= 1023.5 {
        amount /= 1024.0;
        unit += 1;
    }
    if amount < 9.95 {
        format!("{amount:.1} {}", UNITS[unit])
    } else {
        format!("{amount:.0} {}", UNITS[unit])
    }
}

/// `1:02:03`, or `2:03`.
pub fn clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// How long ago that was, in the largest unit that fits; none: 0 s.
pub fn age(time: Option<&prost_types::Timestamp>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    duration((now - time.map_or(now, |time| time.seconds)).max(0))
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_have_three_digits() {
        let check = |number, expected| assert_eq!(magnitude(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1.00 k");
        check(9_999, "10.0 k");
        check(99_960, "100 k");
        check(999_499, "999 k");
        check(999_500, "1.00 M");
        check(25_557_032, "25.6 M");
        check(17_563_828_224, "17.6 G");
        check(u64::MAX, "18.4 E");
    }

    #[test]
    fn numbers_are_short() {
        let check = |number: f64, text: &str| assert_eq!(short_number(number), text);
        check(0.0, "0.00");
        check(-3.24159, "-3.24");
        check(12.345, "12.3");
        check(1234.5, "1234");
        check(0.01234, "0.0123");
        check(1.5e7, "1.50e7");
        check(-1.5e-7, "-1.50e-7");
    }

    #[test]
    fn large_counts_have_commas() {
        let check = |number, text: &str| assert_eq!(counted(number, "image"), text);
        check(0, "0 images");
        check(1, "1 image");
        check(999, "999 images");
        check(1_000, "1,000 images");
        check(12_345_678, "12,345,678 images");
    }

    #[test]
    fn percentiles_reach_an_end_only_there() {
        let check = |number, text: &str| assert_eq!(percentile(number), text);
        check(0.0, "0.00");
        check(50.0, "50.00");
        check(99.975, "99.97");
        check(100.0, "100.00");
        check(99.99996, "99.99996");
        check(0.00025, "0.0003");
    }

    #[test]
    fn shares_reach_an_end_only_there() {
        let check = |part, text: &str| assert_eq!(share(part), text);
        check(0.0, "0 %");
        check(0.001, "under 1 %");
        check(0.634, "63 %");
        check(0.9999, "over 99 %");
        check(1.0, "100 %");
    }

    #[test]
    fn sizes_have_one_unit() {
        let check = |size, text: &str| assert_eq!(bytes(size), text);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(1_048_575, "1.0 MiB");
        check(230_686_720, "220 MiB");
        check(u64::MAX, "16 EiB");
    }

    #[test]
    fn times_read_like_a_clock() {
        let check = |seconds, text: &str| assert_eq!(clock(seconds), text);
        check(-5, "0:00");
        check(7, "0:07");
        check(3599, "59:59");
        check(3723, "1:02:03");
    }

    #[test]
    fn ages_have_one_unit() {
        let check = |seconds, text: &str| assert_eq!(duration(seconds), text);
        check(0, "0 s");
        check(119, "119 s");
        check(120, "2 min");
        check(7_200, "2 h");
        check(172_800, "2 d");
        assert_eq!(age(None), "0 s");
    }
}
