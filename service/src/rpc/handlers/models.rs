//! `ModelService`: the models folder.

use super::required;
use crate::data::models::Models;
use crate::limits::LISTED_LABEL_BYTES;
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct ModelHandlers {
    models: Arc<Models>,
}

impl ModelHandlers {
    /// Over these models.
    #[must_use]
    pub fn new(models: Arc<Models>) -> Self {
        Self { models }
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
}
