//! A folder that files go to, whole or not at all. Knows artifacts, not what they show.

use super::fetch::fetch;
use crate::connect::Services;
use crate::failure::Failure;
use std::io::Write;
use std::path::{Path, PathBuf};
use unitscope_proto::v1::Artifact;

/// A folder, and the server whose artifacts are written to it.
pub struct Folder {
    services: Services,
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub fn new(services: &Services, path: &Path) -> Result<Folder, Failure> {
        std::fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Folder { services: services.clone(), path: path.to_path_buf() })
    }

    /// A folder in this one; made if it is not there.
    pub fn within(&self, name: &str) -> Result<Folder, Failure> {
        Folder::new(&self.services, &self.path.join(name))
    }

    /// Writes through a temporary file, so that a name never holds half a file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.{}.part", std::process::id()));
        let written = std::fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.flush()))
            .and_then(|()| std::fs::rename(&temporary, &path));
        match written {
            Ok(()) => Ok(path),
            Err(error) => {
                // The file may not be there at all; what matters is the first error.
                let _ = std::fs::remove_file(&temporary);
                Err(cannot_write(&path, &error))
            }
        }
    }

    /// The artifact's bytes; none where there is no artifact.
    pub async fn fetch(&mut self, artifact: Option<&Artifact>) -> Result<Option<Vec<u8>>, Failure> {
        match artifact {
            Some(artifact) => Ok(Some(fetch(&mut self.services, artifact).await?)),
            None => Ok(None),
        }
    }

    /// Fetches and writes an artifact; gives its place and its bytes.
    pub async fn write_artifact(
        &mut self,
        artifact: Option<&Artifact>,
        name: &str,
    ) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
        let Some(bytes) = self.fetch(artifact).await? else { return Ok(None) };
        Ok(Some((self.write(name, &bytes)?, bytes)))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(format!("{} cannot be written: {error}", path.display()))
}
