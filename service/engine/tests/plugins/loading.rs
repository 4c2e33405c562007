//! What is not loaded, and why: each reason is one that an operator can act on, and the other libraries are loaded all the same.

use std::hint::black_box;

use unitscope_tests::build::libraries;

use super::support::{compile, load, load_folders};

/// A C plugin broken by these options is refused with this reason.
fn check(options: &[&str], reason: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Some ways to break it leave parts of it unused.
    let loaded = load(&[&compile("broken.c", &[&["-Wno-unused"], options].concat(), folder.path())]);
    let problems: Vec<&str> = loaded.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert!(matches!(problems[..], [found] if found.contains(reason)), "{options:?}: {problems:?}");
    assert_eq!(loaded.registry.terms().count(), 0);
}

#[test]
fn an_unbroken_one_is_loaded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loaded = load(&[&compile("broken.c", &[], folder.path())]);
    assert_eq!(loaded.problems, []);
    assert!(loaded.registry.term("broken").is_ok());
}

#[test]
fn another_abi_is_refused_without_running_it() {
    let loaded = load(&[libraries().wrong_abi()]);
    assert_eq!(loaded.problems.len(), 1);
    assert!(
        loaded.problems[0].reason.contains("plugin ABI 7.0, and this service serves 0.0"),
        "{:?}",
        loaded.problems
    );
    // Neither do these run: their constructor ends the process.
    check(&["-DENDS_PROCESS", "-DNOTE_ABORTS"], "panic=abort");
    check(&["-DENDS_PROCESS", "-DNO_NOTE"], "no section .note.unitscope");
    check(
        &["-DENDS_PROCESS", "-DENTRY=us_plugin_entry_v1"],
        "does not export the symbol `us_plugin_entry_v0`",
    );
}

#[test]
fn what_is_no_library_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in
        [("a.so", &b"not a library"[..]), ("b.so", &b""[..]), ("c.so", &b"\x7fELF\x02\x01\x01"[..])]
    {
        std::fs::write(folder.path().join(name), bytes).expect("a writable folder");
    }
    std::fs::write(folder.path().join("readme.txt"), "not read").expect("a writable folder");
    let whole = std::fs::read(libraries().plugins()[0]).expect("a readable library");
    std::fs::write(folder.path().join("d.so"), &whole[..whole.len() / 2]).expect("a writable folder");
    let missing = folder.path().join("missing");
    let loaded = load_folders(vec![folder.path().to_owned(), missing], folder);
    let reasons: Vec<&str> = loaded.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert!(reasons[..3].iter().all(|reason| reason.contains("ELF")), "{reasons:?}");
    assert!(reasons[4].contains("folder cannot be read"), "{reasons:?}");
}

#[test]
fn a_descriptor_that_breaks_the_header_is_refused() {
    for (options, reason) in [
        (&["-DREFUSES"][..], "refused to start (FAILED_PRECONDITION): no luck"),
        (&["-DNO_DESCRIPTOR"], "returned no descriptor"),
        (&["-DMAJOR=3"], "plugin ABI 3.0"),
        (&["-DPLUGIN_SIZE=8"], "us_plugin has 8 bytes"),
        (&["-DTERM_SIZE=16"], "us_term has 16 bytes"),
        (&["-DTERMS=NULL"], "1 terms are missing"),
        (&["-DN_TERMS=2"], "term `broken` twice"),
        (&["-DN_TERMS=100000"], "100000 terms"),
        (&["-DN_TERMS=0"], "its note lists the terms"),
        (&["-DNOTE_TERMS=\"other\""], "its note lists the terms"),
        (&["-DNOTE_ID=\"org.other\""], "they must agree"),
        (&["-DTERM_ID=\"No\""], "no id for a term"),
        (&["-DTERM_ID=\"\""], "id is empty"),
        (&["-DKIND=9"], "kind 9"),
        (&["-DKIND=US_STEP_OPERATION"], "whether it edits"),
        (&["-DKIND=US_STEP_OPERATION", "-DCAPS=US_CAP_EDITS_IMAGE"], "function `apply` is missing"),
        (&["-DKIND=US_STEP_OPERATION", "-DCAPS=12"], "and not both"),
        (&["-DEVAL=NULL"], "function `eval` is missing"),
        (&["-DDTYPES=US_DTYPES_F64"], "float32"),
        (&["-DDOC={\"\\xff\",1}"], "not UTF-8"),
        (&["-DDOC={NULL,3}"], "null, with a length"),
        (&["-DDOC={\"a\",100000000}"], "more than"),
        (&["-DPARAM_NAME=\"weight\""], "`weight`"),
        (&["-DPARAM_NAME=\"a b\""], "no name for a parameter"),
        (&["-DPARAM_TYPE=77"], "type 77"),
        (&["-DPARAM_TYPE=US_TYPE_I64"], "another type"),
        (&["-DPARAM_DEFAULT=2"], "default breaks its rules"),
        (&["-DPARAM_MAX=-1"], "is empty"),
    ] {
        check(options, reason);
    }
}

#[test]
fn a_changed_floating_point_mode_is_restored() {
    check(&["-DFLUSHES_TO_ZERO"], "floating-point mode");
    assert!(black_box(f32::MIN_POSITIVE) / black_box(2.0) > 0.0, "subnormal numbers are flushed to zero");
}

#[test]
fn a_term_that_is_there_already_is_refused_with_its_library() {
    let plugins = libraries().plugins();
    let loaded = load(&[plugins[0], plugins[0], plugins[1]]);
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    assert!(loaded.problems[0].reason.contains("already offered by plugin `org.unitscope.objectives`"));
    assert!(loaded.registry.term("l2").is_ok() && loaded.registry.term("unit").is_ok());
}
