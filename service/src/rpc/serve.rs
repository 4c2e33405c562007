//! All services on one listener: limits of messages and connections, health, reflection, and what happens when a handler panics.

use super::handlers::artifacts::Artifacts;
use super::handlers::cards::CardHandlers;
use super::handlers::datasets::DatasetHandlers;
use super::handlers::jobs::JobHandlers;
use super::handlers::models::ModelHandlers;
use super::handlers::plugins::Plugins;
use super::handlers::server::Server as ServerHandlers;
use super::handlers::visualization::Visualization;
use super::status;
use crate::limits::{
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, REQUEST_BYTES, REQUESTS_PER_CONNECTION, RESPONSE_BYTES,
};
use std::any::Any;
use std::future::Future;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};
use tower_http::catch_panic::CatchPanicLayer;
use unitscope_proto::FILE_DESCRIPTOR_SET;
use unitscope_proto::v1::artifact_service_server::ArtifactServiceServer;
use unitscope_proto::v1::card_service_server::CardServiceServer;
use unitscope_proto::v1::dataset_service_server::DatasetServiceServer;
use unitscope_proto::v1::job_service_server::JobServiceServer;
use unitscope_proto::v1::model_service_server::ModelServiceServer;
use unitscope_proto::v1::plugin_service_server::PluginServiceServer;
use unitscope_proto::v1::server_service_server::ServerServiceServer;
use unitscope_proto::v1::visualization_service_server::VisualizationServiceServer;

/// The handlers of all services.
#[allow(missing_docs, reason = "each is named after its service")]
pub struct Services {
    pub visualization: Visualization,
    pub jobs: JobHandlers,
    pub artifacts: Artifacts,
    pub models: ModelHandlers,
    pub plugins: Plugins,
    pub cards: CardHandlers,
    pub datasets: DatasetHandlers,
    pub server: ServerHandlers,
}

/// What health checks may ask about: each service, and the whole.
const HEALTH_NAMES: [&str; 9] = [
    "",
    VisualizationServiceServer::<Visualization>::NAME,
    JobServiceServer::<JobHandlers>::NAME,
    ArtifactServiceServer::<Artifacts>::NAME,
    ModelServiceServer::<ModelHandlers>::NAME,
    PluginServiceServer::<Plugins>::NAME,
    CardServiceServer::<CardHandlers>::NAME,
    DatasetServiceServer::<DatasetHandlers>::NAME,
    ServerServiceServer::<ServerHandlers>::NAME,
];

/// Sets the health of every service.
pub async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}

/// Answers requests until `stop` is ready and the last of them is answered.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    health: HealthReporter,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    /// Wraps a service with the sizes of its messages.
    macro_rules! sized {
        ($server:ident, $handlers:expr) => {
            $server::new($handlers)
                .max_decoding_message_size(REQUEST_BYTES)
                .max_encoding_message_size(RESPONSE_BYTES)
        };
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let sound = "the descriptor sets were encoded at build time";
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .tcp_nodelay(true)
        .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION)
        .layer(CatchPanicLayer::custom(panicked))
        .add_service(reflection().build_v1().expect(sound))
        .add_service(reflection().build_v1alpha().expect(sound))
        .add_service(tonic_health::pb::health_server::HealthServer::new(HealthService::from_health_reporter(
            health,
        )))
        .add_service(sized!(VisualizationServiceServer, services.visualization))
        .add_service(sized!(JobServiceServer, services.jobs))
        .add_service(sized!(ArtifactServiceServer, services.artifacts))
        .add_service(sized!(ModelServiceServer, services.models))
        .add_service(sized!(PluginServiceServer, services.plugins))
        .add_service(sized!(CardServiceServer, services.cards))
        .add_service(sized!(DatasetServiceServer, services.datasets))
        .add_service(sized!(ServerServiceServer, services.server))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop)
        .await
}

/// The answer to a request whose handler panicked; the server and the connection live on.
fn panicked(panic: Box<dyn Any + Send>) -> tonic::codegen::http::Response<Body> {
    tracing::error!("a handler panicked: {}", crate::job::worker::panic_text(&*panic));
    status::internal("the handler panicked, which is a fault of the server; its log says more").into_http()
}
