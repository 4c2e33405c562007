//! `DatasetService`: datasets, and the activation index.

use super::required;
use crate::job::rank::Rankings;
use crate::limits::LISTED_INDEXES;
use crate::rpc::{status, to_proto};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use unitscope_proto::v1 as proto;

/// The service.
pub struct DatasetHandlers {
    rankings: Arc<Rankings>,
}

impl DatasetHandlers {
    /// Over these datasets and their index.
    #[must_use]
    pub fn new(rankings: Arc<Rankings>) -> Self {
        Self { rankings }
    }

    /// Runs what waits for disks on a thread of its own.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Rankings) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let rankings = self.rankings.clone();
        let done = tokio::task::spawn_blocking(move || work(&rankings)).await;
        let panicked = |_| status::internal("looking at the disk panicked, which is a fault of the server");
        Ok(Response::new(done.map_err(panicked)??))
    }
}

#[tonic::async_trait]
impl proto::dataset_service_server::DatasetService for DatasetHandlers {
    async fn list_datasets(
        &self,
        _: Request<proto::ListDatasetsRequest>,
    ) -> Result<Response<proto::ListDatasetsResponse>, Status> {
        let datasets = self.rankings.datasets().list().into_iter().map(to_proto::listed_dataset).collect();
        Ok(Response::new(proto::ListDatasetsResponse { datasets }))
    }

    async fn get_dataset(
        &self,
        request: Request<proto::GetDatasetRequest>,
    ) -> Result<Response<proto::Dataset>, Status> {
        let proto::GetDatasetRequest { name, refresh } = request.into_inner();
        required("name", &name)?;
        self.apart(move |rankings| {
            let datasets = rankings.datasets();
            let dataset = datasets.open(&name, refresh)?;
            let listed = datasets.list().into_iter().find(|listed| listed.name == name);
            Ok(to_proto::dataset(listed, &dataset))
        })
        .await
    }

    async fn list_indexes(
        &self,
        _: Request<proto::ListIndexesRequest>,
    ) -> Result<Response<proto::ListIndexesResponse>, Status> {
        self.apart(|rankings| {
            let mut tables = rankings.index().list();
            tables.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.id.cmp(&b.id)));
            let indexes = tables.into_iter().take(LISTED_INDEXES).map(to_proto::index).collect();
            Ok(proto::ListIndexesResponse { indexes })
        })
        .await
    }

    async fn delete_index(
        &self,
        request: Request<proto::DeleteIndexRequest>,
    ) -> Result<Response<proto::DeleteIndexResponse>, Status> {
        let id = request.into_inner().id;
        required("id", &id)?;
        self.apart(move |rankings| {
            rankings.index().delete(&id)?;
            tracing::info!(index = id, "deleted");
            Ok(proto::DeleteIndexResponse {})
        })
        .await
    }
}
