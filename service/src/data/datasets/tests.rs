//! Tests of datasets as a whole: the same images in every form, what changes, and what is kept.

mod safety;
mod shards;
mod support;

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use support::{IMAGES, content, in_memory, local, make_tar, make_tree, rename_old, settle};

/// Class and row of each image.
fn expected() -> BTreeSet<(Option<String>, [u8; 16])> {
    let class = |path: &str| path.split_once('/').map(|(class, _)| class.to_owned());
    IMAGES.iter().map(|(path, bytes)| (class(path), row_of(bytes.as_bytes()))).collect()
}

fn check_same(dataset: &Dataset, kind: Kind) {
    assert_eq!(dataset.kind(), kind);
    assert_eq!(content(dataset), expected());
    assert_eq!(dataset.classes(), ["cat", "dog"]);
    assert!(dataset.entries().is_sorted_by(|a, b| a.path < b.path));
    assert_eq!(dataset.skipped(), []);
}

const TXT: &str = "# all\ncat/1.png\n./cat/2.JPG\ndog/1.png\ndog/x/../deep/3.webp\nroot.gif\n";
const CSV: &str = "label,path\ncat,cat/1.png\ncat,cat/2.JPG\ndog,dog/1.png\ndog,dog/deep/3.webp\n,root.gif\n";

#[test]
fn every_local_form_gives_the_same_images() {
    let (folder, tars) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_tree(folder.path(), IMAGES);
    fs::write(folder.path().join("notes.md"), "").unwrap();
    fs::write(folder.path().join(".hidden.png"), "").unwrap();
    let tree = local(folder.path()).open("d", false).unwrap();
    check_same(&tree, Kind::Folder);
    assert_eq!((tree.others(), tree.is_remote()), (1, false));
    for (name, text) in
        [("l.txt", TXT.to_owned()), ("l.csv", CSV.to_owned()), ("l.tsv", CSV.replace(',', "\t"))]
    {
        fs::write(folder.path().join(name), text).unwrap();
        check_same(&local(&folder.path().join(name)).open("d", false).unwrap(), Kind::Manifest);
    }
    fs::write(tars.path().join("0.tar"), make_tar(&IMAGES[..2])).unwrap();
    fs::write(tars.path().join("1.tar"), make_tar(&IMAGES[2..])).unwrap();
    let shards = local(tars.path()).open("d", false).unwrap();
    check_same(&shards, Kind::Shards);
    assert_eq!(shards.entries()[0].path, "0.tar/cat/1.png");
    fs::write(folder.path().join("all.tar"), make_tar(IMAGES)).unwrap();
    let shard = local(&folder.path().join("all.tar")).open("d", false).unwrap();
    check_same(&shard, Kind::Shards);
    assert_eq!(shard.entries()[0].path, "cat/1.png");
}

#[test]
fn every_form_in_a_store_gives_the_same_images() {
    let (all, first, second) = (make_tar(IMAGES), make_tar(&IMAGES[..2]), make_tar(&IMAGES[2..]));
    let mut objects: Vec<(String, &[u8])> =
        IMAGES.iter().map(|(path, bytes)| (format!("a/tree/{path}"), bytes.as_bytes())).collect();
    let forms: [(&str, &[u8]); 7] = [
        ("a/tree/l.txt", TXT.as_bytes()),
        ("a/tree/l.csv", CSV.as_bytes()),
        ("a/all.tar", &all),
        ("a/tars/0.tar", &first),
        ("a/tars/1.tar", &second),
        ("a/tree/.hidden/x.png", b""),
        ("a/treehouse/x.png", b""),
    ];
    objects.extend(forms.map(|(key, bytes)| (key.to_owned(), bytes)));
    let check = |location: &str, kind: Kind, rows_known: bool| {
        let dataset = in_memory(location, &objects).open("d", false).unwrap();
        check_same(&dataset, kind);
        assert!(dataset.is_remote());
        let known = (0..dataset.len())
            .all(|entry| dataset.known(entry) == Some(Known::Row(row_of(&dataset.read(entry).unwrap()))));
        assert_eq!(known, rows_known, "{location}");
    };
    check("s3://b/a/tree", Kind::Folder, false);
    check("s3://b/a/tree/l.txt", Kind::Manifest, false);
    check("s3://b/a/tree/l.csv", Kind::Manifest, false);
    check("s3://b/a/all.tar", Kind::Shards, true);
    check("s3://b/a/tars/", Kind::Shards, true);
}

#[test]
fn what_is_added_is_seen_at_once_and_what_stays_is_not_listed_again() {
    let folder = tempfile::tempdir().unwrap();
    make_tree(folder.path(), IMAGES);
    let datasets = local(folder.path());
    let first = datasets.open("d", false).unwrap();
    // The folders are younger than the file system's clock ticks: nobody can be sure. What shows the same is the same dataset.
    let when = first.listed_at();
    let again = datasets.open("d", false).unwrap();
    assert!(again.listed_at() > when && Arc::ptr_eq(&first, &again));
    settle(folder.path());
    let settled = datasets.open("d", false).unwrap();
    let when = settled.listed_at();
    assert_eq!(datasets.open("d", false).unwrap().listed_at(), when);
    assert!(!Arc::ptr_eq(&settled, &datasets.open("d", true).unwrap()));
    fs::write(folder.path().join("dog/deep/new.png"), "new").unwrap();
    assert_eq!(datasets.open("d", false).unwrap().len(), IMAGES.len() + 1);
    fs::remove_file(folder.path().join("dog/deep/new.png")).unwrap();
    assert_eq!(datasets.open("d", false).unwrap().len(), IMAGES.len());
    settle(folder.path());
    let root = Root::open(folder.path()).unwrap();
    let mut watch = fresh::Watch::begin(&root.path);
    root.walk(&Limits::default(), &mut watch).unwrap();
    assert!(watch.is_fresh());
    watch.age(Duration::from_secs(61));
    assert!(!watch.is_fresh());
}

#[test]
fn a_manifest_or_shard_that_changes_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    make_tree(folder.path(), IMAGES);
    let check = |name: &str, before: &[u8], after: &[u8]| -> Result<Vec<u8>, ReadError> {
        let path = folder.path().join(name);
        fs::write(&path, before).unwrap();
        settle(folder.path());
        let datasets = local(&path);
        assert_eq!(datasets.open("d", false).unwrap().len(), 1);
        let again = datasets.open("d", false).unwrap();
        assert!(Arc::ptr_eq(&again, &datasets.open("d", false).unwrap()));
        fs::write(&path, after).unwrap();
        assert_eq!(datasets.open("d", false).unwrap().len(), 2);
        again.read(0)
    };
    assert!(check("l.txt", b"cat/1.png", b"cat/1.png\ndog/1.png").is_ok());
    // The old listing's offsets mean nothing in the new shard.
    let read = check("l.tar", &make_tar(&IMAGES[..1]), &make_tar(&IMAGES[..2]));
    assert_eq!(read, Err(ReadError::Changed { path: "l.tar".to_owned() }));
}

#[test]
fn what_was_learned_is_known_after_a_restart_until_the_file_changes() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_tree(folder.path(), IMAGES);
    let again = || {
        let cache = Some(cache.path().to_owned());
        Datasets { cache, ..local(folder.path()) }.open("d", false).unwrap()
    };
    let first = again();
    assert_eq!(first.known(0), None);
    first.learn(0, Known::Row([7; 16]));
    first.learn(1, Known::Broken("no JPEG".to_owned()));
    first.save().unwrap();
    let second = again();
    let known: Vec<Option<Known>> = (0..3).map(|entry| second.known(entry)).collect();
    assert_eq!(known, [Some(Known::Row([7; 16])), Some(Known::Broken("no JPEG".to_owned())), None]);
    // Of the same size, so that only the time tells.
    fs::write(folder.path().join(&second.entries()[0].path), "PNG one").unwrap();
    let third = again();
    assert_eq!((third.known(0), third.known(1).is_some()), (None, true));
    assert!(matches!(second.read(0), Err(ReadError::Changed { .. })));
    damage_each_byte(cache.path(), &|| {
        let dataset = again();
        assert_eq!((dataset.known(1), dataset.len()), (None, IMAGES.len()));
    });
}

#[test]
fn what_is_known_of_files_that_are_gone_is_dropped_in_the_end() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_tree(folder.path(), &IMAGES[..1]);
    let limits = Limits { stale: 2, reason_chars: 3, ..Limits::default() };
    let datasets =
        Datasets { cache: Some(cache.path().to_owned()), ..local(folder.path()) }.with_limits(limits);
    let listings: Vec<Arc<Dataset>> = (1..=4)
        .map(|size| {
            fs::write(folder.path().join(IMAGES[0].0), "x".repeat(size)).unwrap();
            let dataset = datasets.open("d", true).unwrap();
            dataset.learn(0, Known::Broken("çççç".to_owned()));
            dataset.save().unwrap();
            dataset
        })
        .collect();
    // Three are known besides the live one, which is more than two.
    let known: Vec<Option<Known>> = listings.iter().map(|dataset| dataset.known(0)).collect();
    assert_eq!(known, [None, None, None, Some(Known::Broken("ççç".to_owned()))]);
}

/// Damages the catalog at some places, and cuts it.
fn damage_each_byte(cache: &std::path::Path, check: &dyn Fn()) {
    let file = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&file).unwrap();
    for at in [0, 30, 70, 100, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, bad).unwrap();
        check();
    }
    for length in [0, 10, 57, good.len() - 1] {
        fs::write(&file, &good[..length]).unwrap();
        check();
    }
}

#[test]
fn all_listings_of_a_dataset_know_the_same() {
    let folder = tempfile::tempdir().unwrap();
    make_tree(folder.path(), IMAGES);
    let datasets = local(folder.path());
    let (old, new) = (datasets.open("d", true).unwrap(), datasets.open("d", true).unwrap());
    old.learn(2, Known::Row([1; 16]));
    assert_eq!(new.known(2), Some(Known::Row([1; 16])));
}

#[test]
fn names_are_plain_and_near_misses_are_named() {
    let at = |names: &[&str]| {
        let configs = names.iter().map(|name| ((*name).to_owned(), DatasetConfig::at("/nowhere"))).collect();
        Datasets::new(configs, None, support::runtime())
    };
    let datasets = at(&["photos", "faces"]).unwrap();
    let error = |name: &str| datasets.open(name, false).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        error("photo"),
        "there is no dataset `photo`; did you mean `photos`?; `unitscope datasets list` shows all"
    );
    assert!(error("zzz").starts_with("there is no dataset `zzz`; `unitscope"));
    assert!(error("faces").contains("dataset `faces` cannot be read: folder `/nowhere` cannot be read"));
    let names: Vec<String> = datasets.list().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["faces", "photos"]);
    for wrong in [&["a/b"][..], &[""], &[".a"], &["a", "a"]] {
        assert!(matches!(at(wrong), Err(DatasetsError::Settings { .. })), "{wrong:?}");
    }
}

#[test]
fn a_list_shows_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    make_tree(folder.path(), IMAGES);
    let datasets = local(folder.path());
    assert_eq!(datasets.list()[0].seen, None);
    datasets.open("d", false).unwrap();
    let seen = datasets.list()[0].seen.clone().unwrap();
    assert_eq!((seen.images, seen.classes, seen.skipped), (IMAGES.len(), 2, 0));
}

#[test]
fn a_root_that_is_replaced_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    make_tree(&root, IMAGES);
    let datasets = local(&root);
    datasets.open("d", false).unwrap();
    rename_old(&root);
    make_tree(&root, &IMAGES[..1]);
    assert_eq!(datasets.open("d", false).unwrap().len(), 1);
}
