//! The JSON beside a picture: what it shows, how well, and how to make it again.

use super::pictures::Files;
use crate::json::to_json;
use serde_json::{Value, json};
use std::path::Path;
use unitscope_proto::v1::{Job, OptimizedImage, job};

/// Everything known about one picture. `spec` and `provenance` are proto JSON; `unitscope optimize --spec` takes the former.
pub fn sidecar(job: &Job, image: &OptimizedImage, files: &Files) -> Value {
    let Some(job::Spec::Optimize(spec)) = &job.spec else { return Value::Null };
    let terms: Vec<Value> = spec
        .terms
        .iter()
        .zip(&image.terms)
        .filter(|(_, values)| !values.values.is_empty())
        .map(|(term, values)| {
            let mut value = to_json("Term", term);
            value["values"] = json!(values.values);
            value
        })
        .collect();
    json!({
        "label": image.label,
        "png": file_name(&files.png),
        "tensor": files.tensor.as_deref().map(file_name),
        "snapshots": files.snapshots.iter()
            .map(|(step, path)| json!({"step": step, "png": file_name(path)})).collect::<Vec<_>>(),
        "outcome": image.outcome().as_str_name(),
        "hint": image.hint,
        "score": image.score,
        "startScore": image.start_score,
        "steps": image.steps,
        "terms": terms,
        "blake3": image.png.as_ref().map(|png| &png.blake3),
        "job": job.name,
        "spec": to_json("OptimizeSpec", spec),
        "provenance": job.provenance.as_ref().map(|provenance| to_json("Provenance", provenance)),
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
