//! A ranking as files for other programs: JSON, CSV, NumPy. It knows no index.

use super::answer::Found;
use super::places::Places;
use super::prepare::RankTask;
use super::{Hit, Unit, What};
use crate::data::index::RowId;
use crate::data::pictures::npy_matrix;
use crate::job::store::JobStore;
use crate::job::{Artifact, ArtifactInfo};
use serde_json::{Value, json};
use ulid::Ulid;
use unitscope_engine::rank::order::{Pick, Statistics};

/// Everything that goes into the files.
pub(super) struct Summary<'a> {
    pub task: &'a RankTask,
    pub found: &'a [Found],
    /// The images, and what was left out.
    pub places: &'a Places,
}

impl Summary<'_> {
    /// Keeps the files with the job: JSON, CSV, and all scores with their images where asked for.
    pub fn keep(
        &self,
        job: Ulid,
        store: &dyn JobStore,
    ) -> (ArtifactInfo, ArtifactInfo, Option<(ArtifactInfo, ArtifactInfo)>) {
        let keep = |file: &str, media_type, data| {
            Artifact::new(file.to_owned(), media_type, (0, 0), data).keep(store, job)
        };
        let json = serde_json::to_vec_pretty(&self.json()).expect("maps with string keys are JSON");
        let json = keep("ranking.json", "application/json", json);
        let csv = keep("ranking.csv", "text/csv", self.hits_csv());
        let scores = self.task.order.return_scores.then(|| {
            let rows: Vec<&[f32]> = self.found.iter().map(|found| found.scores.as_slice()).collect();
            let scores = keep("scores.npy", "application/x-npy", npy_matrix(&rows, self.places.images.len()));
            (scores, keep("images.csv", "text/csv", self.images_csv()))
        });
        (json, csv, scores)
    }

    fn json(&self) -> Value {
        let (task, order) = (self.task, &self.task.order);
        let skipped: Vec<Value> = self
            .places
            .skipped
            .iter()
            .map(|(path, reason)| json!({"path": path, "reason": reason}))
            .collect();
        let units = order.units.iter().zip(self.found);
        json!({
            "model": order.model,
            "model_digest": task.model.digest(),
            "dataset": order.dataset,
            "classes": order.classes,
            "images": self.places.images.len(),
            "skipped": self.places.skipped_total,
            "skipped_images": skipped,
            "units": units.map(|(unit, found)| self.unit_json(unit, found)).collect::<Vec<_>>(),
        })
    }

    fn unit_json(&self, unit: &Unit, found: &Found) -> Value {
        let groups = self.task.order.picks.iter().zip(&found.groups);
        let group = |(pick, hits): (&Pick, &Vec<Hit>)| {
            let hits: Vec<Value> = hits.iter().map(hit_json).collect();
            json!({"pick": pick_text(pick), "hits": hits})
        };
        let what = match &unit.what {
            What::Channel(channel) => json!({"channel": channel}),
            What::Direction { weights, channels } => json!({"weights": weights, "channels": channels}),
        };
        json!({
            "label": unit.label,
            "layer": unit.layer,
            "unit": what,
            "reducer": format!("{:?}", unit.reducer),
            "statistics": self.statistics_json(&found.statistics),
            "groups": groups.map(group).collect::<Vec<_>>(),
        })
    }

    fn statistics_json(&self, statistics: &Statistics) -> Value {
        let classes = self.task.roll.dataset.classes();
        let means: Vec<Value> = statistics
            .class_means
            .iter()
            .map(
                |mean| json!({"class": classes[mean.class as usize], "mean": mean.mean, "count": mean.count}),
            )
            .collect();
        json!({
            "count": statistics.count,
            "not_a_number": statistics.not_a_number,
            "min": statistics.min,
            "max": statistics.max,
            "mean": statistics.mean,
            "deviation": statistics.deviation,
            "share_above_zero": statistics.share_above_zero,
            "dead": statistics.dead,
            "histogram": statistics.histogram.counts,
            "histogram_low": statistics.histogram.low,
            "histogram_high": statistics.histogram.high,
            "class_means": means,
        })
    }

    fn hits_csv(&self) -> Vec<u8> {
        const HEADER: [&str; 15] = [
            "unit",
            "pick",
            "nth",
            "image",
            "path",
            "class",
            "score",
            "rank",
            "percentile",
            "row",
            "column",
            "top",
            "left",
            "bottom",
            "right",
        ];
        let mut lines = vec![HEADER.map(str::to_owned).to_vec()];
        for (unit, found) in self.task.order.units.iter().zip(self.found) {
            for (pick, hits) in self.task.order.picks.iter().zip(&found.groups) {
                lines.extend(
                    hits.iter().zip(1..).map(|(hit, nth)| hit_line(&unit.label, &pick_text(pick), nth, hit)),
                );
            }
        }
        csv(lines)
    }

    fn images_csv(&self) -> Vec<u8> {
        let dataset = &self.task.roll.dataset;
        let line = |(row, entry): &(RowId, u32)| {
            let entry = &dataset.entries()[*entry as usize];
            let class = entry.class.map(|class| dataset.classes()[class as usize].clone());
            vec![super::answer::image_id(row), entry.path.clone(), class.unwrap_or_default()]
        };
        let header = ["image", "path", "class"].map(str::to_owned).to_vec();
        csv(std::iter::once(header).chain(self.places.images.iter().map(line)))
    }
}

fn hit_json(hit: &Hit) -> Value {
    let [top, left, bottom, right] = hit.window;
    json!({
        "image": hit.image,
        "path": hit.path,
        "class": hit.class,
        "score": hit.ranked.score,
        "rank": hit.ranked.rank,
        "percentile": hit.ranked.percentile,
        "position": hit.position.map(|(row, column)| json!({"row": row, "column": column})),
        "token": hit.token,
        "window": {"top": top, "left": left, "bottom": bottom, "right": right},
    })
}

fn hit_line(unit: &str, pick: &str, nth: u32, hit: &Hit) -> Vec<String> {
    let (row, column) =
        hit.position.map_or_else(Default::default, |(row, column)| (row.to_string(), column.to_string()));
    let mut line =
        vec![unit.to_owned(), pick.to_owned(), nth.to_string(), hit.image.clone(), hit.path.clone()];
    line.push(hit.class.clone().unwrap_or_default());
    line.extend([
        hit.ranked.score.to_string(),
        hit.ranked.rank.to_string(),
        hit.ranked.percentile.to_string(),
    ]);
    line.extend([row, column]);
    line.extend(hit.window.map(|side| side.to_string()));
    line
}

/// `top`, `bottom`, `45..55 %`, `1.5..2`.
fn pick_text(pick: &Pick) -> String {
    match pick {
        Pick::Top(_) => "top".to_owned(),
        Pick::Bottom(_) => "bottom".to_owned(),
        Pick::Percentiles { low, high, .. } => format!("{low}..{high} %"),
        Pick::Scores { low, high, .. } => format!("{low}..{high}"),
    }
}

fn csv(lines: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.write_record(&line).expect("memory takes every line, and all have as many fields");
    }
    writer.into_inner().expect("memory takes every line")
}
