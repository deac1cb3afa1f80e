//! Who waits for which proposal.
//!
//! A lane registers before it proposes; the apply thread answers; a sweep ends what took too long,
//! so that no request pays for a timer of its own.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use ketch_apply::Answer;
use ketch_base::{Code, RequestId};
use tokio::sync::oneshot;

/// What a proposal comes to.
pub(crate) type Outcome = Result<Answer, Code>;

/// Waiting requests by id.
pub(crate) struct Waiters {
    waiting: DashMap<u64, Waiter>,
    patience: Duration,
}

struct Waiter {
    answer: oneshot::Sender<Outcome>,
    since: Instant,
}

impl Waiters {
    /// Nobody waits longer than `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { waiting: DashMap::new(), patience }
    }

    /// Begins to wait for `id`.
    pub(crate) fn register(&self, id: RequestId) -> oneshot::Receiver<Outcome> {
        let (answer, receiver) = oneshot::channel();
        self.waiting.insert(id.0, Waiter { answer, since: Instant::now() });
        receiver
    }

    /// Answers `id`, if anybody here waits for it.
    pub(crate) fn answer(&self, id: RequestId, outcome: Outcome) {
        if let Some((_, waiter)) = self.waiting.remove(&id.0) {
            // The client may have gone; its write stands all the same.
            let _ = waiter.answer.send(outcome);
        }
    }

    /// How long a request may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Ends every wait that is over its time.
    pub(crate) fn sweep(&self) -> usize {
        let late: Vec<u64> = self
            .waiting
            .iter()
            .filter(|entry| entry.value().since.elapsed() > self.patience)
            .map(|entry| *entry.key())
            .collect();
        for id in &late {
            self.answer(RequestId(*id), Err(Code::Timeout));
        }
        late.len()
    }

    /// Ends every wait: the server stops.
    pub(crate) fn stop(&self) {
        let all: Vec<u64> = self.waiting.iter().map(|entry| *entry.key()).collect();
        for id in all {
            self.answer(RequestId(id), Err(Code::Stopped));
        }
    }

    /// Proposals under way.
    pub(crate) fn pending(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_its_waiter_once() {
        let waiters = Waiters::new(Duration::from_secs(60));
        let mut receiver = waiters.register(RequestId(7));
        waiters.answer(RequestId(8), Err(Code::Stopped));
        assert!(receiver.try_recv().is_err());
        waiters.answer(RequestId(7), Err(Code::KeyNotFound));
        assert!(matches!(receiver.try_recv(), Ok(Err(Code::KeyNotFound))));
        assert_eq!(waiters.pending(), 0);
    }

    #[test]
    fn late_ones_are_told() {
        let waiters = Waiters::new(Duration::ZERO);
        let mut receiver = waiters.register(RequestId(1));
        while waiters.sweep() == 0 {}
        assert!(matches!(receiver.try_recv(), Ok(Err(Code::Timeout))));
    }
}
