//! The line of jobs that wait for the device: bounded, first come first served. It knows no store.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use ulid::Ulid;

/// A bounded line of `T`s, each with its job's id.
///
/// Whoever wants to join reserves a place first, so that nobody is checked at length only to be turned away.
pub struct Queue<T> {
    capacity: usize,
    line: Mutex<Line<T>>,
    changed: Condvar,
}

struct Line<T> {
    waiting: VecDeque<(Ulid, T)>,
    reserved: usize,
    closed: bool,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{capacity} jobs wait already, which is this server's limit (`queued_jobs`); try again later")]
pub struct Full {
    /// How many places there are.
    pub capacity: usize,
}

/// A place in the line; given back when dropped.
pub struct Place<T> {
    queue: Arc<Queue<T>>,
    taken: bool,
}

impl<T> Queue<T> {
    /// An empty line with so many places.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let line = Line { waiting: VecDeque::new(), reserved: 0, closed: false };
        Self { capacity, line: Mutex::new(line), changed: Condvar::new() }
    }

    /// Reserves a place.
    ///
    /// # Errors
    /// [`Full`].
    pub fn reserve(self: &Arc<Self>) -> Result<Place<T>, Full> {
        let mut line = self.line();
        if line.waiting.len() + line.reserved >= self.capacity {
            return Err(Full { capacity: self.capacity });
        }
        line.reserved += 1;
        Ok(Place { queue: self.clone(), taken: false })
    }

    /// Waits for the first in line; `None` once the line is closed.
    pub fn pop(&self) -> Option<(Ulid, T)> {
        let line = self.line();
        let mut line = self
            .changed
            .wait_while(line, |line| line.waiting.is_empty() && !line.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if line.closed { None } else { line.waiting.pop_front() }
    }

    /// Takes a job out of the line; `None` where it is not in it (any more).
    pub fn remove(&self, id: Ulid) -> Option<T> {
        let mut line = self.line();
        let place = line.waiting.iter().position(|(other, _)| *other == id)?;
        line.waiting.remove(place).map(|(_, work)| work)
    }

    /// Ends the line: [`Queue::pop`] returns `None` from now on. Returns who waited.
    pub fn close(&self) -> Vec<Ulid> {
        let mut line = self.line();
        line.closed = true;
        self.changed.notify_all();
        line.waiting.drain(..).map(|(id, _)| id).collect()
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Place<T> {
    /// Joins the line; gives the work back where the line was closed meanwhile.
    ///
    /// # Errors
    /// The work itself.
    pub fn take(mut self, id: Ulid, work: T) -> Result<(), T> {
        let mut line = self.queue.line();
        line.reserved -= 1;
        self.taken = true;
        if line.closed {
            return Err(work);
        }
        line.waiting.push_back((id, work));
        drop(line);
        self.queue.changed.notify_one();
        Ok(())
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        if !self.taken {
            self.queue.line().reserved -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_turns_away_until_a_place_is_free() {
        let queue = Arc::new(Queue::new(2));
        queue.reserve().unwrap().take(Ulid(1), "one").unwrap();
        let place = queue.reserve().unwrap();
        assert_eq!(queue.reserve().err(), Some(Full { capacity: 2 }));
        drop(place);
        queue.reserve().unwrap().take(Ulid(2), "two").unwrap();
        assert!(queue.reserve().is_err());
        assert_eq!(queue.pop(), Some((Ulid(1), "one")));
        assert!(queue.reserve().is_ok());
    }

    #[test]
    fn who_is_removed_is_never_served() {
        let queue = Arc::new(Queue::new(3));
        for id in 1..=3 {
            queue.reserve().unwrap().take(Ulid(id), id).unwrap();
        }
        assert_eq!(queue.remove(Ulid(2)), Some(2));
        assert_eq!(queue.remove(Ulid(2)), None);
        assert_eq!((queue.pop(), queue.pop()), (Some((Ulid(1), 1)), Some((Ulid(3), 3))));
    }

    #[test]
    fn a_closed_line_serves_and_takes_nobody() {
        let queue = Arc::new(Queue::new(3));
        queue.reserve().unwrap().take(Ulid(1), 1).unwrap();
        let late = queue.reserve().unwrap();
        assert_eq!(queue.close(), [Ulid(1)]);
        assert_eq!(queue.pop(), None);
        assert_eq!(late.take(Ulid(2), 2), Err(2));
    }
}
