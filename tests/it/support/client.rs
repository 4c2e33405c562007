//! A client of the whole API, as any Rust program could have it, and the few things that most tests do with it.

use std::future::Future;
use std::time::Duration;
use tonic::Status;
use tonic::transport::Channel;
use unitscope_proto::v1::artifact_service_client::ArtifactServiceClient;
use unitscope_proto::v1::card_service_client::CardServiceClient;
use unitscope_proto::v1::dataset_service_client::DatasetServiceClient;
use unitscope_proto::v1::job::{Result as JobResult, State};
use unitscope_proto::v1::job_service_client::JobServiceClient;
use unitscope_proto::v1::model_service_client::ModelServiceClient;
use unitscope_proto::v1::plugin_service_client::PluginServiceClient;
use unitscope_proto::v1::server_service_client::ServerServiceClient;
use unitscope_proto::v1::visualization_service_client::VisualizationServiceClient;
use unitscope_proto::v1::{
    Artifact, CancelJobRequest, CardSpec, GetJobRequest, Job, OptimizeRequest, OptimizeSpec, OptimizedImage,
    RankRequest, RankResult, RankSpec, ReadArtifactRequest, RenderCardRequest, Step, StreamProgressRequest,
    StreamProgressResponse, WaitJobRequest, stream_progress_response::Event,
};

/// No single wait of a test takes so long, not even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// One connection. Clones share it.
#[derive(Clone)]
pub struct Client {
    pub visualization: VisualizationServiceClient<Channel>,
    pub jobs: JobServiceClient<Channel>,
    pub artifacts: ArtifactServiceClient<Channel>,
    pub models: ModelServiceClient<Channel>,
    pub plugins: PluginServiceClient<Channel>,
    pub server: ServerServiceClient<Channel>,
    pub datasets: DatasetServiceClient<Channel>,
    pub cards: CardServiceClient<Channel>,
}

impl Client {
    /// Connects to HOST:PORT.
    pub async fn connect(address: &str) -> Self {
        let endpoint =
            Channel::from_shared(format!("http://{address}")).expect("the server gave its address");
        let channel = endpoint.connect().await.expect("the server listens");
        Self {
            visualization: VisualizationServiceClient::new(channel.clone()),
            jobs: JobServiceClient::new(channel.clone()),
            artifacts: ArtifactServiceClient::new(channel.clone()),
            models: ModelServiceClient::new(channel.clone()),
            plugins: PluginServiceClient::new(channel.clone()),
            server: ServerServiceClient::new(channel.clone()),
            datasets: DatasetServiceClient::new(channel.clone()),
            cards: CardServiceClient::new(channel),
        }
    }

    /// Submits a job.
    pub async fn submit(&self, spec: OptimizeSpec) -> Result<Job, Status> {
        let request = OptimizeRequest { spec: Some(spec), request_id: String::new() };
        within("Optimize", self.visualization.clone().optimize(request))
            .await
            .map(tonic::Response::into_inner)
    }

    /// Submits a ranking.
    pub async fn submit_rank(&self, spec: RankSpec) -> Result<Job, Status> {
        let request = RankRequest { spec: Some(spec), request_id: String::new() };
        within("Rank", self.visualization.clone().rank(request)).await.map(tonic::Response::into_inner)
    }

    /// Submits a ranking that must succeed, and gives the job and its result.
    pub async fn rank(&self, spec: RankSpec) -> (Job, RankResult) {
        let job = self.submit_rank(spec).await.unwrap_or_else(|status| panic!("refused: {status:?}"));
        let job = self.wait(&job.name).await;
        assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
        let Some(JobResult::RankResult(result)) = job.result.clone() else { panic!("no ranking: {job:?}") };
        (job, result)
    }

    /// Submits a card, and returns it when it has ended, however it ended.
    pub async fn card(&self, spec: CardSpec) -> Result<Job, Status> {
        let request = RenderCardRequest { spec: Some(spec), request_id: String::new() };
        let job = within("RenderCard", self.cards.clone().render_card(request)).await?.into_inner();
        Ok(self.wait(&job.name).await)
    }

    /// Submits a job that is right, and gives its name.
    pub async fn start(&self, spec: OptimizeSpec) -> String {
        self.submit(spec).await.unwrap_or_else(|status| panic!("refused: {status:?}")).name
    }

    /// Submits a job and returns it when it has ended, however it ended.
    pub async fn run(&self, spec: OptimizeSpec) -> Job {
        let name = self.start(spec).await;
        self.wait(&name).await
    }

    /// Submits a job that must succeed, and gives its pictures.
    pub async fn make(&self, spec: OptimizeSpec) -> Vec<OptimizedImage> {
        let job = self.run(spec).await;
        assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
        images(&job)
    }

    /// The job once it has ended.
    pub async fn wait(&self, name: &str) -> Job {
        let timeout = prost_types::Duration { seconds: PATIENCE.as_secs() as i64, nanos: 0 };
        let request = WaitJobRequest { name: name.to_owned(), timeout: Some(timeout) };
        let job = within("WaitJob", self.jobs.clone().wait_job(request))
            .await
            .expect("the job is kept")
            .into_inner();
        assert!(ended(&job), "`{name}` has not ended: {:?}", job.state());
        job
    }

    /// The job as it is now.
    pub async fn job(&self, name: &str) -> Result<Job, Status> {
        let request = GetJobRequest { name: name.to_owned() };
        within("GetJob", self.jobs.clone().get_job(request)).await.map(tonic::Response::into_inner)
    }

    /// Asks the job to stop.
    pub async fn cancel(&self, name: &str) -> Job {
        let request = CancelJobRequest { name: name.to_owned() };
        within("CancelJob", self.jobs.clone().cancel_job(request))
            .await
            .expect("the job is kept")
            .into_inner()
    }

    /// Follows a job from `after_sequence`.
    pub async fn follow(&self, name: &str, after_sequence: u64) -> Result<Progress, Status> {
        self.follow_with(StreamProgressRequest { name: name.to_owned(), after_sequence, previews: None })
            .await
    }

    /// Follows a job as `request` says.
    pub async fn follow_with(&self, request: StreamProgressRequest) -> Result<Progress, Status> {
        let answer = within("StreamProgress", self.visualization.clone().stream_progress(request)).await?;
        Ok(Progress { stream: answer.into_inner() })
    }

    /// Every event of a job up to its end.
    pub async fn events(&self, name: &str, after_sequence: u64) -> Vec<StreamProgressResponse> {
        let progress = self.follow(name, after_sequence).await;
        progress.unwrap_or_else(|status| panic!("refused: {status:?}")).rest().await
    }

    /// An artifact's bytes, inline or not.
    pub async fn bytes(&self, artifact: &Artifact) -> Vec<u8> {
        if !artifact.inline_data.is_empty() {
            return artifact.inline_data.clone();
        }
        let request = ReadArtifactRequest { name: artifact.name.clone(), read_offset: 0, read_limit: 0 };
        self.read(request).await.unwrap_or_else(|status| panic!("`{}`: {status:?}", artifact.name))
    }

    /// The bytes that `request` asks for.
    pub async fn read(&self, request: ReadArtifactRequest) -> Result<Vec<u8>, Status> {
        let mut chunks =
            within("ReadArtifact", self.artifacts.clone().read_artifact(request)).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = within("a chunk", chunks.message()).await? {
            bytes.extend(chunk.data);
        }
        Ok(bytes)
    }

    /// The bytes of a picture's PNG.
    pub async fn png(&self, image: &OptimizedImage) -> Vec<u8> {
        self.bytes(image.png.as_ref().expect("every picture has a PNG")).await
    }
}

/// An open StreamProgress call.
pub struct Progress {
    stream: tonic::Streaming<StreamProgressResponse>,
}

impl Progress {
    /// The next event, or none at the end.
    pub async fn next(&mut self) -> Option<StreamProgressResponse> {
        within("an event", self.stream.message()).await.expect("the stream ends with OK")
    }

    /// All further events.
    pub async fn rest(mut self) -> Vec<StreamProgressResponse> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads on to the first step that is at least `step`.
    pub async fn until_step(&mut self, step: u32) {
        loop {
            match self.next().await.and_then(|event| event.event) {
                Some(Event::Step(made)) if made.step >= step => return,
                Some(Event::Done(job)) => {
                    panic!("the job ended before step {step}: {:?} {:?}", job.state(), job.error)
                }
                Some(_) => {}
                None => panic!("the stream ended before step {step}"),
            }
        }
    }
}

/// The steps among events.
pub fn steps(events: &[StreamProgressResponse]) -> Vec<&Step> {
    events
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::Step(step)) => Some(step),
            _ => None,
        })
        .collect()
}

/// The pictures of a job that has a result.
pub fn images(job: &Job) -> Vec<OptimizedImage> {
    match &job.result {
        Some(JobResult::OptimizeResult(result)) => result.images.clone(),
        Some(other) => panic!("`{}` has no pictures: {other:?}", job.name),
        None => panic!("`{}` has no result: {:?} {:?}", job.name, job.state(), job.error),
    }
}

/// True where nothing more happens to the job.
pub fn ended(job: &Job) -> bool {
    matches!(job.state(), State::Succeeded | State::Failed | State::Cancelled)
}

/// Waits for an answer, but not for ever.
pub async fn within<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| panic!("{what} took longer than {} s", PATIENCE.as_secs()))
}
