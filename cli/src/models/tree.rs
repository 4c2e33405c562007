//! A model's layers as a tree of modules, in columns that fit the terminal. Knows no server.

use super::cells;
use crate::failure::Failure;
use console::{Alignment, measure_text_width, pad_str, style};
use std::collections::HashMap;
use std::fmt;
use unitscope_proto::v1::{Layer, Model};

/// Which layers of a model are shown.
#[derive(Debug, Clone)]
pub struct Extract {
    /// Only those within this module.
    pub under: Option<String>,
    /// Only so many levels of modules, from there.
    pub depth: Option<u32>,
}

impl Extract {
    /// Whether a layer is among them.
    pub fn has(&self, layer: &Layer) -> bool {
        let path = plain(&layer.path);
        let below = self.under.as_deref().map_or(Some(path), |under| below(path, under));
        let levels = |path: &str| path.split('.').filter(|part| !part.is_empty()).count();
        below.is_some_and(|path| self.depth.is_none_or(|depth| levels(path) <= depth as usize))
    }

    /// Refuses a module that holds no layer.
    pub fn check(&self, model: &Model) -> Result<(), Failure> {
        let Some(under) = &self.under else { return Ok(()) };
        if model.layers.iter().any(|layer| below(plain(&layer.path), under).is_some()) {
            return Ok(());
        }
        let mut outermost: Vec<&str> = Vec::new();
        for part in model.layers.iter().filter_map(|layer| plain(&layer.path).split('.').next()) {
            if !outermost.contains(&part) {
                outermost.push(part);
            }
        }
        Err(Failure::Usage(format!(
            "--layers-under {under}: model `{}` has no layer within such a module; its outermost modules are {}",
            model.name,
            outermost.join(", ")
        )))
    }
}

/// A layer's path without the number of its call.
fn plain(path: &str) -> &str {
    path.split_once('#').map_or(path, |(path, _)| path)
}

/// What of a path lies below a module; empty for the module itself.
fn below<'a>(path: &'a str, module: &str) -> Option<&'a str> {
    path.strip_prefix(module).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Rows of cells, ready to be written.
pub struct Tree {
    rows: Vec<Row>,
    /// Of the terminal; none where stdout is no terminal: nothing is left out in a file.
    width: Option<usize>,
}

/// One line: branches and name, and a cell for each further column.
struct Row {
    branches: String,
    name: String,
    cells: [String; COLUMNS.len()],
}

/// A column after the name.
struct Column {
    title: &'static str,
    alignment: Alignment,
    /// Of the columns that do not fit, the one with the lowest goes first.
    worth: u8,
}

const fn column(title: &'static str, alignment: Alignment, worth: u8) -> Column {
    Column { title, alignment, worth }
}

const COLUMNS: [Column; 8] = [
    column("TYPE", Alignment::Left, 5),
    column("OPERATOR", Alignment::Left, 0),
    column("OUTPUT", Alignment::Left, 7),
    column("FIELD", Alignment::Left, 6),
    column("PARAMS", Alignment::Right, 2),
    column("MACS", Alignment::Right, 1),
    column("TO REACH", Alignment::Right, 4),
    column("ACT", Alignment::Left, 3),
];

/// Between two columns.
const GAP: usize = 2;

/// A module, with the layers of its calls and the modules within it, in the order in which the first of them runs.
#[derive(Default)]
struct Branch<'a> {
    name: String,
    calls: Vec<&'a Layer>,
    within: Vec<Branch<'a>>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Branch<'a> {
    fn add(&mut self, parts: &mut dyn Iterator<Item = &'a str>, layer: &'a Layer) {
        let Some(part) = parts.next() else { return self.calls.push(layer) };
        let place = *self.places.entry(part).or_insert(self.within.len());
        if place == self.within.len() {
            self.within.push(Branch { name: part.to_string(), ..Branch::default() });
        }
        self.within[place].add(parts, layer);
    }

    /// How many layers are within it.
    fn layers(&self) -> usize {
        self.within.iter().map(|branch| branch.calls.len() + branch.layers()).sum()
    }

    /// Modules that are no layers and hold one module alone become one with it.
    fn joined(mut self) -> Self {
        while self.calls.is_empty() && self.within.len() == 1 && !self.name.is_empty() {
            let only = self.within.remove(0);
            self = Branch { name: format!("{}.{}", self.name, only.name), ..only };
        }
        self.within = self.within.into_iter().map(Self::joined).collect();
        self
    }

    /// `levels`: how many more are shown.
    fn rows(&self, first: &str, rest: &str, levels: u32, rows: &mut Vec<Row>) {
        let hidden = if levels == 0 { self.layers() } else { 0 };
        let more = if hidden > 0 { format!(" +{hidden}") } else { String::new() };
        if self.calls.is_empty() {
            let name = format!("{}{more}", self.name);
            rows.push(Row { branches: first.to_string(), name, cells: Default::default() });
        }
        for (place, layer) in self.calls.iter().enumerate() {
            let branches = if place == 0 { first } else { rest }.to_string();
            let call = layer.path.split_once('#').map_or(String::new(), |(_, call)| format!("#{call}"));
            let more = if place + 1 == self.calls.len() { more.as_str() } else { "" };
            rows.push(Row { branches, name: format!("{}{call}{more}", self.name), cells: row(layer) });
        }
        if levels == 0 {
            return;
        }
        for (place, branch) in self.within.iter().enumerate() {
            let (fork, on) =
                if place + 1 == self.within.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            branch.rows(&format!("{rest}{fork}"), &format!("{rest}{on}"), levels - 1, rows);
        }
    }
}

/// The cells of a layer.
fn row(layer: &Layer) -> [String; COLUMNS.len()] {
    [
        layer.r#type.clone(),
        layer.operator.strip_prefix("aten::").unwrap_or(&layer.operator).to_string(),
        cells::output(layer),
        cells::field(layer),
        cells::count(layer.parameters),
        cells::count(layer.macs),
        cells::count(layer.macs_to_reach),
        cells::side(layer).to_string(),
    ]
}

impl Tree {
    /// The tree for stdout.
    pub fn new(layers: &[Layer], extract: &Extract) -> Tree {
        let terminal = console::Term::stdout();
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        Tree { rows: rows(layers, extract), width }
    }

    /// Which columns fit beside the names, and how wide they are.
    fn fitting(&self, names: usize) -> Vec<(usize, usize)> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| measure_text_width(&row.cells[column]));
            cells.max().unwrap_or(0).max(COLUMNS[column].title.len())
        };
        let is_used = |column: &usize| self.rows.iter().any(|row| !row.cells[*column].is_empty());
        let mut fitting: Vec<_> =
            (0..COLUMNS.len()).filter(is_used).map(|column| (column, width(column))).collect();
        let room = self.width.unwrap_or(usize::MAX);
        while names + fitting.iter().map(|(_, width)| width + GAP).sum::<usize>() > room {
            let worth = |(_, (column, _)): &(usize, &(usize, usize))| COLUMNS[*column].worth;
            let Some((place, _)) = fitting.iter().enumerate().min_by_key(worth) else { break };
            fitting.remove(place);
        }
        fitting
    }
}

/// A row for each module that is shown, outermost first.
fn rows(layers: &[Layer], extract: &Extract) -> Vec<Row> {
    let mut root = Branch::default();
    for layer in layers {
        let path = plain(&layer.path);
        let Some(rest) = extract.under.as_deref().map_or(Some(path), |under| below(path, under)) else {
            continue;
        };
        root.add(&mut rest.split('.').filter(|part| !part.is_empty()), layer);
    }
    let levels = extract.depth.unwrap_or(u32::MAX);
    let mut rows = Vec::new();
    let root = root.joined();
    match &extract.under {
        Some(under) => Branch { name: under.clone(), ..root }.rows("", "", levels, &mut rows),
        None => root.within.iter().for_each(|branch| branch.rows("", "", levels - 1, &mut rows)),
    }
    rows
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let width = |row: &Row| measure_text_width(&row.branches) + measure_text_width(&row.name);
        let names = self.rows.iter().map(width).max().unwrap_or(0).max("LAYER".len());
        let columns = self.fitting(names);
        let line = |cell: &dyn Fn(usize) -> String| {
            let cells = columns.iter().map(|&(column, width)| {
                format!("{:GAP$}{}", "", pad_str(&cell(column), width, COLUMNS[column].alignment, None))
            });
            cells.collect::<String>()
        };
        let title = format!("{:<names$}{}", "LAYER", line(&|column| COLUMNS[column].title.to_string()));
        writeln!(f, "{}", style(title.trim_end()).bold())?;
        for row in &self.rows {
            let cells = line(&|column| row.cells[column].clone());
            let filled = format!("{}{}", " ".repeat(names - width(row)), cells);
            writeln!(f, "{}{}{}", style(&row.branches).dim(), row.name, filled.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 9] = [
        "stem",
        "blocks.0.conv",
        "blocks.0.act",
        "blocks.0",
        "blocks.1.conv#0",
        "blocks.1.conv#1",
        "blocks.1",
        "deep.er.head",
        "output",
    ];

    fn layers() -> Vec<Layer> {
        let layer =
            |path: &str| Layer { path: path.into(), r#type: path.len().to_string(), ..Layer::default() };
        PATHS.map(layer).to_vec()
    }

    /// The names with their branches, line by line.
    fn check(under: Option<&str>, depth: Option<u32>, expected: &[&str]) {
        let extract = Extract { under: under.map(str::to_owned), depth };
        let found: Vec<String> =
            rows(&layers(), &extract).iter().map(|row| format!("{}{}", row.branches, row.name)).collect();
        assert_eq!(found, expected, "{under:?} {depth:?}");
    }

    #[test]
    fn modules_stand_within_modules_in_the_order_in_which_they_run() {
        check(
            None,
            None,
            &[
                "stem",
                "blocks",
                "├─ 0",
                "│  ├─ conv",
                "│  └─ act",
                "└─ 1",
                "   └─ conv#0",
                "      conv#1",
                "deep.er.head",
                "output",
            ],
        );
    }

    #[test]
    fn levels_and_modules_are_left_out() {
        check(None, Some(1), &["stem", "blocks +6", "deep.er.head", "output"]);
        check(Some("blocks"), Some(1), &["blocks", "├─ 0 +2", "└─ 1 +2"]);
        check(Some("blocks.0"), None, &["blocks.0", "├─ conv", "└─ act"]);
        let extract = |under: &str, depth| Extract { under: Some(under.into()), depth };
        let kept = |extract: Extract| layers().iter().filter(|layer| extract.has(layer)).count();
        assert_eq!(kept(extract("blocks", Some(1))), 2);
        assert_eq!(kept(extract("blocks.1", None)), 3);
        assert_eq!(kept(extract("block", None)), 0);
        let model = Model { name: "m".into(), layers: layers(), ..Model::default() };
        let refused = extract("block", None).check(&model).unwrap_err().to_string();
        assert!(refused.contains("outermost modules are stem, blocks, deep, output"), "{refused}");
        assert!(extract("blocks", None).check(&model).is_ok());
    }

    #[test]
    fn columns_that_do_not_fit_go_the_least_worth_first() {
        let mut layers = layers();
        layers[0].operator = "aten::conv2d".into();
        layers[0].parameters = 25_600_000;
        layers[0].shape = vec![3];
        let rows = |width| {
            let tree = Tree { rows: rows(&layers, &Extract { under: None, depth: Some(1) }), width };
            let text = console::strip_ansi_codes(&tree.to_string()).into_owned();
            text.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            rows(None),
            [
                "LAYER         TYPE  OPERATOR  OUTPUT  FIELD  PARAMS",
                "stem          4     conv2d    3       ?      25.6 M"
            ]
        );
        assert_eq!(
            rows(Some(50)),
            ["LAYER         TYPE  OUTPUT  FIELD  PARAMS", "stem          4     3       ?      25.6 M"]
        );
        assert_eq!(rows(Some(30)), ["LAYER         OUTPUT  FIELD", "stem          3       ?"]);
        assert_eq!(rows(Some(3)), ["LAYER", "stem"]);
    }
}
