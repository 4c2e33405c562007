//! `PluginService`: terms that plugins supply.

use super::required;
use crate::job::Jobs;
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct Plugins {
    jobs: Arc<Jobs>,
}

impl Plugins {
    /// Over the terms that these jobs can use.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>) -> Self {
        Self { jobs }
    }
}

#[tonic::async_trait]
impl proto::plugin_service_server::PluginService for Plugins {
    async fn list_terms(
        &self,
        _: Request<proto::ListTermsRequest>,
    ) -> Result<Response<proto::ListTermsResponse>, Status> {
        let mut terms: Vec<proto::TermInfo> =
            self.jobs.registry().terms().map(|term| to_proto::term(term)).collect();
        terms.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Response::new(proto::ListTermsResponse { terms }))
    }

    async fn get_term(
        &self,
        request: Request<proto::GetTermRequest>,
    ) -> Result<Response<proto::TermInfo>, Status> {
        let id = request.into_inner().id;
        required("id", &id)?;
        let term = self.jobs.registry().term(&id).map_err(|error| status::no_term(&error))?;
        Ok(Response::new(to_proto::term(&term)))
    }
}
