//! Pictures that leave the passes, so that steps get cheaper, and their way back. It knows no score.

use super::super::plan::{Pass, references_of};
use super::Evaluator;

impl Evaluator {
    /// Leaves pictures out of the passes from now on: their values are NaN, their gradients 0. The passes of the others stay apart as the
    /// plan had them.
    pub fn leave_out(&mut self, is_out: impl Fn(u32) -> bool) {
        self.whole.get_or_insert_with(|| self.plan.groups.clone());
        let Self { plan, readings, .. } = self;
        for (group, readings) in plan.groups.iter_mut().zip(readings.iter_mut()) {
            let before = group.clone();
            group.passes.iter_mut().for_each(|pass| pass.images.retain(|&image| !is_out(image)));
            group.passes.retain(|pass| !pass.images.is_empty());
            if *group != before {
                group.passes.iter_mut().for_each(|pass: &mut Pass| {
                    pass.references = references_of(pass, &plan.terms);
                });
                // They are as large as the passes were, and are made anew.
                readings.clear();
            }
        }
        let mut kept = plan.groups.iter().map(|group| !group.passes.is_empty());
        readings.retain(|_| kept.next().unwrap_or_default());
        plan.groups.retain(|group| !group.passes.is_empty());
    }

    /// Takes all pictures back into the passes that the plan had.
    pub fn take_all_back(&mut self) {
        if let Some(groups) = self.whole.take() {
            self.readings = groups.iter().map(|_| Vec::new()).collect();
            self.plan.groups = groups;
        }
    }
}
