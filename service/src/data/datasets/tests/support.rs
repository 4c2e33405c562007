//! What the tests of datasets share: the images, and the forms they come in.

use super::super::*;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Paths and bytes; nothing decodes them here.
pub const IMAGES: &[(&str, &str)] = &[
    ("cat/1.png", "png one"),
    ("cat/2.JPG", "jpg two"),
    ("dog/1.png", "png three"),
    ("dog/deep/3.webp", "webp four"),
    ("root.gif", "gif five"),
];

pub fn runtime() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let make = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    RUNTIME.get_or_init(make).handle().clone()
}

pub fn make_tree(root: &Path, files: &[(&str, &str)]) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub fn make_tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A dataset `d` at a local path.
pub fn local(path: &Path) -> Datasets {
    let config = DatasetConfig::at(path.to_str().unwrap());
    Datasets::new(vec![("d".to_owned(), config)], None, runtime()).unwrap()
}

/// A dataset `d` at `s3://b/…`, in a store in memory that holds these objects.
pub fn in_memory(location: &str, objects: &[(String, &[u8])]) -> Datasets {
    let store = InMemory::new();
    for (key, bytes) in objects {
        runtime().block_on(store.put(&key.as_str().into(), bytes.to_vec().into())).unwrap();
    }
    let datasets =
        Datasets::new(vec![("d".to_owned(), DatasetConfig::at(location))], None, runtime()).unwrap();
    let slot = &datasets.slots[0];
    let Place::S3 { bucket, prefix } = slot.location.place.clone() else { panic!("{location}") };
    *lock(&slot.remote) = Some(Remote { store: Arc::new(store), bucket, prefix, runtime: runtime() });
    datasets
}

/// Class and row of each image, by reading all.
pub fn content(dataset: &Dataset) -> BTreeSet<(Option<String>, [u8; 16])> {
    let one = |(number, entry): (usize, &Entry)| {
        let class = entry.class.map(|class| dataset.classes()[class as usize].clone());
        (class, row_of(&dataset.read(number).unwrap()))
    };
    dataset.entries().iter().enumerate().map(one).collect()
}

/// Paths, and what was skipped as `path: reason`.
pub fn outline(dataset: &Dataset) -> (Vec<&str>, Vec<String>) {
    let paths = dataset.entries().iter().map(|entry| entry.path.as_str()).collect();
    let mut skipped: Vec<String> =
        dataset.skipped().iter().map(|one| format!("{}: {}", one.path, one.reason)).collect();
    skipped.sort();
    (paths, skipped)
}

/// Makes all below look as if it had been there for a while.
pub fn settle(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            settle(&entry.path());
        } else {
            age(&entry.path());
        }
    }
    age(folder);
}

fn age(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(100);
    File::open(path).unwrap().set_modified(then).unwrap();
}

pub fn rename_old(path: &Path) {
    fs::rename(path, path.with_extension("old")).unwrap();
}
