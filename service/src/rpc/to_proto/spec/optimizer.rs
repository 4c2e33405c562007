//! The optimizer of a filled-in spec as the proto has it.

use unitscope_engine::spec::{Moments, Optimizer, Rule, Schedule};
use unitscope_proto::v1 as proto;
use unitscope_proto::v1::optimizer::{Adam, AdamW, Kind, NAdam, RmsProp, Sgd};
use unitscope_proto::v1::schedule;

pub(super) fn optimizer(given: Optimizer) -> proto::Optimizer {
    let learning_rate = Some(given.learning_rate);
    let kind = match given.rule {
        Rule::Adam(moments) => {
            let (beta1, beta2, epsilon) = self::moments(moments);
            Kind::Adam(Adam { learning_rate, beta1, beta2, epsilon })
        }
        Rule::NAdam { moments, momentum_decay } => {
            let (beta1, beta2, epsilon) = self::moments(moments);
            let momentum_decay = Some(momentum_decay);
            Kind::Nadam(NAdam { learning_rate, beta1, beta2, epsilon, momentum_decay })
        }
        Rule::AdamW { moments, weight_decay } => {
            let (beta1, beta2, epsilon) = self::moments(moments);
            let weight_decay = Some(weight_decay);
            Kind::Adamw(AdamW { learning_rate, beta1, beta2, epsilon, weight_decay })
        }
        Rule::RmsProp { decay, epsilon } => {
            Kind::Rmsprop(RmsProp { learning_rate, decay: Some(decay), epsilon: Some(epsilon) })
        }
        Rule::Sgd { momentum, nesterov } => {
            Kind::Sgd(Sgd { learning_rate, momentum: Some(momentum), nesterov })
        }
    };
    let schedule = schedule(given.schedule, given.warmup_steps);
    proto::Optimizer { kind: Some(kind), schedule: Some(schedule) }
}

fn moments(given: Moments) -> (Option<f64>, Option<f64>, Option<f64>) {
    (Some(given.beta1), Some(given.beta2), Some(given.epsilon))
}

fn schedule(given: Schedule, warmup_steps: u32) -> proto::Schedule {
    let kind = match given {
        Schedule::Constant => schedule::Kind::Constant(schedule::Constant {}),
        Schedule::Cosine { steps } => schedule::Kind::Cosine(schedule::Cosine { steps: Some(steps) }),
        Schedule::Exponential { decay } => {
            schedule::Kind::Exponential(schedule::Exponential { decay: Some(decay) })
        }
    };
    proto::Schedule { kind: Some(kind), warmup_steps: Some(warmup_steps) }
}
