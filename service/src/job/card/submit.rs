//! How RenderCard jobs come in. It knows no gRPC.

use super::{CardOrder, CardTask};
use crate::job::queue::Place;
use crate::job::rank::{RankError, Rankings};
use crate::job::submit::{Jobs, SubmitError, panicked};
use crate::job::worker::{Task, Work};
use crate::job::{Job, Order, RequestKey, Spec};
use std::sync::Arc;
use unitscope_engine::model::Model;
use unitscope_engine::optimize::prepare;
use unitscope_engine::spec::FieldError;

/// A checked request for a card that a free place waits for.
pub struct CardSubmission {
    /// Where it will wait.
    pub place: Place<Work>,
    /// What it is about.
    pub order: CardOrder,
    /// The model that it names.
    pub model: Arc<Model>,
    /// The client's key.
    pub request: Option<RequestKey>,
}

impl Jobs {
    /// Checks the rest of an order against model, dataset, index and plugins, and queues the job.
    ///
    /// # Errors
    /// A [`SubmitError`]; no job was made.
    pub async fn submit_card(
        &self,
        rankings: &Arc<Rankings>,
        submission: CardSubmission,
    ) -> Result<Job, SubmitError> {
        let CardSubmission { place, order, model, request } = submission;
        let permit = self.validation().await?;
        let checked = {
            let (rankings, rank, model) = (rankings.clone(), order.rank.clone(), model.clone());
            let (optimize, registry) = (order.optimize.clone(), self.registry_handle());
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let rank = rankings.prepare(rank, &model)?;
                let mut plans = Vec::with_capacity(optimize.len());
                for (unit, order) in optimize.iter().enumerate() {
                    // The client named a unit and no terms.
                    let of_unit = |errors: Vec<FieldError>| {
                        let reason =
                            |error: FieldError| FieldError::new(format!("units[{unit}]"), error.reason);
                        RankError::Invalid(errors.into_iter().map(reason).collect())
                    };
                    plans.push(prepare(&order.optimize, &model, &registry).map_err(of_unit)?);
                }
                Ok(CardTask { rank, plans })
            })
        };
        let task = checked.await.map_err(panicked)?.map_err(|error| match error {
            RankError::Invalid(fields) => SubmitError::Invalid(fields),
            other => SubmitError::Rank(other),
        })?;
        let provenance = match order.optimize.first() {
            Some(first) => self.provenance(&first.optimize, &model),
            None => self.provenance_without_plugins(&model),
        };
        let steps_total = order.steps_total();
        let order = Order { spec: Spec::Card(Arc::new(order)), steps_total, provenance, request };
        self.enqueue(order, Task::Card(Box::new(task)), place)
    }
}
