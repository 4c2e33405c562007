//! The stops of a filled-in spec, and its elimination, as the proto has them.

use unitscope_engine::spec::{Elimination, Plateau, Stop};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::stop;

/// `None` where there are none.
pub(super) fn stop(given: Stop) -> Option<proto::Stop> {
    let plateau = |Plateau { window, tolerance }: Plateau| stop::Plateau {
        window: Some(window),
        tolerance: Some(tolerance),
    };
    (given != Stop::default()).then(|| proto::Stop {
        plateau: given.plateau.map(plateau),
        target: given.target,
        seconds: given.seconds,
    })
}

pub(super) fn elimination(given: &Elimination) -> proto::Elimination {
    proto::Elimination { starts: given.starts, steps: given.steps.clone() }
}
