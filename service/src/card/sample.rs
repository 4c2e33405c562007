//! Cards for tests: small, and with what tests look for. It checks nothing.

use super::{
    Aim, Card, Certificate, Group, Histogram, Hit, Optimized, Place, Statistics, TopClass, UnitCard,
};
use image::{DynamicImage, ImageFormat};
use std::io::Cursor;

/// A black PNG.
pub(super) fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, ImageFormat::Png).expect("it is small");
    bytes.into_inner()
}

/// 1,000 scores from `low` to `high`, most of them in the second bin.
pub(super) fn statistics(low: f64, high: f64) -> Statistics {
    let mut counts = vec![10; 50];
    counts[1] = 510;
    Statistics {
        count: 1000,
        not_a_number: 0,
        mean: f64::midpoint(low, high),
        deviation: (high - low) / 4.0,
        share_above_zero: 0.625,
        dead: false,
        histogram: Histogram { low, high, counts },
        class_means: vec![("hen".to_owned(), high * 0.75, 1234)],
    }
}

/// A real image.
pub(super) fn hit(rank: u64, score: f64, percentile: f64) -> Hit {
    Hit {
        path: format!("val/{rank}.jpg"),
        class: Some("goldfish".to_owned()),
        rank,
        score,
        percentile,
        thumbnail: picture(6, 4),
        crop: Some(picture(2, 2)),
        window: Some([0.25, 0.25, 0.75, 0.5]),
    }
}

/// An image made for the unit.
pub(super) fn made(aim: Aim, title: &str, score: f64, statistics: &Statistics) -> Optimized {
    Optimized {
        aim,
        title: title.to_owned(),
        picture: picture(5, 5),
        score,
        percentile: 97.25,
        certificate: Certificate::of(score, statistics),
        seed: 7,
    }
}

/// Scores of 0 to 12.3, and one optimized image of each aim.
pub(super) fn unit(name: &str) -> UnitCard {
    let statistics = statistics(0.0, 12.3);
    let group =
        |place, title: &str, hits| Group { place, title: title.to_owned(), note: String::new(), hits };
    let optimized = vec![
        made(Aim::Maximize, "Maximizes", 41.5, &statistics),
        made(Aim::Minimize, "Minimizes", -1.25, &statistics),
        made(Aim::Diverse, "Diverse 1", 11.75, &statistics),
    ];
    UnitCard {
        unit: name.to_owned(),
        label: None,
        reading: "max over positions".to_owned(),
        groups: vec![
            group(Place::Largest, "largest", vec![hit(1, 12.3, 99.95), hit(2, 11.5, 99.8)]),
            group(Place::Band, "around the median", vec![hit(500, 6.25, 50.0)]),
            group(Place::Smallest, "smallest", vec![hit(1000, 0.0, 0.0)]),
        ],
        optimized,
        top_class: Some(TopClass { class: "goldfish".to_owned(), agreeing: 2, of: 2 }),
        statistics,
    }
}

/// A card of these units.
pub(super) fn card(units: Vec<UnitCard>) -> Card {
    Card {
        title: "What drives it".to_owned(),
        model: "demo".to_owned(),
        model_digest: "abc123".to_owned(),
        dataset: "birds".to_owned(),
        images: 1000,
        skipped: 3,
        units,
        provenance: vec![("Command".to_owned(), "unitscope card --unit fc:1".to_owned())],
        create_time: "2026-01-02T03:04:05Z".to_owned(),
    }
}
