//! Fetches an artifact's bytes, however large, and checks them. Knows no file.

use crate::connect::Services;
use crate::failure::{Failure, is_lost};
use std::time::Duration;
use tonic::Status;
use unitscope_proto::v1::{Artifact, ReadArtifactRequest};

/// More than any picture or tensor within a server's limits; a size beyond it is a lie or a mistake.
const MAX_BYTES: i64 = 1 << 30;
/// How often a broken transfer is taken up again without one byte in between.
const MAX_ATTEMPTS: u32 = 5;
/// The first pause before taking it up again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The artifact's bytes, of the length and digest that it states.
pub async fn fetch(services: &mut Services, artifact: &Artifact) -> Result<Vec<u8>, Failure> {
    if !(0..=MAX_BYTES).contains(&artifact.size_bytes) {
        return Err(Failure::Job(format!("{} claims {} bytes", artifact.name, artifact.size_bytes)));
    }
    let size = artifact.size_bytes as usize;
    let bytes = if artifact.inline_data.len() == size {
        artifact.inline_data.clone()
    } else {
        read(services, &artifact.name, size).await?
    };
    check(artifact, &bytes).map_err(Failure::Job)?;
    Ok(bytes)
}

async fn read(services: &mut Services, name: &str, size: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut attempts = 0;
    loop {
        let before = bytes.len();
        let status = match read_rest(services, name, &mut bytes, size).await {
            Ok(()) => return Ok(bytes),
            Err(status) => status,
        };
        if bytes.len() > before {
            attempts = 0;
        }
        if !is_lost(&status) || attempts >= MAX_ATTEMPTS {
            return Err(services.failure(status));
        }
        tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempts)).await;
        attempts += 1;
    }
}

/// Reads on from where `bytes` ends, up to `size`.
async fn read_rest(
    services: &mut Services,
    name: &str,
    bytes: &mut Vec<u8>,
    size: usize,
) -> Result<(), Status> {
    let request = ReadArtifactRequest {
        name: name.to_string(),
        read_offset: bytes.len() as i64,
        ..ReadArtifactRequest::default()
    };
    let mut chunks = services.artifacts.read_artifact(request).await?.into_inner();
    while let Some(chunk) = chunks.message().await? {
        bytes.extend_from_slice(&chunk.data);
        if bytes.len() > size {
            return Err(Status::data_loss(format!("{name} is longer than its {size} bytes")));
        }
    }
    if bytes.len() < size {
        return Err(Status::unavailable(format!("{name} ended after {} of {size} bytes", bytes.len())));
    }
    Ok(())
}

fn check(artifact: &Artifact, bytes: &[u8]) -> Result<(), String> {
    let digest = blake3::hash(bytes).to_hex();
    if artifact.blake3.is_empty() || artifact.blake3.eq_ignore_ascii_case(&digest) {
        return Ok(());
    }
    Err(format!(
        "{} arrived damaged: its BLAKE3 is {digest}, not {}; fetch it again with `unitscope watch`",
        artifact.name, artifact.blake3
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let artifact =
            |blake3: &str| Artifact { name: "a".into(), blake3: blake3.into(), ..Artifact::default() };
        let digest = blake3::hash(b"bytes").to_hex();
        assert!(check(&artifact(&digest), b"bytes").is_ok());
        assert!(check(&artifact(&digest.to_uppercase()), b"bytes").is_ok());
        assert!(check(&artifact(""), b"bytes").is_ok());
        assert!(check(&artifact(&digest), b"bytez").unwrap_err().contains("damaged"));
    }
}
