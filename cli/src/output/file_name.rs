//! File names from labels: safe on every system, and no two the same. Knows no folder.

use super::SHEET;
use std::collections::HashSet;

/// Leaves room for `.step-000000.png` and a temporary name within the 255 bytes that file systems allow.
const MAX_BYTES: usize = 160;

/// One stem per label, in order: what a file system may choke on is `-`; repeats get `-2`, `-3`, ….
pub fn file_names<'a>(labels: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    // Some file systems take `A` and `a` for one.
    let mut taken = HashSet::from([SHEET.to_string()]);
    labels
        .into_iter()
        .map(|label| {
            let stem = safe(label);
            let mut name = stem.clone();
            let mut copy = 1;
            while !taken.insert(name.to_lowercase()) {
                copy += 1;
                name = format!("{stem}-{copy}");
            }
            name
        })
        .collect()
}

fn safe(label: &str) -> String {
    let mut name = String::new();
    for c in label.chars() {
        let c = match c {
            c if c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '=' | ',' | '@') => c,
            _ => '-',
        };
        let repeats = c == '-' && name.ends_with('-');
        if !repeats && name.len() + c.len_utf8() <= MAX_BYTES {
            name.push(c);
        }
    }
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "picture".to_string() } else { name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(labels: &[&str], names: &[&str]) {
        assert_eq!(file_names(labels.iter().copied()), names);
    }

    #[test]
    fn what_is_safe_stays() {
        check(&["inception_4b-77", "layer3.0.conv1"], &["inception_4b-77", "layer3.0.conv1"]);
        check(&["été"], &["été"]);
    }

    #[test]
    fn what_is_not_is_replaced() {
        check(&["inception_4b:77"], &["inception_4b-77"]);
        check(&["a:1@3,4 negative #2"], &["a-1@3,4-negative-2"]);
        check(&["../../etc/passwd"], &["etc-passwd"]);
        check(&["a\\b\0c\n"], &["a-b-c"]);
        check(&["", "..", "///"], &["picture", "picture-2", "picture-3"]);
        check(&[".hidden"], &["hidden"]);
    }

    #[test]
    fn no_two_are_the_same() {
        check(&["a", "a", "A", "a-2"], &["a", "a-2", "A-3", "a-2-2"]);
        check(&["a:1", "a/1"], &["a-1", "a-1-2"]);
        check(&["contact-sheet"], &["contact-sheet-2"]);
    }

    #[test]
    fn long_labels_are_cut_between_characters() {
        let names = file_names(["é".repeat(400).as_str()]);
        assert_eq!(names[0].len(), MAX_BYTES);
    }
}
