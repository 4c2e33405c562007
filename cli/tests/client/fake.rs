//! A server in the test's process that answers from a script. It validates nothing and makes no picture.

// The API has a message `Box`, which would stand in the way of what `async_trait` writes.
use std::boxed::Box;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, async_trait};
use unitscope_proto::v1::{self, *};

/// What the server answers with, and what it was asked.
#[derive(Default)]
pub struct Script {
    /// The answer to Optimize, Rank and RenderCard; none: the first of `jobs`.
    pub refusal: Option<Status>,
    /// What GetJob and ListJobs know.
    pub jobs: Vec<Job>,
    /// What each StreamProgress call sends, in turn; the last list stays open if `hangs`.
    pub streams: VecDeque<Vec<Result<StreamProgressResponse, Status>>>,
    /// Whether streams stay open after their last event.
    pub hangs: bool,
    /// What ReadArtifact sends.
    pub artifacts: HashMap<String, Vec<u8>>,
    /// After so many bytes the first ReadArtifact breaks.
    pub breaks_after: Option<usize>,
    /// What GetModel and ListModels know.
    pub models: Vec<Model>,
    /// What GetTerm and ListTerms know.
    pub terms: Vec<TermInfo>,
    /// Requests of Optimize.
    pub submitted: Vec<OptimizeRequest>,
    /// Requests of Rank.
    pub ranked: Vec<RankRequest>,
    /// Requests of RenderCard.
    pub rendered: Vec<RenderCardRequest>,
    /// Requests of GetDataset.
    pub dataset_requests: Vec<GetDatasetRequest>,
    /// `after_sequence` of each StreamProgress.
    pub after_sequences: Vec<u64>,
    /// `read_offset` of each ReadArtifact.
    pub read_offsets: Vec<i64>,
    /// Names of jobs that were cancelled or deleted, and of deleted indexes.
    pub ended: Vec<String>,
}

/// Shared with the services.
#[derive(Clone)]
pub struct Fake {
    script: Arc<Mutex<Script>>,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

type Stream<T> = UnboundedReceiverStream<Result<T, Status>>;

impl Fake {
    /// Serves on a free port for as long as the runtime lives.
    pub async fn start(script: Script) -> Fake {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Fake { script: Arc::new(Mutex::new(script)), url };
        let server = tonic::transport::Server::builder()
            .add_service(visualization_service_server::VisualizationServiceServer::new(fake.clone()))
            .add_service(card_service_server::CardServiceServer::new(fake.clone()))
            .add_service(dataset_service_server::DatasetServiceServer::new(fake.clone()))
            .add_service(job_service_server::JobServiceServer::new(fake.clone()))
            .add_service(artifact_service_server::ArtifactServiceServer::new(fake.clone()))
            .add_service(model_service_server::ModelServiceServer::new(fake.clone()))
            .add_service(plugin_service_server::PluginServiceServer::new(fake.clone()))
            .add_service(server_service_server::ServerServiceServer::new(fake.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        fake
    }

    /// The script as it stands.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn job(&self, name: &str) -> Result<Response<Job>, Status> {
        let found = self.script().jobs.iter().find(|job| job.name == name).cloned();
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no job `{name}`")))
    }

    /// The answer to a request for a job.
    fn accepted(&self) -> Result<Response<Job>, Status> {
        let script = self.script();
        match &script.refusal {
            Some(status) => Err(status.clone()),
            None => Ok(Response::new(script.jobs[0].clone())),
        }
    }

    fn model(&self, name: &str) -> Result<Response<Model>, Status> {
        let found = self.script().models.iter().find(|model| model.name == name).cloned();
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no model `{name}`")))
    }
}

/// A stream of these items, which ends then or hangs.
fn stream<T: Send + 'static>(items: Vec<Result<T, Status>>, hangs: bool) -> Response<Stream<T>> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    for item in items {
        sender.send(item).unwrap_or_else(|_| unreachable!("the receiver is held below"));
    }
    if hangs {
        tokio::spawn(async move { sender.closed().await });
    }
    Response::new(UnboundedReceiverStream::new(receiver))
}

#[async_trait]
impl visualization_service_server::VisualizationService for Fake {
    type StreamProgressStream = Stream<StreamProgressResponse>;

    async fn rank(&self, request: Request<RankRequest>) -> Result<Response<Job>, Status> {
        self.script().ranked.push(request.into_inner());
        self.accepted()
    }

    async fn optimize(&self, request: Request<OptimizeRequest>) -> Result<Response<Job>, Status> {
        self.script().submitted.push(request.into_inner());
        self.accepted()
    }

    async fn stream_progress(
        &self,
        request: Request<StreamProgressRequest>,
    ) -> Result<Response<Self::StreamProgressStream>, Status> {
        let mut script = self.script();
        script.after_sequences.push(request.get_ref().after_sequence);
        let hangs = script.hangs;
        let events = script.streams.pop_front().ok_or_else(|| Status::unavailable("the script is over"))?;
        Ok(stream(events, hangs))
    }
}

#[async_trait]
impl card_service_server::CardService for Fake {
    async fn render_card(&self, request: Request<RenderCardRequest>) -> Result<Response<Job>, Status> {
        self.script().rendered.push(request.into_inner());
        self.accepted()
    }
}

#[async_trait]
impl dataset_service_server::DatasetService for Fake {
    async fn list_datasets(
        &self,
        _: Request<ListDatasetsRequest>,
    ) -> Result<Response<ListDatasetsResponse>, Status> {
        let dataset = Dataset { name: "shapes".into(), kind: "folder".into(), ..Dataset::default() };
        Ok(Response::new(ListDatasetsResponse { datasets: vec![dataset] }))
    }

    async fn get_dataset(&self, request: Request<GetDatasetRequest>) -> Result<Response<Dataset>, Status> {
        let request = request.into_inner();
        self.script().dataset_requests.push(request.clone());
        match request.name.as_str() {
            "shapes" => Ok(Response::new(Dataset {
                name: "shapes".into(),
                kind: "folder".into(),
                images: 2000,
                classes: vec!["dots".into(), "rings".into()],
                ..Dataset::default()
            })),
            name => Err(Status::not_found(format!("there is no dataset `{name}`"))),
        }
    }

    async fn list_indexes(
        &self,
        _: Request<ListIndexesRequest>,
    ) -> Result<Response<ListIndexesResponse>, Status> {
        let index = Index { id: "a1".into(), layer: "block3".into(), size_bytes: 1536, ..Index::default() };
        Ok(Response::new(ListIndexesResponse { indexes: vec![index] }))
    }

    async fn delete_index(
        &self,
        request: Request<DeleteIndexRequest>,
    ) -> Result<Response<DeleteIndexResponse>, Status> {
        let id = request.into_inner().id;
        match id.as_str() {
            "x" => Err(Status::not_found("there is no index `x`")),
            _ => {
                self.script().ended.push(id);
                Ok(Response::new(DeleteIndexResponse {}))
            }
        }
    }
}

#[async_trait]
impl job_service_server::JobService for Fake {
    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<Job>, Status> {
        self.job(&request.get_ref().name)
    }

    async fn list_jobs(&self, _: Request<ListJobsRequest>) -> Result<Response<ListJobsResponse>, Status> {
        let jobs = self.script().jobs.clone();
        Ok(Response::new(ListJobsResponse { jobs, ..ListJobsResponse::default() }))
    }

    async fn wait_job(&self, request: Request<WaitJobRequest>) -> Result<Response<Job>, Status> {
        self.job(&request.get_ref().name)
    }

    async fn cancel_job(&self, request: Request<CancelJobRequest>) -> Result<Response<Job>, Status> {
        self.script().ended.push(request.get_ref().name.clone());
        self.job(&request.get_ref().name)
    }

    async fn delete_job(
        &self,
        request: Request<DeleteJobRequest>,
    ) -> Result<Response<DeleteJobResponse>, Status> {
        self.script().ended.push(request.get_ref().name.clone());
        self.job(&request.get_ref().name).map(|_| Response::new(DeleteJobResponse {}))
    }
}

#[async_trait]
impl artifact_service_server::ArtifactService for Fake {
    type ReadArtifactStream = Stream<ReadArtifactResponse>;

    async fn get_artifact(&self, _: Request<GetArtifactRequest>) -> Result<Response<Artifact>, Status> {
        Err(Status::unimplemented("the client reads artifacts"))
    }

    async fn read_artifact(
        &self,
        request: Request<ReadArtifactRequest>,
    ) -> Result<Response<Self::ReadArtifactStream>, Status> {
        let mut script = self.script();
        let request = request.into_inner();
        script.read_offsets.push(request.read_offset);
        let rest = script.artifacts[&request.name][request.read_offset as usize..].to_vec();
        let breaks_after = script.breaks_after.take();
        let sent = &rest[..breaks_after.unwrap_or(rest.len())];
        let mut chunks: Vec<_> =
            sent.chunks(100).map(|chunk| Ok(ReadArtifactResponse { data: chunk.to_vec() })).collect();
        if breaks_after.is_some() {
            chunks.push(Err(Status::unavailable("the line was cut")));
        }
        Ok(stream(chunks, false))
    }
}

#[async_trait]
impl model_service_server::ModelService for Fake {
    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        Ok(Response::new(ListModelsResponse { models: self.script().models.clone() }))
    }

    async fn get_model(&self, request: Request<GetModelRequest>) -> Result<Response<Model>, Status> {
        let GetModelRequest { name, layers, .. } = request.into_inner();
        let mut answer = self.model(&name)?;
        if !layers.is_empty() {
            let known = std::mem::take(&mut answer.get_mut().layers);
            let find = |name: &String| known.iter().find(|layer| layer.path == *name).cloned();
            let found: Option<_> = layers.iter().map(find).collect();
            answer.get_mut().layers =
                found.ok_or_else(|| Status::invalid_argument("there is no such layer"))?;
        }
        Ok(answer)
    }

    async fn load_model(&self, request: Request<LoadModelRequest>) -> Result<Response<Model>, Status> {
        self.model(&request.get_ref().name)
    }

    async fn unload_model(&self, request: Request<UnloadModelRequest>) -> Result<Response<Model>, Status> {
        self.model(&request.get_ref().name)
    }

    async fn render_filters(
        &self,
        _: Request<RenderFiltersRequest>,
    ) -> Result<Response<RenderFiltersResponse>, Status> {
        Err(Status::unimplemented("filters are asked of the real server"))
    }
}

#[async_trait]
impl plugin_service_server::PluginService for Fake {
    async fn list_terms(&self, _: Request<ListTermsRequest>) -> Result<Response<ListTermsResponse>, Status> {
        Ok(Response::new(ListTermsResponse { terms: self.script().terms.clone() }))
    }

    async fn get_term(&self, request: Request<GetTermRequest>) -> Result<Response<TermInfo>, Status> {
        let id = &request.get_ref().id;
        let found = self.script().terms.iter().find(|term| term.id == *id).cloned();
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no term `{id}`")))
    }
}

#[async_trait]
impl server_service_server::ServerService for Fake {
    async fn get_server_info(
        &self,
        _: Request<GetServerInfoRequest>,
    ) -> Result<Response<ServerInfo>, Status> {
        let limits = Some(v1::Limits { images: 64, ..v1::Limits::default() });
        Ok(Response::new(ServerInfo {
            version: "1.2.3".into(),
            device: "cpu".into(),
            limits,
            ..ServerInfo::default()
        }))
    }
}
