//! `VisualizationService`: new jobs, and their progress.

use super::{Admitted, PartSender, Parts, admit, job_id, required};
use crate::data::models::Models;
use crate::job::Jobs;
use crate::job::follow::Update;
use crate::job::rank::{RankSubmission, Rankings};
use crate::job::submit::{Submission, SubmitError};
use crate::limits::{Limits, PREVIEW_MIN_SIDE_PX, PREVIEW_SIDE_PX, STREAM_BUFFER};
use crate::rpc::from_proto::{self, Context, ModelFacts};
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::block_in_place;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct Visualization {
    jobs: Arc<Jobs>,
    models: Arc<Models>,
    rankings: Arc<Rankings>,
    limits: Limits,
    streams: Arc<Semaphore>,
}

impl Visualization {
    /// Over these jobs, models and datasets.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>, models: Arc<Models>, rankings: Arc<Rankings>, limits: Limits) -> Self {
        let streams = Arc::new(Semaphore::new(limits.progress_streams as usize));
        Self { jobs, models, rankings, limits, streams }
    }
}

#[tonic::async_trait]
impl proto::visualization_service_server::VisualizationService for Visualization {
    async fn rank(&self, request: Request<proto::RankRequest>) -> Result<Response<proto::Job>, Status> {
        let request = request.into_inner();
        let (place, key) = match admit(&self.jobs, &request.request_id, request.spec.as_ref())? {
            Admitted::New(place, key) => (place, key),
            Admitted::Before(job) => return Ok(Response::new(*job)),
        };
        let mut spec = request.spec.unwrap_or_default();
        required("spec.model", &spec.model)?;
        required("spec.dataset", &spec.dataset)?;
        let model = self.models.get(&spec.model).await?;
        from_proto::name_ranked_layers(&mut spec.units, &mut spec.layers, &model);
        let order = from_proto::rank(&spec, &self.limits).map_err(SubmitError::Invalid)?;
        let submission = RankSubmission { place, order: Arc::new(order), model, request: key };
        let job = self.jobs.submit_rank(&self.rankings, submission).await?;
        Ok(Response::new(to_proto::job_with_bytes(&job, self.jobs.store())))
    }

    async fn optimize(
        &self,
        request: Request<proto::OptimizeRequest>,
    ) -> Result<Response<proto::Job>, Status> {
        let request = request.into_inner();
        let (place, key) = match admit(&self.jobs, &request.request_id, request.spec.as_ref())? {
            Admitted::New(place, key) => (place, key),
            Admitted::Before(job) => return Ok(Response::new(*job)),
        };
        let mut spec = request.spec.unwrap_or_default();
        required("spec.model", &spec.model)?;
        let model = self.models.get(&spec.model).await?;
        from_proto::name_term_layers(&mut spec.terms, &model, self.jobs.registry());
        let context =
            Context { model: ModelFacts::of(&model), limits: &self.limits, registry: self.jobs.registry() };
        let permit = self.jobs.validation().await?;
        // References are decoded here.
        let spec = block_in_place(|| from_proto::spec(&spec, &context)).map_err(SubmitError::Invalid)?;
        drop(permit);
        let job = self.jobs.submit(Submission { place, spec, model, request: key }).await?;
        Ok(Response::new(to_proto::job(&job)))
    }

    type StreamProgressStream = Parts<proto::StreamProgressResponse>;

    async fn stream_progress(
        &self,
        request: Request<proto::StreamProgressRequest>,
    ) -> Result<Response<Self::StreamProgressStream>, Status> {
        let request = request.into_inner();
        required("name", &request.name)?;
        let id = job_id(&request.name)?;
        let job = self.jobs.store().job(id).map_err(|gone| status::no_job(&request.name, gone))?;
        if request.after_sequence > job.last_sequence {
            return Err(status::past_the_end("after_sequence", request.after_sequence, job.last_sequence));
        }
        let preview_side_px = preview_side(request.previews.as_ref())?;
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| {
            let message = format!(
                "{} progress streams are open, which is this server's limit",
                self.limits.progress_streams
            );
            status::exhausted("TOO_MANY_STREAMS", "progress_streams", &message)
        })?;
        let updates = self.jobs.follow(id, request.after_sequence, preview_side_px);
        let (sender, parts) = mpsc::channel(STREAM_BUFFER);
        let told = tell(self.jobs.clone(), request.name, updates, sender);
        tokio::spawn(async move {
            // Held until the last part was taken, not only until the stream was opened.
            let _permit = permit;
            told.await;
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }
}

/// The size of previews that a request wants, if it wants any.
fn preview_side(previews: Option<&proto::PreviewOptions>) -> Result<Option<u32>, Status> {
    let Some(previews) = previews.filter(|previews| previews.enabled) else { return Ok(None) };
    let side = previews.max_side.unwrap_or(PREVIEW_SIDE_PX);
    if (PREVIEW_MIN_SIDE_PX..=PREVIEW_SIDE_PX).contains(&side) {
        return Ok(Some(side));
    }
    let reason = format!("{side} is out of range; it must be {PREVIEW_MIN_SIDE_PX} … {PREVIEW_SIDE_PX}");
    Err(status::invalid_field("previews.max_side", reason))
}

/// Passes updates on as messages; the last is always `done` or an error.
async fn tell(
    jobs: Arc<Jobs>,
    name: String,
    mut updates: mpsc::Receiver<Update>,
    sender: PartSender<proto::StreamProgressResponse>,
) {
    while let Some(update) = updates.recv().await {
        let done = matches!(update, Update::Done(_));
        let part = to_proto::update(&name, update, jobs.store());
        let ended = done || part.is_err();
        if sender.send(part).await.is_err() || ended {
            return;
        }
    }
    // The follower stopped without a last word: the server stops while this reader was slow.
    let _ = sender.send(Err(status::closing())).await;
}
