//! The optimizer: its rule and its schedule.

use super::Wrong;
use unitscope_engine::spec::{Moments, Optimizer, Rule, Schedule};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::{optimizer, parameterization, schedule};

/// `steps` are the spec's, filled in, `most_steps` the server's limit.
pub(super) fn optimizer(
    spec: &proto::OptimizeSpec,
    steps: u32,
    most_steps: u32,
    wrong: &mut Wrong,
) -> Optimizer {
    let given = spec.optimizer.as_ref();
    let kind = given.and_then(|given| given.kind);
    let (rule, learning_rate) = rule(kind.unwrap_or_else(|| default_kind(spec)), wrong);
    let schedule = given.and_then(|given| given.schedule).unwrap_or_default();
    let warmup_steps = schedule.warmup_steps.unwrap_or(0);
    let warmup_steps = wrong.within("optimizer.schedule.warmup_steps", warmup_steps, 0, most_steps);
    let schedule = match schedule.kind {
        None | Some(schedule::Kind::Constant(_)) => Schedule::Constant,
        Some(schedule::Kind::Cosine(cosine)) => {
            let steps = cosine.steps.unwrap_or(steps);
            Schedule::Cosine { steps: wrong.within("optimizer.schedule.cosine.steps", steps, 1, most_steps) }
        }
        Some(schedule::Kind::Exponential(exponential)) => {
            let field = "optimizer.schedule.exponential.decay";
            if exponential.decay.is_none() {
                wrong.add(field, "the decay is missing; give 0 … 1, such as 0.99");
            }
            Schedule::Exponential { decay: wrong.within(field, exponential.decay.unwrap_or(1.0), 0.0, 1.0) }
        }
    };
    Optimizer { rule, learning_rate, warmup_steps, schedule }
}

/// What goes well with the parameterization: lucid's notebook on CPPNs has 0.005, the authors of MACO NAdam at 1 (xplique).
fn default_kind(spec: &proto::OptimizeSpec) -> optimizer::Kind {
    let parameterization = spec.parameterization.as_ref().and_then(|given| given.kind.as_ref());
    match parameterization {
        Some(parameterization::Kind::Maco(_)) => {
            optimizer::Kind::Nadam(optimizer::NAdam { learning_rate: Some(1.0), ..Default::default() })
        }
        Some(parameterization::Kind::Cppn(_)) => {
            optimizer::Kind::Adam(optimizer::Adam { learning_rate: Some(0.005), ..Default::default() })
        }
        _ => optimizer::Kind::Adam(optimizer::Adam::default()),
    }
}

/// The rule and its learning rate.
fn rule(kind: optimizer::Kind, wrong: &mut Wrong) -> (Rule, f64) {
    let default_rate = Optimizer::DEFAULT.learning_rate;
    match kind {
        optimizer::Kind::Adam(given) => {
            let moments = moments("adam", [given.beta1, given.beta2, given.epsilon], wrong);
            (Rule::Adam(moments), rate("adam", given.learning_rate, default_rate, wrong))
        }
        optimizer::Kind::Nadam(given) => {
            let moments = moments("nadam", [given.beta1, given.beta2, given.epsilon], wrong);
            let decay = given.momentum_decay.unwrap_or(Rule::MOMENTUM_DECAY);
            let momentum_decay = wrong.within("optimizer.nadam.momentum_decay", decay, 0.0, 1.0);
            let rate = rate("nadam", given.learning_rate, default_rate, wrong);
            (Rule::NAdam { moments, momentum_decay }, rate)
        }
        optimizer::Kind::Adamw(given) => {
            let moments = moments("adamw", [given.beta1, given.beta2, given.epsilon], wrong);
            let decay = given.weight_decay.unwrap_or(Rule::WEIGHT_DECAY);
            let weight_decay = wrong.within("optimizer.adamw.weight_decay", decay, 0.0, 1.0);
            let rate = rate("adamw", given.learning_rate, default_rate, wrong);
            (Rule::AdamW { moments, weight_decay }, rate)
        }
        optimizer::Kind::Rmsprop(given) => {
            let decay = given.decay.unwrap_or(Rule::SQUARE_DECAY);
            let decay = fraction("optimizer.rmsprop.decay", decay, wrong);
            let epsilon = given.epsilon.unwrap_or(Moments::DEFAULT.epsilon);
            let epsilon = wrong.positive("optimizer.rmsprop.epsilon", epsilon);
            let rate = rate("rmsprop", given.learning_rate, Rule::RMSPROP_RATE, wrong);
            (Rule::RmsProp { decay, epsilon }, rate)
        }
        optimizer::Kind::Sgd(given) => {
            let momentum = fraction("optimizer.sgd.momentum", given.momentum.unwrap_or(0.0), wrong);
            if given.nesterov && momentum == 0.0 {
                wrong.add(
                    "optimizer.sgd.nesterov",
                    "Nesterov's step needs a momentum above 0; give `momentum` too, such as 0.9",
                );
            }
            let rate = rate("sgd", given.learning_rate, Rule::SGD_RATE, wrong);
            (Rule::Sgd { momentum, nesterov: given.nesterov }, rate)
        }
    }
}

/// Beta 1, beta 2 and epsilon of the optimizer `name`.
fn moments(name: &str, given: [Option<f64>; 3], wrong: &mut Wrong) -> Moments {
    let Moments { beta1, beta2, epsilon } = Moments::DEFAULT;
    Moments {
        beta1: fraction(&format!("optimizer.{name}.beta1"), given[0].unwrap_or(beta1), wrong),
        beta2: fraction(&format!("optimizer.{name}.beta2"), given[1].unwrap_or(beta2), wrong),
        epsilon: wrong.positive(&format!("optimizer.{name}.epsilon"), given[2].unwrap_or(epsilon)),
    }
}

fn rate(name: &str, given: Option<f64>, default: f64, wrong: &mut Wrong) -> f64 {
    wrong.positive(&format!("optimizer.{name}.learning_rate"), given.unwrap_or(default))
}

fn fraction(field: &str, value: f64, wrong: &mut Wrong) -> f64 {
    if !(0.0..1.0).contains(&value) {
        wrong.add(field, format!("{value} is out of range; it must be 0 … below 1"));
    }
    value
}
