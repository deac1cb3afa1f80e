//! Who waits for which proposal.
//!
//! A lane registers before it proposes; the apply thread answers; a sweep ends what took too long,
//! so that no request pays for a timer of its own. Answers to calls of a lane go to its tray, all
//! of a batch by one wake-up; the lane hands them out itself.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use ketch_apply::Answer;
use ketch_base::{Code, RequestId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// What a proposal comes to.
pub(crate) type Outcome = Result<Answer, Code>;

/// Waiting requests by id.
pub(crate) struct Waiters {
    waiting: DashMap<u64, Waiter>,
    patience: Duration,
    /// One for each lane.
    trays: Box<[Tray]>,
}

struct Waiter {
    answer: oneshot::Sender<Outcome>,
    since: Instant,
    /// The lane that waits.
    lane: Option<usize>,
}

/// Answers that their lane has not handed out yet; never more than wait.
#[derive(Default)]
struct Tray {
    answers: Mutex<Vec<Given>>,
    bell: Notify,
}

type Given = (oneshot::Sender<Outcome>, Outcome);

impl Waiters {
    /// Nobody waits longer than `patience`; calls come from so many lanes, and other threads.
    pub(crate) fn new(patience: Duration, lanes: usize) -> Self {
        let trays = std::iter::repeat_with(Tray::default).take(lanes).collect();
        Self { waiting: DashMap::new(), patience, trays }
    }

    /// Begins to wait for `id`, on this lane if on one.
    pub(crate) fn register(
        &self,
        id: RequestId,
        since: Instant,
        lane: Option<usize>,
    ) -> oneshot::Receiver<Outcome> {
        let (answer, receiver) = oneshot::channel();
        self.waiting.insert(id.0, Waiter { answer, since, lane });
        receiver
    }

    /// Hands out what comes for a lane, for as long as that runs. To be called on the lane.
    pub(crate) async fn hand_out(&self, lane: usize) {
        let Some(tray) = self.trays.get(lane) else { return };
        loop {
            tray.bell.notified().await;
            let answers = std::mem::take(&mut *tray.answers.lock());
            for (answer, outcome) in answers {
                // The client may have gone; its write stands all the same.
                let _ = answer.send(outcome);
            }
        }
    }

    /// As [`Waiters::answer`] for many, each lane woken once.
    pub(crate) fn answer_all(&self, outcomes: impl Iterator<Item = (RequestId, Outcome)>) {
        let mut given: Vec<Vec<Given>> = self.trays.iter().map(|_| Vec::new()).collect();
        for (id, outcome) in outcomes {
            let Some((_, waiter)) = self.waiting.remove(&id.0) else { continue };
            match waiter.lane.and_then(|lane| given.get_mut(lane)) {
                Some(given) => given.push((waiter.answer, outcome)),
                None => _ = waiter.answer.send(outcome),
            }
        }
        for (tray, mut given) in self.trays.iter().zip(given) {
            if !given.is_empty() {
                tray.answers.lock().append(&mut given);
                tray.bell.notify_one();
            }
        }
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
    fn a_lane_hands_out_what_came_for_it() {
        let waiters = Waiters::new(Duration::from_secs(60), 2);
        let (now, ids) = (Instant::now(), [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(1))]);
        let mut receivers = ids.map(|(id, lane)| waiters.register(RequestId(id), now, lane));
        let stopped = |id| (RequestId(id), Err(Code::Stopped));
        waiters.answer_all((0..4).map(stopped));
        let mut told = || receivers.each_mut().map(|receiver| receiver.try_recv().is_ok());
        assert_eq!(told(), [true, false, false, false]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = waiters.hand_out(1) => {}
                () = tokio::task::yield_now() => {}
            }
        });
        assert_eq!(told(), [false, false, true, false]);
        assert_eq!(waiters.pending(), 1);
    }

    #[test]
    fn an_answer_reaches_its_waiter_once() {
        let waiters = Waiters::new(Duration::from_secs(60), 0);
        let mut receiver = waiters.register(RequestId(7), Instant::now(), None);
        waiters.answer(RequestId(8), Err(Code::Stopped));
        assert!(receiver.try_recv().is_err());
        waiters.answer(RequestId(7), Err(Code::KeyNotFound));
        assert!(matches!(receiver.try_recv(), Ok(Err(Code::KeyNotFound))));
        assert_eq!(waiters.pending(), 0);
    }

    #[test]
    fn late_ones_are_told() {
        let waiters = Waiters::new(Duration::ZERO, 0);
        let mut receiver = waiters.register(RequestId(1), Instant::now(), None);
        while waiters.sweep() == 0 {}
        assert!(matches!(receiver.try_recv(), Ok(Err(Code::Timeout))));
    }
}
