//! Random operations, beside a model that is a map.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Append(u32, u32),
    Checkpoint,
    Settle,
    /// A restart; what was not flushed may be gone.
    Reopen,
    Delete,
    /// One bit of one segment, while the server is down: segment, byte.
    Damage(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..60u32, 1..12u32).prop_map(|(from, count)| Step::Append(from, count)),
        4 => Just(Step::Checkpoint),
        2 => Just(Step::Settle),
        2 => Just(Step::Reopen),
        1 => Just(Step::Delete),
        1 => (0..8usize, 0..5000usize).prop_map(|(segment, byte)| Step::Damage(segment, byte)),
    ]
}

/// The table, and what must be in it.
struct Beside {
    folder: tempfile::TempDir,
    open: Option<(Index, Arc<Table>)>,
    /// The rows, and whether each is on disk for sure.
    rows: HashMap<RowId, bool>,
    orders: HashMap<u64, Vec<RowId>>,
}

impl Beside {
    fn reopen(&mut self) {
        self.open = None;
        let index = open(self.folder.path());
        let table = index.table(&key("a")).unwrap();
        self.rows.retain(|row, kept| *kept || table.contains(row));
        self.open = Some((index, table));
    }

    fn table(&self) -> &Arc<Table> {
        &self.open.as_ref().unwrap().1
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(from, count) => {
                append(self.table(), *from..from + count).unwrap();
                for row in ids(*from..from + count) {
                    self.rows.entry(row).or_insert(false);
                }
            }
            Step::Checkpoint => {
                self.table().checkpoint().unwrap();
                self.rows.values_mut().for_each(|kept| *kept = true);
            }
            Step::Settle => settle(&self.open.as_ref().unwrap().0),
            Step::Reopen => self.reopen(),
            Step::Delete => {
                let (index, _) = self.open.as_ref().unwrap();
                index.delete(&key("a").id()).unwrap();
                self.rows.clear();
                self.reopen();
            }
            Step::Damage(segment, byte) => self.damage(*segment, *byte),
        }
    }

    fn damage(&mut self, segment: usize, byte: usize) {
        self.open = None;
        let names = files(self.folder.path(), &key("a"), ".seg");
        if !names.is_empty() {
            let path = self.folder.path().join(key("a").id()).join(&names[segment % names.len()]);
            let mut bytes = std::fs::read(&path).unwrap();
            let place = byte % bytes.len();
            bytes[place] ^= 4;
            std::fs::write(path, bytes).unwrap();
        }
        // Only the damaged segment's rows may go, and nobody knows here which those are: no row is sure.
        self.rows.values_mut().for_each(|kept| *kept = false);
        self.reopen();
        let _ = read(&self.table().snapshot());
        let table = self.table().clone();
        self.rows.retain(|row, _| table.contains(row));
    }

    fn check(&mut self) {
        let snapshot = self.table().snapshot();
        let order = read(&snapshot).expect("damage was found before");
        let rows: HashSet<RowId> = order.iter().copied().collect();
        assert_eq!(rows, self.rows.keys().copied().collect());
        let known = self.orders.entry(snapshot.version()).or_insert_with(|| order.clone());
        assert_eq!(*known, order, "a version has one order");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_leaves_what_the_model_says(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let (rows, orders) = Default::default();
        let mut beside = Beside { folder, open: None, rows, orders };
        beside.reopen();
        for step in &steps {
            beside.take(step);
            beside.check();
        }
    }
}
