//! From what a job found and made to the data of its card. It renders nothing.

use super::{CardOrder, CardPicture, bytes_of};
use crate::card::{
    Aim, Card, Certificate, Group, Histogram, Hit, Optimized, Place, Statistics, TopClass, UnitCard,
};
use crate::job::Job;
use crate::job::rank::{self, RankTask, Ranking, Unit, UnitRanking, What};
use crate::job::store::JobStore;
use std::collections::BTreeMap;
use unitscope_engine::device::LIBTORCH_VERSION;
use unitscope_engine::rank::order::Pick;
use unitscope_engine::rank::reading::Reducer;

/// Everything that the card shows.
pub(super) fn card(
    job: &Job,
    order: &CardOrder,
    rank: &RankTask,
    ranking: &Ranking,
    pictures: &[CardPicture],
    store: &dyn JobStore,
) -> Card {
    let provenance = &job.order.provenance;
    let units = order.rank.units.iter().zip(&ranking.units);
    let units = units.map(|(unit, found)| {
        let own = pictures.iter().filter(|picture| picture.unit == unit.label);
        let optimized = optimized(job, order, own, store);
        unit_card(job, rank, (unit, found), optimized, store)
    });
    let names: Vec<&str> = order.rank.units.iter().map(|unit| unit.label.as_str()).collect();
    let title = if order.title.is_empty() { title(&order.rank.model, &names) } else { order.title.clone() };
    Card {
        title,
        model: order.rank.model.clone(),
        model_digest: provenance.model_digest.clone(),
        dataset: order.rank.dataset.clone(),
        images: ranking.images,
        skipped: ranking.skipped,
        units: units.collect(),
        provenance: facts(job, order, rank),
        create_time: humantime::format_rfc3339_seconds(job.create_time).to_string(),
    }
}

/// `demo: logits:3, block5:7 and 4 more`.
fn title(model: &str, units: &[&str]) -> String {
    /// More would not fit into a line.
    const NAMED: usize = 3;
    let named = units.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = units.len().saturating_sub(NAMED);
    if more == 0 { format!("{model}: {named}") } else { format!("{model}: {named} and {more} more") }
}

fn unit_card(
    job: &Job,
    rank: &RankTask,
    (unit, found): (&Unit, &UnitRanking),
    optimized: Vec<Optimized>,
    store: &dyn JobStore,
) -> UnitCard {
    let groups: Vec<Group> = rank
        .picks()
        .iter()
        .zip(&found.groups)
        .map(|(pick, hits)| group(job, rank, pick, hits, store))
        .collect();
    let largest = groups.iter().find(|group| group.place == Place::Largest);
    UnitCard {
        unit: unit.label.clone(),
        label: rank.class_of_unit(unit),
        reading: reading(unit.reducer).to_owned(),
        statistics: statistics(found),
        top_class: largest.and_then(|group| top_class(&group.hits)),
        groups,
        optimized,
    }
}

fn reading(reducer: Reducer) -> &'static str {
    match reducer {
        Reducer::Max => "the largest activation over all positions",
        Reducer::Mean => "the mean activation over all positions",
        Reducer::Centre => "the activation at the middle position",
        Reducer::At { .. } => "the activation at the given position",
        Reducer::Token(_) => "the activation of the given token",
        Reducer::ClassToken => "the activation of the class token",
        Reducer::AbsMax => "the largest absolute activation over all positions",
        Reducer::L2 => "the root of the sum of squared activations over all positions",
    }
}

fn statistics(found: &UnitRanking) -> Statistics {
    let statistics = &found.statistics;
    let means = statistics.class_means.iter().zip(&found.class_names);
    Statistics {
        count: statistics.count,
        not_a_number: statistics.not_a_number,
        mean: statistics.mean,
        deviation: statistics.deviation,
        share_above_zero: statistics.share_above_zero,
        dead: statistics.dead,
        histogram: Histogram {
            low: f64::from(statistics.histogram.low),
            high: f64::from(statistics.histogram.high),
            counts: statistics.histogram.counts.clone(),
        },
        class_means: means.map(|(mean, class)| (class.clone(), mean.mean, mean.count)).collect(),
    }
}

fn group(job: &Job, rank: &RankTask, pick: &Pick, hits: &[rank::Hit], store: &dyn JobStore) -> Group {
    let (place, title, note) = match pick {
        Pick::Top(_) => (Place::Largest, "Largest", String::new()),
        Pick::Bottom(_) => (Place::Smallest, "Smallest", String::new()),
        Pick::Percentiles { low, high, .. } => {
            (Place::Band, "Around the median", format!("percentiles {low} to {high}"))
        }
        Pick::Scores { low, high, .. } => (Place::Band, "Between", format!("scores {low} to {high}")),
    };
    let hits = hits.iter().filter_map(|hit| self::hit(job, rank, hit, store)).collect();
    Group { place, title: title.to_owned(), note, hits }
}

/// None where the image's file was gone when its thumbnail was to be made.
fn hit(job: &Job, rank: &RankTask, hit: &rank::Hit, store: &dyn JobStore) -> Option<Hit> {
    let (height, width) = rank.input_size();
    let [top, left, bottom, right] = hit.window.map(|side| side as f32);
    let (height, width) = (height as f32, width as f32);
    Some(Hit {
        path: hit.path.clone(),
        class: hit.class.clone(),
        rank: hit.ranked.rank,
        score: f64::from(hit.ranked.score),
        percentile: hit.ranked.percentile,
        thumbnail: bytes_of(store, job, hit.thumbnail.as_ref())?,
        crop: bytes_of(store, job, hit.crop.as_ref()),
        window: hit.position.map(|_| [top / height, left / width, bottom / height, right / width]),
    })
}

/// The commonest class of the largest images; of equally common ones that of the larger image.
fn top_class(hits: &[Hit]) -> Option<TopClass> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for class in hits.iter().filter_map(|hit| hit.class.as_deref()) {
        *counts.entry(class).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let class = hits.iter().filter_map(|hit| hit.class.as_deref()).find(|class| counts[class] == most)?;
    Some(TopClass { class: class.to_owned(), agreeing: most, of: hits.len() })
}

fn optimized<'a>(
    job: &Job,
    order: &CardOrder,
    pictures: impl Iterator<Item = &'a CardPicture>,
    store: &dyn JobStore,
) -> Vec<Optimized> {
    let mut diverse = 0;
    let one = |picture: &CardPicture| {
        let title = match picture.aim {
            Aim::Maximize => "Maximizes".to_owned(),
            Aim::Minimize => "Minimizes".to_owned(),
            Aim::Diverse => {
                diverse += 1;
                format!("Diverse {diverse}")
            }
        };
        let certificate = match (picture.beats_all, picture.aim) {
            (true, Aim::Minimize) => Certificate::BelowAll,
            (true, Aim::Maximize | Aim::Diverse) => Certificate::BeatsAll,
            (false, _) => Certificate::Within,
        };
        Some(Optimized {
            aim: picture.aim,
            title,
            picture: bytes_of(store, job, Some(&picture.image.png))?,
            score: f64::from(picture.score),
            percentile: picture.percentile,
            certificate,
            seed: order.seed,
        })
    };
    pictures.filter_map(one).collect()
}

/// What it takes to make the card again.
fn facts(job: &Job, order: &CardOrder, rank: &RankTask) -> Vec<(String, String)> {
    let provenance = &job.order.provenance;
    let plugins = provenance.plugins.iter().map(|(id, version, digest)| format!("{id} {version} ({digest})"));
    let [images, channels, height, width] = rank.pass_shape();
    let facts = [
        ("Command", command(order)),
        ("Job", format!("jobs/{}", job.id)),
        ("Images become input", rank.preprocessing()),
        ("Passes", format!("{images} images of {channels} × {height} × {width}")),
        ("Pictures", format!("{} steps, seed {}", order.steps, order.seed)),
        ("Device", format!("{}, {} threads", provenance.device, provenance.threads)),
        ("Versions", format!("unitscope {}, libtorch {LIBTORCH_VERSION}", env!("CARGO_PKG_VERSION"))),
        ("Plugins", plugins.collect::<Vec<_>>().join("; ")),
    ];
    facts.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
}

fn command(order: &CardOrder) -> String {
    let rank = &order.rank;
    let quoted = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@=".contains(c);
        if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
    };
    let mut words =
        vec![format!("unitscope card --model {} --dataset {}", quoted(&rank.model), quoted(&rank.dataset))];
    for unit in &rank.units {
        let channel = match &unit.what {
            What::Channel(channel) => channel.to_string(),
            What::Direction { .. } => continue,
        };
        let position = match unit.reducer {
            Reducer::At { row, column } => format!("@{row},{column}"),
            Reducer::Token(token) => format!("@{token}"),
            Reducer::ClassToken if rank.reducer != Reducer::ClassToken => "@cls".to_owned(),
            _ => String::new(),
        };
        words.push(format!("--unit {}", quoted(&format!("{}:{channel}{position}", unit.layer))));
    }
    let reducer = match rank.reducer {
        Reducer::Max | Reducer::At { .. } | Reducer::Token(_) => None,
        Reducer::ClassToken => Some("cls"),
        Reducer::Mean => Some("mean"),
        Reducer::Centre => Some("centre"),
        Reducer::AbsMax => Some("absmax"),
        Reducer::L2 => Some("l2"),
    };
    words.extend(reducer.map(|reducer| format!("--reducer {reducer}")));
    let diverse = order.aims.iter().filter(|aim| **aim == Aim::Diverse).count();
    words.push(format!("--k {} --steps {} --seed {} --diverse {diverse}", order.k, order.steps, order.seed));
    words.join(" ")
}

/// Width and height that a PNG's header says.
pub(super) fn png_size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| {
        png.get(at..at + 4).map_or(0, |bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    (number(16), number(20))
}
