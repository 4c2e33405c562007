//! Datasets and tables of the index, as the proto has them.

use crate::data::datasets::{Dataset, Kind, Listed};
use crate::data::index::TableInfo;
use crate::limits::{LISTED_CLASSES, SKIPPED_IMAGES};
use unitscope_proto::v1 as proto;

/// A dataset of the configuration.
#[must_use]
pub fn listed_dataset(listed: Listed) -> proto::Dataset {
    let seen = listed.seen.as_ref();
    proto::Dataset {
        name: listed.name,
        location: listed.location,
        kind: kind(listed.kind).to_owned(),
        images: seen.map_or(0, |seen| seen.images as u64),
        classes: Vec::new(),
        list_time: seen.map(|seen| seen.at.into()),
        skipped: seen.map_or(0, |seen| seen.skipped),
        skipped_files: Vec::new(),
    }
}

/// A dataset that was listed.
#[must_use]
pub fn dataset(listed: Option<Listed>, dataset: &Dataset) -> proto::Dataset {
    let skipped = dataset.skipped().iter().take(SKIPPED_IMAGES);
    proto::Dataset {
        name: dataset.name().to_owned(),
        location: listed.map(|listed| listed.location).unwrap_or_default(),
        kind: kind(dataset.kind()).to_owned(),
        images: dataset.len() as u64,
        classes: dataset.classes().iter().take(LISTED_CLASSES).cloned().collect(),
        list_time: Some(dataset.listed_at().into()),
        skipped: dataset.skipped_total(),
        skipped_files: skipped
            .map(|file| proto::SkippedFile { path: file.path.clone(), reason: file.reason.clone() })
            .collect(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Folder => "folder",
        Kind::Manifest => "manifest",
        Kind::Shards => "shards",
    }
}

/// A table of the index.
#[must_use]
pub fn index(table: TableInfo) -> proto::Index {
    let key = table.key;
    proto::Index {
        id: table.id,
        model: key.model,
        model_digest: key.model_digest,
        layer: key.layer,
        reading: key.reading,
        preprocessing: key.preprocessing,
        images: table.rows as u64,
        units: key.units,
        size_bytes: table.bytes,
        create_time: Some(table.created.into()),
        use_time: Some(table.used.into()),
    }
}
