//! The card in words: every sentence and every number as text, for both HTML and PNG. It knows no layout.

use super::blocks::{Block, blocks};
use super::words::{certificate, count, images, number, percentile, plain, share};
use super::{Card, Certificate, Place, UnitCard};

/// The whole card.
pub(super) struct View<'a> {
    pub(super) title: String,
    /// Of what the card is: (label, value).
    pub(super) about: Vec<(&'static str, String)>,
    pub(super) units: Vec<UnitView<'a>>,
    pub(super) provenance: Vec<(String, String)>,
}

/// One unit.
pub(super) struct UnitView<'a> {
    pub(super) unit: &'a UnitCard,
    pub(super) name: String,
    pub(super) label: Option<String>,
    /// What matters first, a sentence each.
    pub(super) lead: Vec<String>,
    /// What the axis shows.
    pub(super) reading: String,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) numbers: Vec<(&'static str, String)>,
    /// (class, mean, images).
    pub(super) classes: Vec<(String, String, String)>,
}

/// Words the card.
pub(super) fn view(card: &Card) -> View<'_> {
    let mut about = vec![
        ("Model", plain(&card.model)),
        ("Dataset", plain(&card.dataset)),
        ("Images", skipped(card)),
        ("Made", plain(&card.create_time)),
    ];
    about.extend(class_units(card).map(|value| ("Class units", value)));
    about.retain(|(_, value)| !value.is_empty());
    let mut provenance = vec![("Model file, BLAKE3".to_owned(), plain(&card.model_digest))];
    provenance.extend(card.provenance.iter().map(|(label, value)| (plain(label), plain(value))));
    provenance.retain(|(_, value)| !value.is_empty());
    View { title: plain(&card.title), about, units: card.units.iter().map(unit_view).collect(), provenance }
}

fn skipped(card: &Card) -> String {
    match card.skipped {
        0 => format!("{} scored", count(card.images)),
        skipped => format!("{} scored, {} could not be read", count(card.images), count(skipped)),
    }
}

/// How many of the largest images of units that stand for classes are of their unit's class, where the dataset has classes.
fn class_units(card: &Card) -> Option<String> {
    let (mut units, mut own, mut all) = (0, 0, 0);
    for unit in &card.units {
        let Some(label) = &unit.label else { continue };
        let largest = unit.groups.iter().filter(|group| group.place == Place::Largest);
        let hits: Vec<_> =
            largest.flat_map(|group| &group.hits).filter_map(|hit| hit.class.as_ref()).collect();
        units += usize::from(!hits.is_empty());
        own += hits.iter().filter(|class| same_class(class, label)).count();
        all += hits.len();
    }
    (units > 1).then(|| {
        let part = share(own as f64 / all as f64);
        format!("{own} of the {all} largest images of {units} units are of the unit's class ({part})")
    })
}

/// Whether a folder's name and a label mean one class: `horizontal_stripes` is `Horizontal stripes`.
fn same_class(folder: &str, label: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    letters(folder) == letters(label)
}

fn unit_view(unit: &UnitCard) -> UnitView<'_> {
    let mean = |(class, mean, of): &(String, f64, u64)| (plain(class), number(*mean), count(*of));
    UnitView {
        unit,
        name: plain(&unit.unit),
        label: unit.label.as_deref().map(plain),
        lead: lead(unit),
        reading: reading(unit),
        blocks: blocks(unit),
        numbers: numbers(unit),
        classes: unit.statistics.class_means.iter().map(mean).collect(),
    }
}

fn reading(unit: &UnitCard) -> String {
    let what = match plain(&unit.reading) {
        reading if reading.is_empty() => "the unit's activation".to_owned(),
        reading => format!("the unit's activation, {reading}"),
    };
    format!(
        "Real and optimized images are scored alike: {what}, at the same network input size. So all of them lie on one axis."
    )
}

fn lead(unit: &UnitCard) -> Vec<String> {
    let statistics = &unit.statistics;
    let (low, high) = (statistics.histogram.low, statistics.histogram.high);
    let mut lead = Vec::new();
    if statistics.count == 0 {
        lead.push("No image of the dataset has a score.".to_owned());
    } else if statistics.dead && (low, high) == (0.0, 0.0) {
        lead.push(format!("Never fires: the response to {} is 0.", every(statistics.count)));
    } else if low.total_cmp(&high).is_eq() {
        lead.push(format!(
            "Does not tell the images apart: the response to {} is {}.",
            every(statistics.count),
            number(low)
        ));
    } else if statistics.dead {
        lead.push(format!("Never fires: the response to {} is 0 or less.", every(statistics.count)));
    }
    let equal = statistics.count > 0 && low.total_cmp(&high).is_eq();
    if equal && unit.groups.iter().any(|group| !group.hits.is_empty()) {
        lead.push("As all scores are equal, the order of the real images means nothing.".to_owned());
    }
    if let Some(top) = unit.top_class.as_ref().filter(|_| !equal) {
        lead.push(format!("{} of the {} largest are of class {}.", top.agreeing, top.of, plain(&top.class)));
    }
    let optimized = &unit.optimized;
    if let [image] = &optimized[..] {
        lead.push(format!(
            "{}: {}, {}.",
            plain(&image.title),
            number(image.score),
            certificate(image, statistics)
        ));
    } else if !optimized.is_empty() && statistics.count > 0 {
        let beat = optimized.iter().filter(|image| image.certificate != Certificate::Within).count();
        lead.push(format!(
            "{beat} of {} optimized images score beyond every real image ({} to {}).",
            optimized.len(),
            number(low),
            number(high)
        ));
    }
    if statistics.not_a_number > 0 {
        lead.push(format!(
            "The response to {} is not a number; none of them is shown or counted.",
            images(statistics.not_a_number)
        ));
    }
    lead
}

fn every(images: u64) -> String {
    if images == 1 { "the only image".to_owned() } else { format!("all {} images", count(images)) }
}

fn numbers(unit: &UnitCard) -> Vec<(&'static str, String)> {
    let statistics = &unit.statistics;
    let mut numbers = vec![("Images with a score", count(statistics.count))];
    if statistics.not_a_number > 0 {
        numbers.push(("Not a number", count(statistics.not_a_number)));
    }
    if statistics.count > 0 {
        numbers.extend([
            ("Largest", number(statistics.histogram.high)),
            ("Mean", number(statistics.mean)),
            ("Standard deviation", number(statistics.deviation)),
            ("Smallest", number(statistics.histogram.low)),
            ("Share above zero", share(statistics.share_above_zero)),
        ]);
    }
    numbers
}

/// One row of the table of all images: what, rank or seed, class, score, percentile, path.
pub(super) fn rows(unit: &UnitCard) -> Vec<[String; 6]> {
    let optimized = unit.optimized.iter().map(|image| {
        let seed = format!("seed {}", image.seed);
        [
            plain(&image.title),
            seed,
            String::new(),
            number(image.score),
            percentile(image.percentile),
            String::new(),
        ]
    });
    let real = unit.groups.iter().flat_map(|group| {
        group.hits.iter().map(|hit| {
            let class = hit.class.as_deref().map(plain).unwrap_or_default();
            let rank = format!("rank {}", count(hit.rank));
            [
                plain(&group.title),
                rank,
                class,
                number(hit.score),
                percentile(hit.percentile),
                plain(&hit.path),
            ]
        })
    });
    optimized.chain(real).collect()
}

/// What the chart shows, for who does not see it.
pub(super) fn description(unit: &UnitCard) -> String {
    let statistics = &unit.statistics;
    let (low, high) = (number(statistics.histogram.low), number(statistics.histogram.high));
    let mut text = match statistics.count {
        0 => "No image has a score.".to_owned(),
        scored => format!(
            "Histogram of the scores of {}, from {low} to {high}, mean {}.",
            images(scored),
            number(statistics.mean)
        ),
    };
    for image in &unit.optimized {
        text += &format!(
            " {}: {}, {}.",
            plain(&image.title),
            number(image.score),
            certificate(image, statistics)
        );
    }
    text
}

/// For XML and HTML, in text and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
