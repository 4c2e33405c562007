//! Cards and what they were asked for, as the proto has them.

use super::{artifact, image, rank};
use crate::card::Aim;
use crate::job::card::{CardOrder, CardPicture, Rendered};
use ulid::Ulid;
use unitscope_proto::v1 as proto;

pub(super) fn spec(order: &CardOrder) -> proto::CardSpec {
    let ranked = rank::spec(&order.rank);
    let diverse = order.aims.iter().filter(|aim| **aim == Aim::Diverse).count();
    proto::CardSpec {
        model: ranked.model,
        dataset: ranked.dataset,
        units: ranked.units,
        reducer: ranked.reducer,
        k: Some(order.k),
        steps: Some(order.steps),
        seed: Some(order.seed),
        diverse: Some(diverse as u32),
        title: order.title.clone(),
        refresh: ranked.refresh,
    }
}

pub(super) fn result(id: Ulid, order: &CardOrder, rendered: &Rendered) -> proto::CardResult {
    proto::CardResult {
        html: Some(artifact(id, &rendered.html)),
        png: rendered.png.as_ref().map(|png| artifact(id, png)),
        ranking: Some(rank::result(id, &order.rank, &rendered.ranking)),
        pictures: rendered.pictures.iter().map(|one| picture(id, one)).collect(),
    }
}

fn picture(id: Ulid, picture: &CardPicture) -> proto::CardPicture {
    use proto::card_picture::Kind;
    let kind = match picture.aim {
        Aim::Maximize => Kind::Positive,
        Aim::Minimize => Kind::Negative,
        Aim::Diverse => Kind::Diverse,
    };
    proto::CardPicture {
        unit: picture.unit.clone(),
        kind: kind.into(),
        score: f64::from(picture.score),
        percentile: picture.percentile,
        beats_all: picture.beats_all,
        image: Some(image(id, &picture.unit, &picture.image)),
    }
}

/// The artifacts of a result in the order in which their bytes are sent along, as far as there is room.
pub(super) fn artifacts(result: &mut proto::CardResult) -> Vec<&mut proto::Artifact> {
    let whole = [&mut result.html, &mut result.png].into_iter().flatten();
    let pictures = result.pictures.iter_mut().filter_map(|picture| picture.image.as_mut()?.png.as_mut());
    let ranking = result.ranking.as_mut().map(rank::artifacts).unwrap_or_default();
    whole.chain(pictures).chain(ranking).collect()
}
