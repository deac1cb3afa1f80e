//! Linearizable reads, many at a time: one question to the node serves all who wait.
//!
//! While a question is under way, newcomers gather for the next; a read may only join a question
//! asked after it arrived.

use ketch_base::Code;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::progress::{Progress, Wake};

/// Gathers readers into questions.
#[derive(Default)]
pub(crate) struct ReadGate {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gathering: Vec<Wake>,
    asked: Vec<Wake>,
    token: u64,
    under_way: bool,
}

impl ReadGate {
    /// Joins the next question. The token is given when the caller must put it to the node.
    pub(crate) fn join(&self) -> (oneshot::Receiver<Result<(), Code>>, Option<u64>) {
        let (wake, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        state.gathering.push(wake);
        let question = if state.under_way { None } else { state.ask() };
        (receiver, question)
    }

    /// The node answered: who asked may read once `index` is applied. Gives the next question.
    pub(crate) fn ready(&self, token: u64, index: u64, progress: &Progress) -> Option<u64> {
        let (served, next) = self.state.lock().close(token)?;
        progress.when_applied(index, served);
        next
    }

    /// The node refused, or the question could not be put.
    pub(crate) fn failed(&self, token: u64, code: Code) -> Option<u64> {
        let (served, next) = self.state.lock().close(token)?;
        for wake in served {
            let _ = wake.send(Err(code));
        }
        next
    }

    /// Ends every wait: the question under way is late, or the server stops.
    pub(crate) fn abandon(&self, code: Code) {
        let mut state = self.state.lock();
        state.under_way = false;
        state.token += 1;
        let mut all = std::mem::take(&mut state.asked);
        all.append(&mut state.gathering);
        for wake in all {
            let _ = wake.send(Err(code));
        }
    }

    /// The question under way, if any: for the watchdog that ends what takes too long.
    pub(crate) fn under_way(&self) -> Option<u64> {
        let state = self.state.lock();
        state.under_way.then_some(state.token)
    }
}

impl State {
    fn ask(&mut self) -> Option<u64> {
        if self.gathering.is_empty() {
            self.under_way = false;
            return None;
        }
        self.asked = std::mem::take(&mut self.gathering);
        self.token += 1;
        self.under_way = true;
        Some(self.token)
    }

    /// Who asked `token`, and the next question; `None` for an answer to a question given up.
    fn close(&mut self, token: u64) -> Option<(Vec<Wake>, Option<u64>)> {
        if !self.under_way || token != self.token {
            return None;
        }
        let served = std::mem::take(&mut self.asked);
        let next = self.ask();
        Some((served, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latecomers_wait_for_the_next_question() {
        let (gate, progress) = (ReadGate::default(), Progress::default());
        progress.set_applied(10);
        let (mut first, question) = gate.join();
        assert_eq!(question, Some(1));
        let (mut second, question) = gate.join();
        assert_eq!(question, None);
        assert_eq!(gate.ready(1, 10, &progress), Some(2));
        assert!(matches!(first.try_recv(), Ok(Ok(()))));
        assert!(second.try_recv().is_err());
        assert_eq!(gate.ready(1, 10, &progress), None, "answered already");
        assert_eq!(gate.ready(2, 10, &progress), None);
        assert!(matches!(second.try_recv(), Ok(Ok(()))));
        assert_eq!(gate.under_way(), None);
    }

    #[test]
    fn a_refused_question_is_told_to_all() {
        let gate = ReadGate::default();
        let (mut reader, question) = gate.join();
        assert_eq!(gate.failed(question.unwrap(), Code::NoLeader), None);
        assert!(matches!(reader.try_recv(), Ok(Err(Code::NoLeader))));
    }
}
