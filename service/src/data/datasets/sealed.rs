//! Files that are complete and undamaged, or not there: written aside, synced, renamed, and sealed with a digest. It knows no content.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// What such a file begins with; another version is another line.
const MAGIC: &[u8] = b"unitscope dataset cache 1\n";

/// # Errors
/// Whatever the file system says.
pub(super) fn write(folder: &Path, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let aside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&aside)?;
        file.write_all(MAGIC)?;
        file.write_all(hasher.finalize().as_bytes())?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&aside, folder.join(name))?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // What is wrong is in `written`; the rest would only lie about.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// The content; none if there is no such file, or it is damaged, of another version or larger than `limit_bytes`, of which the log tells.
pub(super) fn read(path: &Path, limit_bytes: u64) -> Option<Vec<u8>> {
    match try_read(path, limit_bytes) {
        Ok(content) => Some(content),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(file = %path.display(), "cache of a dataset is not used, and will be made again: {error}");
            None
        }
    }
}

fn try_read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > limit_bytes {
        return Err(io::Error::other(format!("it has {bytes} bytes, but at most {limit_bytes} are read")));
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.read_to_end(&mut content)?;
    let damaged = || io::Error::other("it is damaged, or of another version");
    let body = content.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (digest, body) = body.split_at_checked(blake3::OUT_LEN).ok_or_else(damaged)?;
    if blake3::hash(body).as_bytes() != digest {
        return Err(damaged());
    }
    content.drain(..MAGIC.len() + blake3::OUT_LEN);
    Ok(content)
}
