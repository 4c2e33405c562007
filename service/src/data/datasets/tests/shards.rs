//! Tests of shards: classes beside images, names of every kind, damage, and what a second look reads.

use super::super::listing::{Found, Stamp};
use super::super::shards::{Scan, scan};
use super::super::*;
use super::support::{IMAGES, in_memory, local, make_tar, outline, runtime};
use std::fs;
use std::io::Cursor;
use tar::{Builder, EntryType, Header};

fn scan_all(tar: &[u8], hash: bool) -> Scan {
    scan(&mut Cursor::new(tar), tar.len() as u64, hash, &Limits::default())
}

/// Members as `path=class`, then what was skipped as `path: reason`.
fn check(tar: &[u8], expected: &[&str]) {
    let Scan { index, .. } = scan_all(tar, false);
    let class = |class: &Option<String>| class.clone().unwrap_or("-".to_owned());
    let mut all: Vec<String> =
        index.members.iter().map(|member| format!("{}={}", member.path, class(&member.class))).collect();
    all.extend(index.skipped.named.iter().map(|one| format!("{}: {}", one.path, one.reason)));
    assert_eq!(all, expected);
}

#[test]
fn a_class_stands_beside_its_image_or_is_the_folder() {
    check(&make_tar(&[("1.jpg", ""), ("1.cls", "cat\n")]), &["1.jpg=cat"]);
    check(
        &make_tar(&[("1.cls", "3"), ("1.left.png", ""), ("1.right.png", "")]),
        &["1.left.png=3", "1.right.png=3"],
    );
    check(&make_tar(&[("a/1.jpg", ""), ("a/1.txt", "cat"), ("b/1.jpg", "")]), &["a/1.jpg=cat", "b/1.jpg=b"]);
    check(&make_tar(&[("1.txt", "a caption"), ("1.cls", "cat"), ("1.jpg", "")]), &["1.jpg=cat"]);
    check(&make_tar(&[("1.cls", "cat"), ("1.txt", "a caption"), ("1.jpg", "")]), &["1.jpg=cat"]);
    check(&make_tar(&[("1.txt", &"word ".repeat(100)), ("1.jpg", "")]), &["1.jpg=-"]);
    check(
        &make_tar(&[("1.jpg", ""), ("1.json", "{}"), ("._1.jpg", ""), ("./x/2.png", "")]),
        &["1.jpg=-", "x/2.png=x"],
    );
    let reason = "1.cls: it is no class: one line of UTF-8 of at most 256 bytes";
    check(&make_tar(&[("1.jpg", ""), ("1.cls", "")]), &["1.jpg=-", reason]);
}

/// A tar of one member of that name, which the tar crate would not write, and `ok.png`.
fn raw(name: &[u8], kind: EntryType) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
    // Without the end mark, which comes with the rest.
    let mut bytes = tar.get_ref().clone();
    bytes.extend(make_tar(&[("ok.png", "")]));
    bytes
}

#[test]
fn members_that_lead_out_or_are_no_files_are_skipped() {
    let regular = EntryType::Regular;
    check(&raw(b"../1.png", regular), &["ok.png=-", "../1.png: its path holds `..`"]);
    check(&raw(b"a/../1.png", regular), &["ok.png=-", "a/../1.png: its path holds `..`"]);
    check(&raw(b"/1.png", regular), &["ok.png=-", "/1.png: its path is absolute"]);
    check(&raw(b"\xff.png", regular), &["ok.png=-", "\u{fffd}.png: its name is not UTF-8"]);
    let link = "1.png: it is a link, which is not followed";
    check(&raw(b"1.png", EntryType::Symlink), &["ok.png=-", link]);
    check(&raw(b"1.png", EntryType::Link), &["ok.png=-", link]);
    check(&raw(b"1.png", EntryType::Fifo), &["ok.png=-", "1.png: it is not a regular file"]);
    check(&raw(b"a/", EntryType::Directory), &["ok.png=-"]);
}

#[test]
fn long_names_and_extended_headers_are_understood() {
    let long = format!("{}/1.png", "folder".repeat(40));
    check(&make_tar(&[(&long, "x")]), &[&format!("{long}={}", "folder".repeat(40))]);
    let mut tar = Builder::new(Vec::new());
    tar.append_pax_extensions([("path", "pax/é.png".as_bytes())]).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(1);
    tar.append_data(&mut header, "short.png", &b"x"[..]).unwrap();
    tar.append_pax_extensions([("GNU.sparse.major", &b"1"[..])]).unwrap();
    tar.append_data(&mut header, "sparse.png", &b"x"[..]).unwrap();
    let sparse = "sparse.png: it is a sparse file, which is not read; pack it anew without `--sparse`";
    check(&tar.into_inner().unwrap(), &["pax/é.png=pax", sparse]);
}

#[test]
fn a_shard_that_is_cut_off_yields_what_comes_before() {
    let whole = make_tar(&[("1.png", "one"), ("2.png", "two")]);
    let end = "it is damaged or cut off after";
    check(&whole, &["1.png=-", "2.png=-"]);
    check(&whole[..1700], &["1.png=-", "2.png=-", &format!(": {end} 2 images: it has no end mark")]);
    check(&whole[..1538], &["1.png=-", &format!(": {end} 1 images: member `2.png` goes on after its end")]);
    check(&whole[..1100], &["1.png=-", &format!(": {end} 1 images: failed to read entire block")]);
    check(b"", &[&format!(": {end} 0 images: it has no end mark")]);
    let mut damaged = whole.clone();
    damaged[1030] ^= 1;
    check(&damaged, &["1.png=-", &format!(": {end} 1 images: archive header checksum mismatch")]);
}

#[test]
fn a_header_that_claims_gigabytes_is_not_believed() {
    let name = format!("{}.png", "a".repeat(3 << 20));
    let mut tar = Builder::new(Vec::new());
    tar.append_pax_extensions([("path", name.as_bytes())]).unwrap();
    let reason = ": it is damaged or cut off after 0 images: a member's headers are larger than is read";
    check(&tar.into_inner().unwrap(), &[reason]);
}

#[test]
fn hashing_on_the_way_gives_the_rows_and_the_same_members() {
    let tar = make_tar(IMAGES);
    let (plain, hashed) = (scan_all(&tar, false), scan_all(&tar, true));
    assert_eq!(plain.index.members, hashed.index.members);
    let rows: Vec<[u8; 16]> = IMAGES.iter().map(|(_, bytes)| row_of(bytes.as_bytes())).collect();
    assert_eq!((plain.rows.len(), hashed.rows), (0, rows));
}

#[test]
fn a_second_look_reads_no_shard() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("0.tar");
    let tar = make_tar(IMAGES);
    fs::write(&path, &tar).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let open = || {
        let cache = Some(cache.path().to_owned());
        Datasets { cache, ..local(folder.path()) }.open("d", false)
    };
    let first = open().unwrap();
    // With the stamp of the old content: whoever reads it finds no tar.
    fs::write(&path, vec![1; tar.len()]).unwrap();
    fs::File::open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(outline(&open().unwrap()), outline(&first));
    // And with a new stamp it is read.
    fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
    let error = open().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`0.tar`: it is damaged or cut off after 0 images"), "{error}");
    let kept = fs::read_dir(
        fs::read_dir(cache.path()).unwrap().flatten().find(|file| file.path().is_dir()).unwrap().path(),
    );
    assert_eq!(kept.unwrap().count(), 1, "members of the old shard are swept");
}

#[test]
fn tars_among_images_and_unreadable_shards_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tar"), make_tar(IMAGES)).unwrap();
    fs::write(folder.path().join("b.png"), "").unwrap();
    let dataset = local(folder.path()).open("d", false).unwrap();
    let reason = "a.tar: it is a tar file among images; give shards a folder of their own".to_owned();
    assert_eq!(outline(&dataset), (vec!["b.png"], vec![reason]));
}

#[test]
fn a_shard_that_a_store_does_not_yield_is_no_short_shard() {
    let tar = make_tar(IMAGES);
    let datasets = in_memory("s3://b", &[("a.tar".to_owned(), &tar)]);
    let remote = lock(&datasets.slots[0].remote).clone().unwrap();
    let stamp = remote.stamp("a.tar").unwrap();
    let scan = |path: &str, stamp: Stamp| {
        let shard = Found { path: path.to_owned(), stamp };
        let scan = Store::Remote(remote.clone()).scan(&shard, &Limits::default());
        scan.map(|scan| scan.index.members.len())
    };
    assert_eq!(scan("a.tar", stamp), Ok(IMAGES.len()));
    let path = || "a.tar".to_owned();
    assert_eq!(scan("a.tar", Stamp { version: 1, ..stamp }), Err(ReadError::Changed { path: path() }));
    assert_eq!(scan("b.tar", stamp), Err(ReadError::Vanished { path: "b.tar".to_owned() }));
    let longer = Stamp { size_bytes: stamp.size_bytes + 1, ..stamp };
    assert_eq!(scan("a.tar", longer), Err(ReadError::Changed { path: path() }));
}

#[test]
fn an_object_that_was_replaced_is_not_read_as_the_old_one() {
    let objects = |bytes: &'static [u8]| vec![("a/1.png".to_owned(), bytes)];
    let datasets = in_memory("s3://b/a", &objects(b"old"));
    let dataset = datasets.open("d", false).unwrap();
    let remote = lock(&datasets.slots[0].remote).clone().unwrap();
    let put = |bytes: &'static [u8]| {
        use object_store::ObjectStoreExt;
        runtime().block_on(remote.store.put(&"a/1.png".into(), bytes.into())).unwrap();
    };
    assert_eq!(dataset.read(0).unwrap(), b"old");
    put(b"new");
    assert!(matches!(dataset.read(0), Err(ReadError::Changed { .. })));
    assert!(
        Arc::ptr_eq(&dataset, &datasets.open("d", false).unwrap()),
        "a store is not asked within the minute"
    );
    assert_eq!(datasets.open("d", true).unwrap().read(0).unwrap(), b"new");
}
