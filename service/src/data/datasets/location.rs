//! What a location says without looking at it: local or in a store, a folder, a manifest or a shard. It opens nothing.

use super::config::DatasetConfig;
use std::path::PathBuf;

/// What a dataset is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A tree of image files.
    Folder,
    /// A file that lists image files.
    Manifest,
    /// Tar files of images.
    Shards,
}

/// Where a dataset's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// On this machine's file systems.
    Local,
    /// In an S3-compatible store.
    S3,
}

/// A location, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub place: Place,
    /// The manifest's or shard's name within the place; none for folders.
    pub file: Option<String>,
    /// What the name says; a folder may turn out to be one of shards.
    pub kind: Kind,
}

/// The root that nothing leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Local(PathBuf),
    S3 { bucket: String, prefix: String },
}

/// Whether a file lists others, by its name.
pub(super) fn is_manifest(name: &str) -> bool {
    matches!(extension(name).as_str(), "txt" | "csv" | "tsv")
}

/// Whether a file is a shard, by its name.
pub(super) fn is_tar(name: &str) -> bool {
    extension(name) == "tar"
}

/// Whether a file is an image by its name: what is decoded, and what is refused with a reason rather than overlooked.
pub(super) fn is_image(name: &str) -> bool {
    const DECODED: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];
    const REFUSED: [&str; 20] = [
        "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "j2k", "jpe", "jfif", "pbm", "pgm", "ppm",
        "pnm", "tga", "exr", "hdr", "dng", "ico", "psd",
    ];
    let extension = extension(name);
    DECODED.contains(&extension.as_str()) || REFUSED.contains(&extension.as_str())
}

/// The last extension of a path's last part, in lower case.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, extension)) = name.rsplit_once('.') else { return String::new() };
    // `.png` is a hidden file without an extension. No extension that matters is longer.
    if stem.is_empty() || extension.len() > 4 { String::new() } else { extension.to_ascii_lowercase() }
}

impl Location {
    /// # Errors
    /// Why it is no location, for the operator.
    pub fn parse(config: &DatasetConfig) -> Result<Self, String> {
        let text = config.location.as_str();
        match text.split_once("://") {
            Some(("s3", rest)) => Self::s3(rest),
            Some((scheme, _)) => {
                Err(format!("scheme `{scheme}` is not known; give a local path or `s3://bucket/prefix`"))
            }
            None => Self::local(config),
        }
    }

    fn local(config: &DatasetConfig) -> Result<Self, String> {
        if config.location.is_empty() {
            return Err("it is empty; give a local path or `s3://bucket/prefix`".to_owned());
        }
        if config.endpoint.is_some() || config.region.is_some() || config.access_key_id.is_some() {
            return Err("it is a local path, which takes no `endpoint`, `region` or keys; write `s3://bucket/prefix`, or remove them".to_owned());
        }
        let path = PathBuf::from(&config.location);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let kind = kind_of(&name);
        if kind == Kind::Folder || path.is_dir() {
            return Ok(Self { place: Place::Local(path), file: None, kind: Kind::Folder });
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.map_or_else(|| PathBuf::from("."), PathBuf::from);
        Ok(Self { place: Place::Local(folder), file: Some(name), kind })
    }

    fn s3(rest: &str) -> Result<Self, String> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bucket.is_empty() || !bucket.chars().all(plain) {
            // It is not repeated: it may hold keys.
            return Err("its bucket is not a name of letters, digits, `-`, `.` and `_`; write `s3://bucket/prefix`, and keys as `access_key_id` and `secret_access_key`".to_owned());
        }
        let key = key.trim_matches('/');
        if key.split('/').any(|part| matches!(part, "." | "..")) || key.contains("//") {
            return Err("its prefix has an empty part, `.` or `..`; write it as the store has it".to_owned());
        }
        let kind = kind_of(key);
        let (prefix, file) = match (kind, key.rsplit_once('/')) {
            (Kind::Folder, _) => (key, None),
            (_, Some((prefix, file))) => (prefix, Some(file)),
            (_, None) => ("", Some(key)),
        };
        let place = Place::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        Ok(Self { place, file: file.map(str::to_owned), kind })
    }

    pub fn store(&self) -> StoreKind {
        match self.place {
            Place::Local(_) => StoreKind::Local,
            Place::S3 { .. } => StoreKind::S3,
        }
    }
}

fn kind_of(name: &str) -> Kind {
    if is_manifest(name) {
        Kind::Manifest
    } else if is_tar(name) {
        Kind::Shards
    } else {
        Kind::Folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_says_what_it_is() {
        check_s3("s3://b", "", None, Kind::Folder);
        check_s3("s3://b/a/c/", "a/c", None, Kind::Folder);
        check_s3("s3://b/a/list.CSV", "a", Some("list.CSV"), Kind::Manifest);
        check_s3("s3://b/x.tar", "", Some("x.tar"), Kind::Shards);
        let local = Location::parse(&DatasetConfig::at("list.txt")).unwrap();
        assert_eq!((local.place, local.kind), (Place::Local(PathBuf::from(".")), Kind::Manifest));
        let folder = tempfile::tempdir().unwrap();
        let tarry = folder.path().join("x.tar");
        std::fs::create_dir(&tarry).unwrap();
        let local = Location::parse(&DatasetConfig::at(tarry.to_str().unwrap())).unwrap();
        assert_eq!((local.place, local.kind, local.file), (Place::Local(tarry), Kind::Folder, None));
    }

    fn check_s3(text: &str, prefix: &str, file: Option<&str>, kind: Kind) {
        let place = Place::S3 { bucket: "b".to_owned(), prefix: prefix.to_owned() };
        let expected = Location { place, file: file.map(str::to_owned), kind };
        assert_eq!(Location::parse(&DatasetConfig::at(text)).unwrap(), expected);
    }

    #[test]
    fn what_is_no_location_says_why() {
        check_error("gs://b/a", "scheme `gs` is not known");
        check_error("", "it is empty");
        check_error("s3://", "its bucket is not a name");
        check_error("s3://b/a/../c", "`..`");
        let error = check_error("s3://key:hunter2@b/a", "its bucket is not a name");
        assert!(!error.contains("hunter2"));
    }

    fn check_error(text: &str, expected: &str) -> String {
        let error = Location::parse(&DatasetConfig::at(text)).unwrap_err();
        assert!(error.contains(expected), "{error}");
        error
    }

    #[test]
    fn images_are_known_by_their_last_extension_in_any_case() {
        for image in ["a.jpg", "a/b.PNG", "a.b.JpEg", "a.heic", "x.TIF"] {
            assert!(is_image(image), "{image}");
        }
        for other in ["a", ".png", "a/.png", "a.png.txt", "jpg", "a.json", "a.jpg/b"] {
            assert!(!is_image(other), "{other}");
        }
    }
}
