//! `ModelService`: the models folder, and filters of models.

use super::required;
use crate::data::models::Models;
use crate::filters::filters;
use crate::limits::{FILTER_CALLS, LISTED_LABEL_BYTES, Limits, RANKED_LAYERS};
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use unitscope_engine::model::{Axis, Model};
use unitscope_engine::spec::FieldError;
use unitscope_proto::v1 as proto;

/// The service.
pub struct ModelHandlers {
    models: Arc<Models>,
    limits: Limits,
    /// Another size than the model's own takes a walk through the whole graph; one at a time.
    sizes: Arc<Semaphore>,
    /// Held while filters are fitted.
    filter_calls: Arc<Semaphore>,
}

impl ModelHandlers {
    /// Over these models.
    #[must_use]
    pub fn new(models: Arc<Models>, limits: Limits) -> Self {
        let [sizes, filter_calls] = [1, FILTER_CALLS].map(|calls| Arc::new(Semaphore::new(calls)));
        Self { models, limits, sizes, filter_calls }
    }

    /// A model with its layers at this size, on a thread that may block. It goes on if the client leaves, and keeps its permit.
    async fn listed(&self, model: Arc<Model>, height: u32, width: u32) -> Result<proto::Model, Status> {
        let panicked = |_| status::internal("listing the layers panicked, which is a fault of the server");
        let own = &model.manifest().input;
        let permit = if (height, width) == (own.height, own.width) {
            None
        } else {
            Some(self.sizes.clone().acquire_owned().await.map_err(|_| status::closing())?)
        };
        let listing = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            model.listing(height, width).map(|listing| to_proto::loaded(&model, &listing))
        });
        listing.await.map_err(panicked)?.map_err(|error| status::invalid_field("height", error.to_string()))
    }
}

/// Refuses sizes beyond the server's limit and those that the export does not allow.
fn check_size(model: &Model, limits: &Limits, height: u32, width: u32) -> Result<(), Status> {
    let most = limits.image_side_px;
    let sides = [("height", height), ("width", width)];
    let beyond = sides.into_iter().filter(|(_, side)| !(1..=most).contains(side));
    let mut wrong: Vec<FieldError> = beyond
        .map(|(field, side)| FieldError::new(field, format!("{side} is out of range; it must be 1 … {most}")))
        .collect();
    if wrong.is_empty() {
        let refusals = model.refusals(*model.batches().start(), height, width);
        let field = |axis| if axis == Axis::Width { "width" } else { "height" };
        wrong.extend(refusals.into_iter().map(|(axis, reason)| FieldError::new(field(axis), reason)));
    }
    if wrong.is_empty() { Ok(()) } else { Err(status::invalid(wrong)) }
}

/// Leaves of a listing the layers that are asked for, in that order.
fn pick(listed: &mut proto::Model, model: &Model, names: &[String]) -> Result<(), Status> {
    if names.len() > RANKED_LAYERS {
        let reason = format!("{} are too many; give at most {RANKED_LAYERS}", names.len());
        return Err(status::invalid_field("layers", reason));
    }
    let mut picked = Vec::with_capacity(names.len());
    let mut wrong = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match model.layer(name) {
            Ok(info) => picked.extend(listed.layers.iter().find(|layer| layer.path == info.path).cloned()),
            Err(error) => wrong.push(FieldError::new(format!("layers[{place}]"), error.to_string())),
        }
    }
    if !wrong.is_empty() {
        return Err(status::invalid(wrong));
    }
    listed.layers = picked;
    Ok(())
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
        let proto::GetModelRequest { name, height, width, layers } = request.into_inner();
        required("name", &name)?;
        let model = self.models.get(&name).await?;
        let own = &model.manifest().input;
        let is_given = height.is_some() || width.is_some();
        let (height, width) = (height.unwrap_or(own.height), width.unwrap_or(own.width));
        if is_given {
            check_size(&model, &self.limits, height, width)?;
        }
        let mut listed = self.listed(model.clone(), height, width).await?;
        if !layers.is_empty() {
            pick(&mut listed, &model, &layers)?;
        }
        Ok(Response::new(listed))
    }

    async fn load_model(
        &self,
        request: Request<proto::LoadModelRequest>,
    ) -> Result<Response<proto::Model>, Status> {
        let name = request.into_inner().name;
        required("name", &name)?;
        let model = self.models.load(&name).await?;
        let (height, width) = (model.manifest().input.height, model.manifest().input.width);
        Ok(Response::new(self.listed(model, height, width).await?))
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
