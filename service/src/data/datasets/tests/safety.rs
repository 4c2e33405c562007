//! Tests that nothing leads out of a root, and that no size is believed.

use super::super::*;
use super::support::{IMAGES, in_memory, local, make_tree, outline};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A root beside a folder with `secret.png`.
fn root() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    make_tree(folder.path(), &[("root/a/1.png", "one"), ("outside/secret.png", "secret")]);
    let root = folder.path().canonicalize().unwrap().join("root");
    (folder, root)
}

fn check_listing(root: &Path, paths: &[&str], skipped: &[&str]) -> Arc<Dataset> {
    let dataset = local(root).open("d", false).unwrap();
    assert_eq!(outline(&dataset), (paths.to_vec(), skipped.iter().map(|one| (*one).to_owned()).collect()));
    assert_eq!(dataset.skipped_total(), skipped.len() as u64);
    dataset
}

#[test]
fn links_are_followed_within_the_root_only() {
    let (_folder, root) = root();
    symlink("../../outside/secret.png", root.join("a/out.png")).unwrap();
    symlink("../outside", root.join("out")).unwrap();
    symlink(root.join("a/1.png"), root.join("a/absolute.png")).unwrap();
    symlink("a", root.join("b")).unwrap();
    symlink("..", root.join("a/loop")).unwrap();
    symlink("self.png", root.join("a/self.png")).unwrap();
    symlink("nothing.png", root.join("a/dangling.png")).unwrap();
    let out = "it is a symbolic link out of the dataset's folder, which is not followed";
    let back = "it is a symbolic link to a folder that it is in";
    let nothing = "it is a symbolic link to nothing";
    let itself = "it cannot be read: Too many levels of symbolic links (os error 40)";
    let skipped = [
        format!("a/dangling.png: {nothing}"),
        format!("a/loop: {back}"),
        format!("a/out.png: {out}"),
        format!("a/self.png: {itself}"),
        format!("b/dangling.png: {nothing}"),
        format!("b/loop: {back}"),
        format!("b/out.png: {out}"),
        format!("b/self.png: {itself}"),
        format!("out: {out}"),
    ];
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    let dataset = check_listing(&root, &["a/1.png", "a/absolute.png", "b/1.png", "b/absolute.png"], &skipped);
    for entry in 0..dataset.len() {
        assert_eq!(dataset.read(entry).unwrap(), b"one");
    }
    assert_eq!(dataset.classes(), ["a", "b"]);
}

#[test]
fn what_becomes_a_link_out_after_listing_is_not_read() {
    let (_folder, root) = root();
    make_tree(&root, &[("b/secret.png", "mine"), ("c.png", "mine"), ("d.png", "mine")]);
    let dataset = check_listing(&root, &["a/1.png", "b/secret.png", "c.png", "d.png"], &[]);
    fs::rename(root.join("b"), root.join("old")).unwrap();
    symlink("../outside", root.join("b")).unwrap();
    fs::remove_file(root.join("c.png")).unwrap();
    symlink(root.parent().unwrap().join("outside/secret.png"), root.join("c.png")).unwrap();
    fs::remove_file(root.join("d.png")).unwrap();
    fs::create_dir(root.join("d.png")).unwrap();
    assert!(matches!(dataset.read(1), Err(ReadError::Outside { .. })), "{:?}", dataset.read(1));
    assert!(matches!(dataset.read(2), Err(ReadError::Outside { .. })), "{:?}", dataset.read(2));
    assert!(matches!(dataset.read(3), Err(ReadError::Failed { .. })), "{:?}", dataset.read(3));
    fs::remove_file(root.join("a/1.png")).unwrap();
    assert_eq!(dataset.read(0).unwrap_err().to_string(), "`a/1.png` is not there any more");
}

#[test]
fn a_file_that_becomes_a_link_just_before_it_is_opened_is_not_opened() {
    let (folder, root) = root();
    symlink("../outside", root.join("out")).unwrap();
    symlink(folder.path().join("outside/secret.png"), root.join("secret.png")).unwrap();
    let opened = Root::open(&root).unwrap();
    let secret = folder.path().join("outside/secret.png");
    for path in
        [Path::new("out/secret.png"), Path::new("secret.png"), Path::new("../outside/secret.png"), &secret]
    {
        assert!(opened.open_real(path).is_err(), "{path:?}");
    }
    assert!(opened.open_real(Path::new("a/1.png")).is_ok());
}

#[test]
fn lines_of_a_manifest_lead_nowhere_else() {
    let (_folder, root) = root();
    symlink("../outside/secret.png", root.join("link.png")).unwrap();
    let lines = [
        "../outside/secret.png".to_owned(),
        root.parent().unwrap().join("outside/secret.png").display().to_string(),
        "link.png".to_owned(),
        "a/gone.png".to_owned(),
        "a".to_owned(),
        "a/1.png".to_owned(),
        root.join("a/1.png").display().to_string(),
    ];
    fs::write(root.join("list.txt"), lines.join("\n")).unwrap();
    let mut skipped = [
        format!("{}: it leads out of the dataset's root by `..`", lines[0]),
        format!("{}: it is not within the manifest's folder", lines[1]),
        "a/1.png: it is listed more than once; the first counts".to_owned(),
        "a/gone.png: it is not there".to_owned(),
        "a: it cannot be read: it is not a regular file".to_owned(),
        "link.png: it leads out of the dataset's root, which is not followed".to_owned(),
    ];
    skipped.sort();
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    check_listing(&root.join("list.txt"), &["a/1.png"], &skipped);
}

#[test]
fn an_unreadable_folder_is_skipped_and_named() {
    let (_folder, root) = root();
    make_tree(&root, &[("closed/2.png", "two")]);
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(root.join("closed")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    check_listing(&root, &["a/1.png"], &["closed: it cannot be read: Permission denied (os error 13)"]);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o000)).unwrap();
    let error = local(&root).open("d", false).map(|_| ()).unwrap_err();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(error, DatasetsError::Unreadable { .. }), "{error}");
}

#[test]
fn strange_names_and_files_are_named() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, root) = root();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff.png")), "").unwrap();
    std::os::unix::net::UnixListener::bind(root.join("pipe.png")).unwrap();
    let skipped = ["pipe.png: it is not a regular file", "\u{fffd}.png: its name is not UTF-8"];
    check_listing(&root, &["a/1.png"], &skipped);
}

#[test]
fn a_place_without_images_says_what_was_looked_for() {
    let (folder, root) = root();
    make_tree(folder.path(), &[("empty/notes.md", "")]);
    check_error(&folder.path().join("empty"), Limits::default(), "has no images: `");
    check_error(&folder.path().join("empty"), Limits::default(), "searched for files that end in .jpg");
    fs::write(root.join("list.txt"), "x.png").unwrap();
    check_error(&root.join("list.txt"), Limits::default(), "1 left out, the first `x.png`: it is not there");
    check_error(
        &root.join("a/1.png"),
        Limits::default(),
        "a manifest ends in .txt, .csv or .tsv, a shard in .tar",
    );
    check_error(&root.join("gone.txt"), Limits::default(), "`gone.txt` is not there; is the location right?");
    let error = in_memory("s3://b/none", &[]).open("d", false).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("`s3://b/none` and its folders were searched"), "{error}");
}

fn check_error(path: &Path, limits: Limits, expected: &str) {
    let error = local(path).with_limits(limits).open("d", false).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn limits_hold() {
    let (_folder, root) = root();
    make_tree(&root, IMAGES);
    make_tree(&root, &[("x/y/z/4.png", "")]);
    let limits = Limits::default;
    check_error(&root, Limits { entries: 6, ..limits() }, "more than 6 images");
    check_error(&root, Limits { classes: 3, ..limits() }, "more than 3 classes");
    check_error(&root, Limits { folders: 4, ..limits() }, "more than 4 folders");
    fs::write(root.join("list.txt"), "a/1.png\ncat/1.png\n").unwrap();
    check_error(&root.join("list.txt"), Limits { manifest_bytes: 17, ..limits() }, "read up to 17");
    check_error(&root.join("list.txt"), Limits { entries: 1, ..limits() }, "more than 1 images");
    let skipped = |limits: Limits| {
        let dataset = local(&root).with_limits(limits).open("d", false).unwrap();
        (dataset.skipped_total(), dataset.skipped().len(), dataset.len())
    };
    assert_eq!(skipped(limits()), (0, 0, 7));
    assert_eq!(skipped(Limits { depth: 2, ..limits() }), (1, 1, 6));
    assert_eq!(skipped(Limits { path_bytes: 8, skipped: 3, ..limits() }), (5, 3, 2));
    assert_eq!(skipped(Limits { class_bytes: 2, ..limits() }), (4, 4, 3));
    let dataset = local(&root).with_limits(Limits { file_bytes: 2, ..limits() }).open("d", false).unwrap();
    let expected = "`a/1.png` has 3 bytes, but a file is read up to 2";
    assert_eq!(dataset.read(0).unwrap_err().to_string(), expected);
}
