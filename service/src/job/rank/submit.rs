//! How Rank jobs come in: answered at once where the index knows, else queued. It knows no gRPC.

use super::answer::Unanswered;
use super::{RankError, RankOrder, RankProgress, Rankings};
use crate::job::queue::Place;
use crate::job::store::Created;
use crate::job::submit::{Jobs, SubmitError, panicked};
use crate::job::worker::{Task, Work, panic_text};
use crate::job::{Ending, Failure, Job, Made, Order, RequestKey, Spec};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;
use unitscope_engine::model::Model;

/// A checked request for a ranking that a free place waits for.
pub struct RankSubmission {
    /// Where it will wait, if it has to.
    pub place: Place<Work>,
    /// What to rank.
    pub order: Arc<RankOrder>,
    /// The model that it names.
    pub model: Arc<Model>,
    /// The client's key.
    pub request: Option<RequestKey>,
}

impl Jobs {
    /// Checks the rest of an order against model, dataset and index; answers it from the index, or queues it.
    ///
    /// # Errors
    /// A [`SubmitError`]; no job was made.
    pub async fn submit_rank(
        &self,
        rankings: &Arc<Rankings>,
        submission: RankSubmission,
    ) -> Result<Job, SubmitError> {
        let RankSubmission { place, order, model, request } = submission;
        let permit = self.validation().await?;
        let checked = {
            let (rankings, order, model) = (rankings.clone(), order.clone(), model.clone());
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                rankings.prepare(order, &model)
            })
        };
        let task = checked.await.map_err(panicked)?.map_err(|error| match error {
            RankError::Invalid(fields) => SubmitError::Invalid(fields),
            other => SubmitError::Rank(other),
        })?;
        let steps_total = task.images();
        let provenance = self.provenance_without_plugins(&model);
        let order = Order { spec: Spec::Rank(order), steps_total, provenance, request };
        if task.order.pictures.heat_maps {
            // Their pass belongs to the thread that owns the device.
            return self.enqueue(order, Task::Rank(Box::new(task)), place);
        }
        self.answer_or_enqueue(order, task, place).await
    }

    async fn answer_or_enqueue(
        &self,
        order: Order,
        task: super::RankTask,
        place: Place<Work>,
    ) -> Result<Job, SubmitError> {
        let permit = self.validation().await?;
        let store = self.store_handle();
        // A look first: whether the job has to wait decides how it is made.
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let complete = task.is_complete();
            (task, complete)
        });
        let (task, complete) = looked.await.map_err(panicked)?;
        if !complete {
            return self.enqueue(order, Task::Rank(Box::new(task)), place);
        }
        let job = match store.create(order, SystemTime::now())? {
            Created::Before(job) => return Ok(job),
            Created::New(job) => job,
        };
        let (id, live) = (job.id, self.enliven(job.id));
        let answered = tokio::task::spawn_blocking(move || {
            // After a panic the task is dropped, so that nothing half changed is seen.
            let answered = catch_unwind(AssertUnwindSafe(|| task.answer(id, &*store, 0)));
            if matches!(answered, Ok(Ok(_))) {
                let _ = store.rank_progress(id, RankProgress::all(job.order.steps_total));
            }
            let failed = |failure| Ending::Failed(failure, Made::Nothing);
            let ending = match answered {
                Ok(Ok(ranking)) => Ending::Succeeded(Made::Ranking(Box::new(ranking))),
                Ok(Err(Unanswered::Failed(failure))) => failed(failure),
                // What was damaged is gone from the index by now, and is scored like all that is missing.
                Ok(Err(Unanswered::Missing(_))) => return Err(Box::new((job, task))),
                Err(panic) => failed(Failure::Panicked(panic_text(&*panic))),
            };
            Ok(store.finish(id, ending).unwrap_or(job))
        });
        match answered.await.map_err(panicked)? {
            Ok(job) => Ok(job),
            Err(left) => {
                let (job, task) = *left;
                self.queue_up(job, Work { task: Task::Rank(Box::new(task)), live }, place)
            }
        }
    }
}
