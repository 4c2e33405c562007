//! `ModelService`: the models folder, and filters of models.

use super::required;
use crate::data::models::Models;
use crate::filters::filters;
use crate::limits::{FILTER_CALLS, LISTED_LABEL_BYTES};
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct ModelHandlers {
    models: Arc<Models>,
    /// Held while filters are fitted.
    filter_calls: Arc<Semaphore>,
}

impl ModelHandlers {
    /// Over these models.
    #[must_use]
    pub fn new(models: Arc<Models>) -> Self {
        Self { models, filter_calls: Arc::new(Semaphore::new(FILTER_CALLS)) }
    }
}

#[tonic::async_trait]
impl proto::model_service_server::ModelService for ModelHandlers {
    async fn list_models(
        &self,
        _: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        let models = self.models.clone();
        let listed = tokio::task::spawn_blocking(move || models.list()).await;
        let listed = listed
            .map_err(|_| status::internal("listing the models panicked, which is a fault of the server"))?;
        let mut models: Vec<proto::Model> = listed.iter().map(to_proto::listed).collect();
        let mut room = LISTED_LABEL_BYTES;
        for model in &mut models {
            // Tag and length of a label.
            let bytes: usize = model.labels.iter().map(|label| label.len() + 8).sum();
            match room.checked_sub(bytes) {
                Some(rest) => room = rest,
                None => model.labels.clear(),
            }
        }
        Ok(Response::new(proto::ListModelsResponse { models }))
    }

    async fn get_model(
        &self,
        request: Request<proto::GetModelRequest>,
    ) -> Result<Response<proto::Model>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        let model = self.models.get(&name).await?;
        Ok(Response::new(to_proto::loaded(&model)))
    }

    async fn load_model(
        &self,
        request: Request<proto::LoadModelRequest>,
    ) -> Result<Response<proto::Model>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        let model = self.models.load(&name).await?;
        Ok(Response::new(to_proto::loaded(&model)))
    }

    async fn unload_model(
        &self,
        request: Request<proto::UnloadModelRequest>,
    ) -> Result<Response<proto::Model>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        Ok(Response::new(to_proto::listed(&self.models.unload(&name)?)))
    }

    async fn render_filters(
        &self,
        request: Request<proto::RenderFiltersRequest>,
    ) -> Result<Response<proto::RenderFiltersResponse>, Status> {
        let proto::RenderFiltersRequest { model, layer, filters: wanted } = request.into_inner();
        required("model", &model)?;
        let model = self.models.get(&model).await?;
        let permit = self.filter_calls.clone().acquire_owned().await.map_err(|_| status::closing())?;
        let work = move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _permit = permit;
            filters(&model, &layer, &wanted).map(|made| to_proto::filters(&model, made))
        };
        let made = tokio::task::spawn_blocking(work).await;
        let made = made
            .map_err(|_| status::internal("drawing the filters panicked, which is a fault of the server"))?;
        Ok(Response::new(made?))
    }
}
