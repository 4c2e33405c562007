//! Manifests: which files they name, in which class. It opens nothing.

use super::limits::Limits;
use super::listing::{ListError, SkippedList, class_of};

/// A file that a manifest names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Within the root, plain: no `.`, no `..`.
    pub path: String,
    pub class: Option<String>,
}

/// Reads a manifest of that file name. `roots` are what absolute paths may begin with.
///
/// # Errors
/// A [`ListError`]: it is no table, has no column `path`, or has too many lines.
pub(super) fn parse(
    name: &str,
    text: &[u8],
    roots: &[String],
    limits: &Limits,
) -> Result<(Vec<Line>, SkippedList), ListError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = Lines { roots, limits, lines: Vec::new(), skipped: SkippedList::default() };
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "txt" => lines.plain(text),
        "tsv" => lines.table(name, text, b'\t'),
        _ => lines.table(name, text, b','),
    }
}

/// A path of parts that are names, or why it is none.
///
/// # Errors
/// Why, for people.
pub(super) fn plain_path(path: &str) -> Result<String, &'static str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or("it leads out of the dataset's root by `..`")?),
            part if part.contains('\0') => return Err("it holds a zero byte"),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err("it names no file") } else { Ok(parts.join("/")) }
}

struct Lines<'a> {
    roots: &'a [String],
    limits: &'a Limits,
    lines: Vec<Line>,
    skipped: SkippedList,
}

type Parsed = Result<(Vec<Line>, SkippedList), ListError>;

impl Lines<'_> {
    fn plain(mut self, text: &[u8]) -> Parsed {
        for (number, line) in (1_u64..).zip(text.split(|byte| *byte == b'\n')) {
            match std::str::from_utf8(line) {
                Ok(line) if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
                Ok(line) => self.add(line.trim(), None)?,
                Err(_) => self.skipped.push(self.limits, format!("line {number}"), "it is not UTF-8"),
            }
        }
        Ok((self.lines, self.skipped))
    }

    fn table(mut self, name: &str, text: &[u8], delimiter: u8) -> Parsed {
        let unreadable = |error: csv::Error| ListError::Unreadable(format!("manifest `{name}`: {error}"));
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
        let header = reader.byte_headers().map_err(unreadable)?;
        let column = |wanted: &str| {
            header.iter().position(|name| name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
        };
        let path = column("path").ok_or_else(|| {
            let first: String = String::from_utf8_lossy(header.as_slice()).chars().take(80).collect();
            ListError::Unreadable(format!(
                "manifest `{name}` has no column `path`; begin it with a line of names such as `path,class`, not `{first}`"
            ))
        })?;
        let class = column("class").or_else(|| column("label"));
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(unreadable)? {
            let number = record.position().map_or(0, csv::Position::line);
            let text = |column: usize| std::str::from_utf8(record.get(column).unwrap_or_default());
            match (text(path), class.map(text).transpose()) {
                (Ok(path), Ok(class)) if !path.trim().is_empty() => {
                    self.add(path.trim(), class.map(str::trim))?
                }
                (Ok(_), Ok(_)) => self.skipped.push(self.limits, format!("line {number}"), "it has no path"),
                _ => self.skipped.push(self.limits, format!("line {number}"), "it is not UTF-8"),
            }
        }
        Ok((self.lines, self.skipped))
    }

    /// An empty class is none; without a column of classes the first folder is the class, as in a tree.
    fn add(&mut self, path: &str, class: Option<&str>) -> Result<(), ListError> {
        if self.lines.len() == self.limits.entries {
            let rule =
                format!("it lists more than {} images, which is the limit; split it", self.lines.len());
            return Err(ListError::TooLarge(rule));
        }
        match self.within(path) {
            Ok(path) => {
                let class =
                    class.or_else(|| class_of(&path)).filter(|class| !class.is_empty()).map(str::to_owned);
                self.lines.push(Line { path, class });
            }
            Err(reason) => self.skipped.push(self.limits, path, reason),
        }
        Ok(())
    }

    fn within(&self, path: &str) -> Result<String, &'static str> {
        if !path.starts_with('/') && !path.contains("://") {
            return plain_path(path);
        }
        let inside = |root: &String| path.strip_prefix(root.as_str())?.strip_prefix('/');
        plain_path(self.roots.iter().find_map(inside).ok_or("it is not within the manifest's folder")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line as `path=class`, then what was skipped as `path: reason`.
    fn check(name: &str, text: &[u8], expected: &[&str]) {
        let roots = ["/data".to_owned(), "s3://b".to_owned()];
        let (lines, skipped) = parse(name, text, &roots, &Limits::default()).unwrap();
        let mut all: Vec<String> = lines
            .iter()
            .map(|line| format!("{}={}", line.path, line.class.as_deref().unwrap_or("-")))
            .collect();
        all.extend(skipped.named.iter().map(|one| format!("{}: {}", one.path, one.reason)));
        assert_eq!(all, expected);
    }

    #[test]
    fn a_plain_manifest_has_a_path_a_line() {
        check("a.txt", b"# two\n x/1.png \r\n\n./2.png\n", &["x/1.png=x", "2.png=-"]);
        check("a.txt", b"\xef\xbb\xbfx/1.png", &["x/1.png=x"]);
        check("a.txt", b"a\n\xff\n", &["a=-", "line 2: it is not UTF-8"]);
    }

    #[test]
    fn a_table_has_columns_in_any_order() {
        check("a.csv", b"label,Path\ncat,x/1.png\n,y/2.png\n", &["x/1.png=cat", "y/2.png=-"]);
        check("a.csv", b"path\n\"x/1,5.png\"\n", &["x/1,5.png=x"]);
        check("a.TSV", b"path\tclass\tlabel\n1.png\ta\tb\n", &["1.png=a"]);
        check("a.csv", b"class,path\na\nb,1.png\n", &["1.png=b", "line 2: it has no path"]);
    }

    #[test]
    fn a_table_without_paths_is_refused() {
        let error = parse("a.csv", b"x/1.png,cat\n", &[], &Limits::default()).unwrap_err();
        let ListError::Unreadable(reason) = error else { panic!("{error:?}") };
        assert!(reason.contains("`a.csv` has no column `path`"), "{reason}");
    }

    #[test]
    fn no_line_leads_out() {
        const OUT: &str = "it leads out of the dataset's root by `..`";
        const ELSEWHERE: &str = "it is not within the manifest's folder";
        check("a.txt", b"../1.png", &[&format!("../1.png: {OUT}")]);
        check("a.txt", b"x/../../1.png", &[&format!("x/../../1.png: {OUT}")]);
        check("a.txt", b"/data/../1.png", &[&format!("/data/../1.png: {OUT}")]);
        check("a.txt", b"/database/1.png", &[&format!("/database/1.png: {ELSEWHERE}")]);
        check("a.txt", b"s3://c/1.png", &[&format!("s3://c/1.png: {ELSEWHERE}")]);
        check("a.txt", b"x/..", &["x/..: it names no file"]);
        check("a.txt", b"x/../1.png\n/data/y/1.png\ns3://b/z/1.png", &["1.png=-", "y/1.png=y", "z/1.png=z"]);
    }
}
