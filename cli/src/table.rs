//! Tables for terminals: columns as wide as they need to be, text that runs over wrapped in the last one.

use std::fmt;

/// Between two columns.
const GAP: usize = 2;
/// The last column is never narrower, however small the terminal.
const MIN_LAST_WIDTH: usize = 24;

/// Rows of cells below a header.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Of the terminal; none where stdout is no terminal, so that nothing wraps in a file.
    width: Option<usize>,
}

impl Table {
    /// An empty table for stdout.
    pub fn new(header: &[&str]) -> Table {
        let terminal = console::Term::stdout();
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        Table { header: header.iter().map(ToString::to_string).collect(), rows: Vec::new(), width }
    }

    /// Adds a row, of as many cells as the header has.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let last = self.header.len().saturating_sub(1);
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let widths: Vec<usize> = (0..last)
            .map(|column| lines().map(|row| console::measure_text_width(&row[column])).max().unwrap_or(0))
            .collect();
        let indent = widths.iter().map(|width| width + GAP).sum::<usize>();
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(MIN_LAST_WIDTH));
        for (index, row) in lines().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&console::pad_str(cell, width + GAP, console::Alignment::Left, None));
            }
            for (part, text) in wrap(&row[last], room).iter().enumerate() {
                let start = if part == 0 { std::mem::take(&mut line) } else { " ".repeat(indent) };
                let whole = format!("{start}{text}");
                let whole = whole.trim_end();
                if index == 0 {
                    writeln!(f, "{}", console::style(whole).bold())?;
                } else {
                    writeln!(f, "{whole}")?;
                }
            }
        }
        Ok(())
    }
}

/// Text from outside, without the characters that move a terminal's cursor or change its colours.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Breaks a text between words into lines of at most `room` characters; line breaks become spaces. At least one line.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start");
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() > room {
            lines.push(word.to_string());
        } else {
            if length > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(width: Option<usize>, rows: &[[&str; 2]], expected: &str) {
        let rows = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        let table = Table { header: vec!["NAME".into(), "DOC".into()], rows, width };
        assert_eq!(console::strip_ansi_codes(&table.to_string()), expected);
    }

    #[test]
    fn columns_line_up() {
        check(None, &[["a", "x"], ["longer", ""]], "NAME    DOC\na       x\nlonger\n");
        check(None, &[["→→", "x"]], "NAME  DOC\n→→    x\n");
    }

    #[test]
    fn the_last_column_wraps() {
        let text = "one two three four five six seven";
        check(Some(30), &[["a", text]], "NAME  DOC\na     one two three four five\n      six seven\n");
        check(Some(3), &[["a", text]], "NAME  DOC\na     one two three four five\n      six seven\n");
    }

    #[test]
    fn text_from_outside_moves_no_cursor() {
        assert_eq!(printable("a\x1b[31m/b\n\u{9b}é.png"), "a�[31m/b��é.png");
    }

    #[test]
    fn words_are_never_broken() {
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("abcdef gh", 3), ["abcdef", "gh"]);
    }
}
