//! Archives made in memory and on disk: what is read, what is refused, and files that change meanwhile.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::*;

fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
            .unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn check_refused(entries: &[(&str, &[u8])], word: &str) {
    let error = Archive::new(packed(entries)).err().unwrap().to_string();
    assert!(error.contains(word), "{error}");
}

#[test]
fn reads_entries_by_their_names_below_the_top() {
    let archive = Archive::new(packed(&[("m/a", b"one"), ("m/b/c", b"two")])).unwrap();
    assert!(archive.contains("a") && !archive.contains("c"));
    assert_eq!(archive.names().collect::<Vec<_>>(), ["a", "b/c"]);
    assert_eq!(archive.read("b/c", 3).unwrap(), b"two");
    assert!(archive.read("b/c", 2).unwrap_err().to_string().contains("cap is 2"));
    assert!(archive.read("c", 9).is_err());
    assert_eq!(archive.data_range("a").map(|data| data.end - data.start), Some(3));
    assert_eq!(archive.data_range("c"), None);
}

#[test]
fn refuses_names_that_lead_elsewhere() {
    check_refused(&[("m/../a", b"")], "plain path");
    check_refused(&[("/m/a", b"")], "plain path");
    check_refused(&[("m\\a", b"")], "plain path");
    check_refused(&[("a", b"")], "outside");
    check_refused(&[("m/a", b""), ("n/a", b"")], "does not lie");
    check_refused(&[], "no entries");
}

#[test]
fn no_cut_or_changed_byte_makes_it_panic() {
    let good = packed(&[("m/a", b"one"), ("m/b", b"two")]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        for bytes in [changed, good[..at].to_vec()] {
            if let Ok(mut archive) = Archive::new(bytes) {
                let _ = archive.read("a", 100);
                let _ = archive.digest();
            }
        }
    }
}

/// Both entries as a pass hands them over, and the digest.
fn passed(archive: &mut Archive, wanted: &[&str]) -> Result<(Vec<Vec<u8>>, String), ModelError> {
    let mut found = Vec::new();
    let mut pass = archive.pass();
    while let Some(name) = pass.advance()? {
        if wanted.contains(&name) {
            let mut bytes = Vec::new();
            pass.read(|chunk| bytes.extend_from_slice(chunk))?;
            found.push(bytes);
        }
    }
    Ok((found, archive.digest()?.to_owned()))
}

/// An entry of several chunks, no two alike.
fn long() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_pass_hands_over_what_is_wanted_and_finds_the_digest_of_all() {
    let bytes = packed(&[("m/a", b"one"), ("m/empty", b""), ("m/long", &long()), ("m/z", b"two")]);
    let digest = blake3::hash(&bytes).to_hex().to_string();
    for wanted in [&[][..], &["a", "empty", "long", "z"], &["long"], &["z"]] {
        let mut archive = Archive::new(bytes.clone()).unwrap();
        let (found, passed) = passed(&mut archive, wanted).unwrap();
        assert_eq!(passed, digest);
        let expected: Vec<_> = wanted.iter().map(|name| archive.read(name, 1 << 30).unwrap()).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(Archive::new(bytes).unwrap().digest().unwrap(), digest);
}

#[test]
fn a_broken_entry_is_refused_whoever_reads_it() {
    let mut bytes = packed(&[("m/a", b"one"), ("m/long", &long())]);
    let at = Archive::new(bytes.clone()).unwrap().data_range("long").unwrap().end - 1;
    bytes[at as usize] ^= 1;
    let mut archive = Archive::new(bytes).unwrap();
    assert_eq!(archive.read("a", 9).unwrap(), b"one");
    let errors = [
        archive.read("long", 1 << 30).unwrap_err(),
        passed(&mut archive, &["long"]).unwrap_err(),
        passed(&mut archive, &[]).unwrap_err(),
        archive.digest().unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("entry `long` is broken: its checksum is"), "{error}");
    }
}

#[test]
fn entries_that_overlap_are_refused() {
    // The second entry's local header is the first one's: the central directory gives its offset 42 bytes in.
    let mut bytes = packed(&[("m/a", b"same"), ("m/b", b"same")]);
    let second = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    bytes[second + 42..second + 46].fill(0);
    let error = Archive::new(bytes).err().unwrap().to_string();
    assert!(error.contains("overlap"), "{error}");
}

/// Opens a file of these bytes, changes it and goes through it.
fn after(bytes: &[u8], change: impl FnOnce(&Path)) -> Result<(Vec<Vec<u8>>, String), ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    std::fs::write(&path, bytes).unwrap();
    let mut archive = Archive::open(&path).unwrap();
    assert_eq!(archive.read("a", 9).unwrap(), b"one");
    change(&path);
    passed(&mut archive, &["a", "long"])
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let good = packed(&[("m/a", b"one"), ("m/long", &long())]);
    let open = |path: &Path| File::options().write(true).open(path).unwrap();
    let mut other = good.clone();
    let at = Archive::new(good.clone()).unwrap().data_range("long").unwrap().start as usize;
    other[at] ^= 1;
    type Change<'a> = Box<dyn FnOnce(&Path) + 'a>;
    let changes: [(&str, Change); 4] = [
        ("overwritten", Box::new(|path| std::fs::write(path, &other).unwrap())),
        ("cut", Box::new(|path| open(path).set_len(at as u64 + 9).unwrap())),
        ("emptied", Box::new(|path| open(path).set_len(0).unwrap())),
        ("appended", Box::new(|path| open(path).set_len(good.len() as u64 + 1).unwrap())),
    ];
    for (what, change) in changes {
        let error = after(&good, change).unwrap_err();
        assert!(matches!(error, ModelError::Changed { .. }), "{what}: {error}");
        assert!(error.to_string().contains("changed while it was read"), "{error}");
    }
}

#[test]
fn a_file_in_the_place_of_an_open_one_is_another() {
    let good = packed(&[("m/a", b"one"), ("m/long", &long())]);
    for change in [
        |path: &Path| std::fs::remove_file(path).unwrap(),
        |path: &Path| {
            std::fs::write(path.with_extension("new"), b"other").unwrap();
            std::fs::rename(path.with_extension("new"), path).unwrap();
        },
    ] {
        let (found, digest) = after(&good, change).unwrap();
        assert_eq!((found.len(), found[1] == long()), (2, true));
        assert_eq!(digest, blake3::hash(&good).to_hex().to_string());
    }
}

#[test]
fn only_plain_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Archive::open(folder.path()).err().unwrap().to_string().contains("no plain file"));
    let missing = Archive::open(&folder.path().join("none")).err().unwrap();
    assert!(matches!(missing, ModelError::Read { .. }), "{missing}");
}
