//! `ServerService`: what the server is and allows.

use crate::job::Provenance;
use crate::limits::Limits;
use crate::rpc::to_proto::SERVER_VERSION;
use tonic::{Request, Response, Status};
use unitscope_engine::device::LIBTORCH_VERSION;
use unitscope_engine::plugin::Problem;
use unitscope_proto::v1 as proto;

/// The service. Nothing that it tells changes while the server runs.
pub struct Server {
    info: proto::ServerInfo,
}

impl Server {
    /// Tells about this place.
    #[must_use]
    pub fn new(place: &Provenance, limits: &Limits, problems: &[Problem]) -> Self {
        let problem = |problem: &Problem| proto::PluginProblem {
            library: problem.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reason: problem.reason.clone(),
        };
        let info = proto::ServerInfo {
            version: SERVER_VERSION.to_owned(),
            libtorch_version: LIBTORCH_VERSION.to_owned(),
            device: place.device.clone(),
            threads: u32::try_from(place.threads).unwrap_or(u32::MAX),
            limits: Some(self::limits(limits)),
            plugin_problems: problems.iter().map(problem).collect(),
        };
        Self { info }
    }
}

fn limits(limits: &Limits) -> proto::Limits {
    proto::Limits {
        images: limits.images,
        steps: limits.steps,
        terms: limits.terms,
        step_values: limits.step_values,
        image_side_px: limits.image_side_px,
        job_pixels: limits.job_pixels,
        snapshots: limits.snapshots,
        queued_jobs: limits.queued_jobs,
        kept_jobs: limits.kept_jobs,
        kept_bytes: limits.kept_bytes,
        progress_streams: limits.progress_streams,
        loaded_models: limits.loaded_models,
        ranked_units: limits.ranked_units,
        hits: limits.hits,
    }
}

#[tonic::async_trait]
impl proto::server_service_server::ServerService for Server {
    async fn get_server_info(
        &self,
        _: Request<proto::GetServerInfoRequest>,
    ) -> Result<Response<proto::ServerInfo>, Status> {
        Ok(Response::new(self.info.clone()))
    }
}
