//! `CardService`: new cards.

use super::{Admitted, admit, required};
use crate::data::models::Models;
use crate::job::Jobs;
use crate::job::card::CardSubmission;
use crate::job::rank::Rankings;
use crate::job::submit::SubmitError;
use crate::limits::Limits;
use crate::rpc::from_proto::{self, Context, ModelFacts};
use crate::rpc::to_proto;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct CardHandlers {
    jobs: Arc<Jobs>,
    models: Arc<Models>,
    rankings: Arc<Rankings>,
    limits: Limits,
}

impl CardHandlers {
    /// Over these jobs, models and datasets.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>, models: Arc<Models>, rankings: Arc<Rankings>, limits: Limits) -> Self {
        Self { jobs, models, rankings, limits }
    }
}

#[tonic::async_trait]
impl proto::card_service_server::CardService for CardHandlers {
    async fn render_card(
        &self,
        request: Request<proto::RenderCardRequest>,
    ) -> Result<Response<proto::Job>, Status> {
        let request = request.into_inner();
        let (place, key) = match admit(&self.jobs, &request.request_id, request.spec.as_ref())? {
            Admitted::New(place, key) => (place, key),
            Admitted::Before(job) => return Ok(Response::new(*job)),
        };
        let mut spec = request.spec.unwrap_or_default();
        required("spec.model", &spec.model)?;
        required("spec.dataset", &spec.dataset)?;
        let model = self.models.get(&spec.model).await?;
        from_proto::name_ranked_layers(&mut spec.units, &mut [], &model);
        let context =
            Context { model: ModelFacts::of(&model), limits: &self.limits, registry: self.jobs.registry() };
        let order = from_proto::card(&spec, &model, &context).map_err(SubmitError::Invalid)?;
        let submission = CardSubmission { place, order, model, request: key };
        let job = self.jobs.submit_card(&self.rankings, submission).await?;
        Ok(Response::new(to_proto::job(&job)))
    }
}
