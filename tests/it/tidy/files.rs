//! The checkout's own text files, and where words stand in them.

use std::path::Path;
use unitscope_tests::build::checkout;

/// What cargo, the set-up and Python leave behind; none of it is ours.
const SKIPPED: [&str; 8] =
    [".git", "target", ".libtorch", ".test-clients", "demo-out", "node_modules", "__pycache__", ".venv"];

/// Nothing larger is written by hand.
const MOST_BYTES: u64 = 1 << 20;

/// A text file.
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// True for Rust that is built into a product, not into a test.
    pub fn is_product(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let test = name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/testing");
        self.path.ends_with(".rs")
            && !test
            && !self.path.starts_with("tests/")
            && !self.path.contains("/tests/")
    }

    /// The numbered lines of code: without comments, and up to the tests at the end.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().map(|line| line.split("//").next().unwrap_or(line));
        lines.enumerate().map(|(place, line)| (place + 1, line))
    }

    /// The places of code where one of these words stands, whole.
    pub fn words(&self, words: &[&str]) -> Vec<String> {
        let found = |line: &str| words.iter().find(|word| has_word(line, word)).copied();
        self.code()
            .filter_map(|(number, line)| Some(self.place(number, &format!("`{}`", found(line)?))))
            .collect()
    }

    /// `path:line: what`.
    pub fn place(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// True where `word` stands in the line and neither neighbour goes on with it.
fn has_word(line: &str, word: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let ends_in_name = word.chars().next_back().is_some_and(|c| c.is_alphanumeric());
    let begins_in_name = word.chars().next().is_some_and(|c| c.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !((begins_in_name && goes_on(before)) || (ends_in_name && goes_on(after)))
    })
}

/// Every text file of the checkout.
pub fn checkout_files() -> Vec<File> {
    let mut files = Vec::new();
    read_folder(checkout(), "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).expect("the checkout can be read") {
        let entry = entry.expect("the checkout can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("an entry has a type");
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files);
        } else if kind.is_file() && entry.metadata().is_ok_and(|metadata| metadata.len() <= MOST_BYTES) {
            // What is not UTF-8 is a model or a picture.
            if let Ok(text) = std::fs::read_to_string(entry.path()) {
                files.push(File { path, text });
            }
        }
    }
}
