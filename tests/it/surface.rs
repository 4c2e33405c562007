//! What a client finds before it asks for anything: server info, health, reflection.

use crate::support::{Server, Setup};
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};
use unitscope_proto::v1::GetServerInfoRequest;

const SERVICES: [&str; 8] = [
    "unitscope.v1.ArtifactService",
    "unitscope.v1.CardService",
    "unitscope.v1.DatasetService",
    "unitscope.v1.JobService",
    "unitscope.v1.ModelService",
    "unitscope.v1.PluginService",
    "unitscope.v1.ServerService",
    "unitscope.v1.VisualizationService",
];

async fn channel(server: &Server) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", server.address())).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test]
async fn the_server_says_what_it_is_and_allows() {
    let server = Setup::new().flag("--queued-jobs", 3).flag("--kept-jobs", 5).start();
    let client = server.client().await;
    let info = client.server.clone().get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (info.version.as_str(), info.libtorch_version.as_str()),
        (env!("CARGO_PKG_VERSION"), "2.11.0")
    );
    assert_eq!((info.device.as_str(), info.threads), ("cpu", 1));
    assert!(info.plugin_problems.is_empty(), "{:?}", info.plugin_problems);
    let limits = info.limits.unwrap();
    assert_eq!((limits.queued_jobs, limits.kept_jobs), (3, 5));
    let others = [limits.images, limits.steps, limits.terms, limits.image_side_px, limits.snapshots];
    assert!(others.iter().all(|limit| *limit > 0), "{limits:?}");
    assert!(limits.step_values > 0 && limits.job_pixels > 0 && limits.kept_bytes > 0, "{limits:?}");
    assert!(limits.progress_streams > 0 && limits.loaded_models > 0, "{limits:?}");
    assert!(limits.ranked_units > 0 && limits.hits > 0, "{limits:?}");
}

#[tokio::test]
async fn every_service_is_healthy() {
    let server = Server::start();
    let mut health = HealthClient::new(channel(&server).await);
    for service in SERVICES.iter().chain(&[""]) {
        let request = HealthCheckRequest { service: (*service).to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "`{service}`");
    }
}

/// Lists the services by one version of reflection.
macro_rules! listed {
    ($version:ident, $channel:expr) => {{
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;
        let request = $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = $version::server_reflection_client::ServerReflectionClient::new($channel);
        let requests = tokio_stream::once(request);
        let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
        match answers.message().await.unwrap().and_then(|answer| answer.message_response) {
            Some(MessageResponse::ListServicesResponse(list)) => {
                list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    }};
}

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    let server = Server::start();
    for listed in [listed!(v1, channel(&server).await), listed!(v1alpha, channel(&server).await)] {
        for service in SERVICES {
            assert!(listed.iter().any(|listed| listed == service), "{service} is not among {listed:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_ends_its_jobs_and_itself() {
    let mut server = Server::start();
    let client = server.client().await;
    let name = client.start(crate::support::spec::quick(50_000)).await;
    let mut progress = client.follow(&name, 0).await.unwrap();
    progress.until_step(5).await;
    server.terminate();
    assert_eq!(server.exit_code().await, Some(0));
}
