//! Names as people write them: `_` for `.` as in lucent's `layer3_0_conv1`, or in another case; and the nearest where none fits. Knows no layer.

use std::collections::{HashMap, HashSet};

/// Names that can be asked for.
#[derive(Debug, Clone, Default)]
pub struct Names {
    list: Vec<String>,
    exact: HashSet<String>,
    /// Indices into the list, by the name with `_` for `.`.
    joined: HashMap<String, Vec<usize>>,
    /// The same, in small letters.
    folded: HashMap<String, Vec<usize>>,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// This one.
    One(&'a str),
    /// It could be any of these.
    Several(Vec<&'a str>),
    /// Nothing has it.
    Nothing,
}

impl Names {
    /// Over these names; those that stand twice count once.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut all = Self::default();
        for name in names {
            if !all.exact.insert(name.clone()) {
                continue;
            }
            let place = all.list.len();
            all.joined.entry(joined(&name)).or_default().push(place);
            all.folded.entry(folded(&name)).or_default().push(place);
            all.list.push(name);
        }
        all
    }

    /// What `asked` means: the name itself, else the only one that differs in `_` for `.`, else the only one that differs in that and in case.
    pub fn find(&self, asked: &str) -> Found<'_> {
        if let Some(name) = self.exact.get(asked) {
            return Found::One(name);
        }
        let places = self.joined.get(&joined(asked)).or_else(|| self.folded.get(&folded(asked)));
        match places.map(Vec::as_slice) {
            None | Some([]) => Found::Nothing,
            Some(&[place]) => Found::One(&self.list[place]),
            Some(places) => Found::Several(places.iter().map(|&place| self.list[place].as_str()).collect()),
        }
    }
}

/// How many names an error suggests: three fit into one line.
pub const GUESSES: usize = 3;

/// The `count` names that are most like `asked`, best first: by spelling, `_` and `.` and case being alike, or because one ends in the other,
/// as `backbone.conv1` and `conv1`.
pub fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<String> {
    // Two names of which one is the other's end are meant more often than two that are spelled alike by chance.
    const SAME_END: f64 = 0.95;
    let asked = folded(asked);
    let likeness = |name: &str| {
        let name = folded(name);
        let (long, short) = if name.len() > asked.len() { (&name, &asked) } else { (&asked, &name) };
        let ends =
            !short.is_empty() && long.strip_suffix(short.as_str()).is_some_and(|rest| rest.ends_with('_'));
        strsim::jaro_winkler(&asked, &name).max(if ends { SAME_END } else { 0.0 })
    };
    let mut near: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
}

fn joined(name: &str) -> String {
    name.replace('.', "_")
}

fn folded(name: &str) -> String {
    joined(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] =
        ["layer3.0.conv1", "Mixed_5b.branch", "a.b_c", "a_b.c", "Relu", "relu", "act#0", "backbone.head.fc"];

    #[test]
    fn names_are_found_as_people_write_them() {
        let names = Names::new(NAMES.map(str::to_owned));
        let check = |asked: &str, expected: &[&str]| {
            let found = match names.find(asked) {
                Found::One(name) => vec![name],
                Found::Several(names) => names,
                Found::Nothing => Vec::new(),
            };
            assert_eq!(found, expected, "{asked}");
        };
        check("layer3.0.conv1", &["layer3.0.conv1"]);
        check("layer3_0_conv1", &["layer3.0.conv1"]);
        check("layer3.0_conv1", &["layer3.0.conv1"]);
        check("LAYER3_0_Conv1", &["layer3.0.conv1"]);
        check("mixed_5b_branch", &["Mixed_5b.branch"]);
        check("act#0", &["act#0"]);
        check("relu", &["relu"]);
        check("a.b_c", &["a.b_c"]);
        check("a_b_c", &["a.b_c", "a_b.c"]);
        check("RELU", &["Relu", "relu"]);
        check("layer3_0_conv2", &[]);
        check("", &[]);
    }

    #[test]
    fn the_nearest_looks_across_dots_cases_and_beginnings() {
        let check = |asked: &str, expected: &str| {
            assert_eq!(nearest(asked, NAMES.into_iter(), 1), [expected], "{asked}");
        };
        check("layer3_0_conv", "layer3.0.conv1");
        check("Layer3.0.Covn1", "layer3.0.conv1");
        check("fc", "backbone.head.fc");
        check("model.layer3.0.conv1", "layer3.0.conv1");
    }
}
