//! Where the server is and how its services are called. Knows no command.

use crate::failure::{Failure, innermost, unreachable};
use std::time::Duration;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use unitscope_proto::v1::artifact_service_client::ArtifactServiceClient;
use unitscope_proto::v1::card_service_client::CardServiceClient;
use unitscope_proto::v1::dataset_service_client::DatasetServiceClient;
use unitscope_proto::v1::job_service_client::JobServiceClient;
use unitscope_proto::v1::model_service_client::ModelServiceClient;
use unitscope_proto::v1::plugin_service_client::PluginServiceClient;
use unitscope_proto::v1::server_service_client::ServerServiceClient;
use unitscope_proto::v1::visualization_service_client::VisualizationServiceClient;

/// Where a server listens unless told otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";
/// Longer than any handshake on a working network; shorter than a person's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two pings of an idle connection, so that a link that died silently is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A server that may be connected to.
pub struct Server {
    url: String,
    endpoint: Endpoint,
}

impl Server {
    /// Reads `http://HOST:PORT` or `HOST:PORT`.
    pub fn new(address: &str) -> Result<Server, Failure> {
        let url = with_scheme(address)?;
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| {
                Failure::Usage(format!("--server `{address}` is no address: {error}; give HOST:PORT"))
            })?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        Ok(Server { url, endpoint })
    }

    /// Connects, so that an absent server is told from a refused request.
    pub async fn connect(&self) -> Result<Services, Failure> {
        let channel =
            self.endpoint.connect().await.map_err(|error| unreachable(&self.url, &innermost(&error)))?;
        Ok(Services {
            url: self.url.clone(),
            visualization: VisualizationServiceClient::new(channel.clone()),
            jobs: JobServiceClient::new(channel.clone()),
            artifacts: ArtifactServiceClient::new(channel.clone()),
            models: ModelServiceClient::new(channel.clone()),
            plugins: PluginServiceClient::new(channel.clone()),
            datasets: DatasetServiceClient::new(channel.clone()),
            cards: CardServiceClient::new(channel.clone()),
            info: ServerServiceClient::new(channel),
        })
    }
}

/// The services of a connected server; reconnects by itself for each call.
#[derive(Clone)]
pub struct Services {
    url: String,
    /// Optimize, Rank, StreamProgress.
    pub visualization: VisualizationServiceClient<Channel>,
    /// Jobs of any kind.
    pub jobs: JobServiceClient<Channel>,
    /// Files that jobs made.
    pub artifacts: ArtifactServiceClient<Channel>,
    /// Networks.
    pub models: ModelServiceClient<Channel>,
    /// Terms.
    pub plugins: PluginServiceClient<Channel>,
    /// Sets of images, and the index.
    pub datasets: DatasetServiceClient<Channel>,
    /// Evidence cards.
    pub cards: CardServiceClient<Channel>,
    /// Version and limits.
    pub info: ServerServiceClient<Channel>,
}

impl Services {
    /// What an error of this server means where no argument stands behind its fields.
    pub fn failure(&self, status: Status) -> Failure {
        Failure::from_status(&self.url, &status, |_| None)
    }

    /// The address with its scheme.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A command line for this server that the user can type: `unitscope watch …`, with `--server` where it is needed.
    pub fn command(&self, rest: &str) -> String {
        let known = std::env::var("UNITSCOPE_SERVER").unwrap_or_else(|_| DEFAULT_SERVER.to_string());
        match with_scheme(&known) {
            Ok(url) if url == self.url => format!("`unitscope {rest}`"),
            _ => format!("`unitscope --server {} {rest}`", self.url),
        }
    }
}

/// A job's resource name, from a name with or without `jobs/`.
pub fn job_name(job: &str) -> String {
    if job.starts_with("jobs/") { job.to_string() } else { format!("jobs/{job}") }
}

fn with_scheme(address: &str) -> Result<String, Failure> {
    match address.split_once("://") {
        None => Ok(format!("http://{address}")),
        Some(("http", _)) => Ok(address.to_string()),
        Some((scheme, _)) => Err(Failure::Usage(format!(
            "--server `{address}`: the scheme `{scheme}` is not supported; give http://HOST:PORT"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, url: Option<&str>) {
        assert_eq!(Server::new(address).ok().map(|server| server.url).as_deref(), url, "{address}");
    }

    #[test]
    fn addresses() {
        check("127.0.0.1:50051", Some("http://127.0.0.1:50051"));
        check("localhost:1", Some("http://localhost:1"));
        check("http://[::1]:1", Some("http://[::1]:1"));
        check("https://example.org", None);
        check("a b", None);
        check("", None);
    }

    #[test]
    fn job_names() {
        assert_eq!(job_name("01J"), "jobs/01J");
        assert_eq!(job_name("jobs/01J"), "jobs/01J");
    }
}
