//! Rankings and what they were asked for, as the proto has them.

use super::artifact;
use crate::job::ArtifactInfo;
use crate::job::rank::{Hit, RankOrder, RankProgress, Ranking, Unit, UnitRanking, What};
use crate::limits::{ENVELOPE_BYTES, RESPONSE_BYTES};
use prost::Message;
use ulid::Ulid;
use unitscope_engine::rank::order::{Pick, Statistics};
use unitscope_engine::rank::reading::Reducer;
use unitscope_proto::v1 as proto;

pub(super) fn spec(order: &RankOrder) -> proto::RankSpec {
    let count = |found: Option<u32>| Some(found.unwrap_or(0));
    let pictures = order.pictures;
    proto::RankSpec {
        model: order.model.clone(),
        dataset: order.dataset.clone(),
        units: order.units.iter().map(|one| unit(one, order.reducer)).collect(),
        reducer: reducer(order.reducer).into(),
        top_k: count(order.picks.iter().find_map(|pick| match pick {
            Pick::Top(count) => Some(*count),
            _ => None,
        })),
        bottom_k: count(order.picks.iter().find_map(|pick| match pick {
            Pick::Bottom(count) => Some(*count),
            _ => None,
        })),
        bands: order.picks.iter().filter_map(band).collect(),
        classes: order.classes.clone(),
        pictures: Some(proto::HitPictures {
            thumbnails: pictures.thumbnails,
            crops: pictures.crops,
            heat_maps: pictures.heat_maps,
            side: Some(pictures.side_px),
        }),
        refresh: order.refresh,
        return_scores: order.return_scores,
        layers: order.layers.clone(),
    }
}

fn reducer(reducer: Reducer) -> proto::Reducer {
    match reducer {
        Reducer::Max | Reducer::At { .. } | Reducer::Token(_) => proto::Reducer::Max,
        Reducer::ClassToken => proto::Reducer::ClassToken,
        Reducer::Mean => proto::Reducer::Mean,
        Reducer::Centre => proto::Reducer::Centre,
        Reducer::AbsMax => proto::Reducer::Absmax,
        Reducer::L2 => proto::Reducer::L2,
    }
}

/// `of_all` is what units without a place of their own are ranked by.
fn unit(unit: &Unit, of_all: Reducer) -> proto::RankUnit {
    let what = match &unit.what {
        What::Channel(channel) => proto::rank_unit::What::Channel(*channel),
        What::Direction { weights, channels } => proto::rank_unit::What::Direction(proto::Direction {
            weights: weights.clone(),
            channels: channels.clone(),
        }),
    };
    let position = match unit.reducer {
        Reducer::At { row, column } => Some(proto::Position { row, column }),
        _ => None,
    };
    let token = match unit.reducer {
        Reducer::Token(token) => Some(token),
        _ => None,
    };
    let class_token = unit.reducer == Reducer::ClassToken && of_all != Reducer::ClassToken;
    let (layer, label) = (unit.layer.clone(), unit.label.clone());
    proto::RankUnit { layer, what: Some(what), position, token, class_token, label }
}

/// None for the top and the bottom.
fn band(pick: &Pick) -> Option<proto::Band> {
    use proto::band::Range;
    let (range, count) = match *pick {
        Pick::Top(_) | Pick::Bottom(_) => return None,
        Pick::Percentiles { low, high, count } => (Range::Percentile(proto::Range { low, high }), count),
        Pick::Scores { low, high, count } => (Range::Score(proto::Range { low, high }), count),
    };
    Some(proto::Band { range: Some(range), k: Some(count) })
}

pub(super) fn progress(progress: &RankProgress) -> proto::RankProgress {
    proto::RankProgress {
        images: progress.images,
        total_images: progress.total_images,
        scored: progress.scored,
        skipped: progress.skipped,
        images_per_second: progress.images_per_second,
        remaining: super::duration(progress.remaining),
    }
}

/// The result, without bytes of artifacts. Groups that would make the message too long are left out, the last first.
pub(super) fn result(id: Ulid, order: &RankOrder, ranking: &Ranking) -> proto::RankResult {
    let named = |(path, reason): &(String, String)| proto::SkippedImage {
        path: path.clone(),
        reason: reason.clone(),
    };
    let (scores, images_csv) = ranking.scores.as_ref().map(|(scores, images)| (scores, images)).unzip();
    let kept = |info: Option<&ArtifactInfo>| info.map(|info| artifact(id, info));
    let mut result = proto::RankResult {
        images: ranking.images,
        skipped: ranking.skipped,
        skipped_images: ranking.skipped_images.iter().map(named).collect(),
        scored: ranking.scored,
        units: ranking.units.iter().map(|unit| unit_ranking(id, order, unit)).collect(),
        json: kept(Some(&ranking.json)),
        csv: kept(Some(&ranking.csv)),
        scores: kept(scores),
        images_csv: kept(images_csv),
        truncated: false,
    };
    /// A quarter of a message is left for the spec and what surrounds both.
    const ROOM: usize = (RESPONSE_BYTES - ENVELOPE_BYTES) / 4 * 3;
    while result.encoded_len() > ROOM {
        result.truncated = true;
        let Some(unit) = result.units.iter_mut().rev().find(|unit| !unit.groups.is_empty()) else { break };
        unit.groups.pop();
    }
    result
}

fn unit_ranking(id: Ulid, order: &RankOrder, unit: &UnitRanking) -> proto::UnitRanking {
    use proto::hit_group::Kind;
    let group = |(pick, hits): (&Pick, &Vec<Hit>)| proto::HitGroup {
        kind: match pick {
            Pick::Top(_) => Kind::Top,
            Pick::Bottom(_) => Kind::Bottom,
            Pick::Percentiles { .. } | Pick::Scores { .. } => Kind::Band,
        }
        .into(),
        band: band(pick),
        hits: hits.iter().map(|one| hit(id, one)).collect(),
    };
    proto::UnitRanking {
        label: unit.label.clone(),
        statistics: Some(statistics(&unit.statistics, &unit.class_names, unit.classes)),
        groups: order.picks.iter().zip(&unit.groups).map(group).collect(),
    }
}

fn statistics(statistics: &Statistics, names: &[String], classes: u32) -> proto::UnitStatistics {
    let means = statistics.class_means.iter().zip(names);
    proto::UnitStatistics {
        count: statistics.count,
        not_a_number: statistics.not_a_number,
        min: statistics.min,
        max: statistics.max,
        mean: statistics.mean,
        deviation: statistics.deviation,
        share_above_zero: statistics.share_above_zero,
        dead: statistics.dead,
        histogram: statistics.histogram.counts.clone(),
        histogram_low: statistics.histogram.low,
        histogram_high: statistics.histogram.high,
        class_means: means
            .map(|(mean, class)| proto::ClassMean {
                class: class.clone(),
                mean: mean.mean,
                count: mean.count,
            })
            .collect(),
        classes,
    }
}

fn hit(id: Ulid, hit: &Hit) -> proto::Hit {
    let [top, left, bottom, right] = hit.window;
    let kept = |info: &Option<ArtifactInfo>| info.as_ref().map(|info| artifact(id, info));
    proto::Hit {
        image: hit.image.clone(),
        path: hit.path.clone(),
        class: hit.class.clone().unwrap_or_default(),
        score: hit.ranked.score,
        rank: hit.ranked.rank,
        percentile: hit.ranked.percentile,
        position: hit.position.map(|(row, column)| proto::Position { row, column }),
        token: hit.token,
        window: Some(proto::Box { top, left, bottom, right }),
        thumbnail: kept(&hit.thumbnail),
        crop: kept(&hit.crop),
        heat_map: kept(&hit.heat_map),
    }
}

/// The artifacts of a result in the order in which their bytes are sent along, as far as there is room. A thumbnail that several hits share
/// is sent with the first.
pub(super) fn artifacts(result: &mut proto::RankResult) -> Vec<&mut proto::Artifact> {
    let mut seen = std::collections::HashSet::new();
    let hits = result.units.iter_mut().flat_map(|unit| &mut unit.groups).flat_map(|group| &mut group.hits);
    let mut pictures: Vec<&mut proto::Artifact> = Vec::new();
    for hit in hits {
        pictures.extend([&mut hit.thumbnail, &mut hit.crop, &mut hit.heat_map].into_iter().flatten());
    }
    pictures.retain(|picture| seen.insert(picture.name.clone()));
    let files = [&mut result.csv, &mut result.json, &mut result.images_csv, &mut result.scores];
    pictures.into_iter().chain(files.into_iter().flatten()).collect()
}
