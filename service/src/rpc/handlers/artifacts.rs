//! `ArtifactService`: files that jobs made.

use super::{PartSender, Parts, required};
use crate::job::{Artifact, Jobs};
use crate::limits::{ARTIFACT_STREAMS, CHUNK_BYTES, INLINE_ARTIFACT_BYTES, STREAM_BUFFER};
use crate::rpc::{names, status, to_proto};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use ulid::Ulid;
use unitscope_proto::v1 as proto;

/// The service.
pub struct Artifacts {
    jobs: Arc<Jobs>,
    streams: Arc<Semaphore>,
}

impl Artifacts {
    /// Over these jobs.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>) -> Self {
        Self { jobs, streams: Arc::new(Semaphore::new(ARTIFACT_STREAMS)) }
    }

    fn find(&self, name: &str) -> Result<(Ulid, Artifact), Status> {
        required("name", name)?;
        let (id, file) = names::parse_artifact(name).ok_or_else(|| status::no_artifact(name))?;
        let artifact = self.jobs.store().artifact(id, file).map_err(|_| status::no_artifact(name))?;
        Ok((id, artifact))
    }
}

#[tonic::async_trait]
impl proto::artifact_service_server::ArtifactService for Artifacts {
    async fn get_artifact(
        &self,
        request: Request<proto::GetArtifactRequest>,
    ) -> Result<Response<proto::Artifact>, Status> {
        let (id, artifact) = self.find(&request.into_inner().name)?;
        let mut message = to_proto::artifact(id, &artifact.info);
        if artifact.data.len() <= INLINE_ARTIFACT_BYTES {
            message.inline_data = artifact.data.to_vec();
        }
        Ok(Response::new(message))
    }

    type ReadArtifactStream = Parts<proto::ReadArtifactResponse>;

    async fn read_artifact(
        &self,
        request: Request<proto::ReadArtifactRequest>,
    ) -> Result<Response<Self::ReadArtifactStream>, Status> {
        let request = request.into_inner();
        let (_, artifact) = self.find(&request.name)?;
        let range = range(request.read_offset, request.read_limit, artifact.data.len())?;
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| {
            let message =
                format!("{ARTIFACT_STREAMS} ReadArtifact calls are open, which is this server's limit");
            status::exhausted("TOO_MANY_STREAMS", "artifact_streams", &message)
        })?;
        let (sender, parts) = mpsc::channel(STREAM_BUFFER);
        tokio::spawn(async move {
            let _permit = permit;
            send(&artifact.data, range, sender).await;
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }
}

/// The bytes that a request asks for.
fn range(offset: i64, limit: i64, size: usize) -> Result<Range<usize>, Status> {
    let negative = |field: &str, value: i64| {
        status::invalid_field(field, format!("{value} is negative; give 0 or more"))
    };
    let start = usize::try_from(offset).map_err(|_| negative("read_offset", offset))?;
    let most = usize::try_from(limit).map_err(|_| negative("read_limit", limit))?;
    if start > size {
        return Err(status::past_the_end("read_offset", start as u64, size as u64));
    }
    let end = if most == 0 { size } else { start.saturating_add(most).min(size) };
    Ok(start..end)
}

async fn send(data: &[u8], range: Range<usize>, sender: PartSender<proto::ReadArtifactResponse>) {
    for chunk in data[range].chunks(CHUNK_BYTES) {
        if sender.send(Ok(proto::ReadArtifactResponse { data: chunk.to_vec() })).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn ranges_stay_within_the_file() {
        let good = |offset, limit| range(offset, limit, 10).unwrap();
        assert_eq!([good(0, 0), good(3, 4), good(3, i64::MAX), good(10, 0)], [0..10, 3..7, 3..10, 10..10]);
        let code = |offset, limit| range(offset, limit, 10).unwrap_err().code();
        assert_eq!(code(11, 0), Code::OutOfRange);
        assert_eq!(code(-1, 0), Code::InvalidArgument);
        assert_eq!(code(0, -1), Code::InvalidArgument);
    }
}
