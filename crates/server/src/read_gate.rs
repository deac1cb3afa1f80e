//! Linearizable reads, many at a time: one question to the node serves all who wait.
//!
//! While a question is under way, newcomers gather for the next; a read may only join a question
//! asked after it arrived.

use ketch_base::Code;
use ketch_node::Event;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::mailbox::Sender;
use crate::progress::{Progress, Wake};
use crate::threads::NodeTask;

/// Gathers readers into questions and puts them to the node.
pub(crate) struct ReadGate {
    state: Mutex<State>,
    node: Sender<NodeTask>,
}

#[derive(Default)]
struct State {
    gathering: Vec<Wake>,
    asked: Vec<Wake>,
    token: u64,
    under_way: bool,
}

impl ReadGate {
    /// A gate in front of the node behind this mailbox.
    pub(crate) fn new(node: Sender<NodeTask>) -> Self {
        Self { state: Mutex::default(), node }
    }

    /// Joins the next question, putting it if none is under way.
    pub(crate) fn join(&self) -> oneshot::Receiver<Result<(), Code>> {
        let (wake, receiver) = oneshot::channel();
        let question = {
            let mut state = self.state.lock();
            state.gathering.push(wake);
            if state.under_way { None } else { state.ask() }
        };
        self.put(question);
        receiver
    }

    /// The node answered: who asked may read once `index` is applied. Puts the next question.
    pub(crate) fn ready(&self, token: u64, index: u64, progress: &Progress) {
        let closed = self.state.lock().close(token);
        if let Some((served, next)) = closed {
            progress.when_applied(index, served);
            self.put(next);
        }
    }

    /// The node refused. Puts the next question.
    pub(crate) fn failed(&self, token: u64, code: Code) {
        let next = self.refuse(token, code);
        self.put(next);
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

    fn put(&self, mut question: Option<u64>) {
        while let Some(token) = question {
            question = match self.node.try_send(Event::Read { token }.into()) {
                Ok(()) => None,
                Err(_) => self.refuse(token, Code::RequestTooManyRequests),
            };
        }
    }

    /// Tells who asked `token`; gives the next question.
    fn refuse(&self, token: u64, code: Code) -> Option<u64> {
        let (served, next) = self.state.lock().close(token)?;
        for wake in served {
            let _ = wake.send(Err(code));
        }
        next
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
    use crate::mailbox::{Receiver, mailbox};

    fn gate(limit: usize) -> (ReadGate, Receiver<NodeTask>) {
        let (node, questions) = mailbox(limit);
        (ReadGate::new(node), questions)
    }

    /// The tokens put since the last look.
    fn asked(questions: &Receiver<NodeTask>) -> Vec<u64> {
        let mut tasks = Vec::new();
        questions.receive(&mut tasks, Some(std::time::Instant::now()));
        let token = |task| match task {
            NodeTask::Event(Event::Read { token }) => token,
            _ => panic!("only reads are asked"),
        };
        tasks.into_iter().map(token).collect()
    }

    #[test]
    fn latecomers_wait_for_the_next_question() {
        let ((gate, questions), progress) = (gate(8), Progress::default());
        progress.set_applied(10);
        let mut first = gate.join();
        assert_eq!(asked(&questions), [1]);
        let mut second = gate.join();
        assert_eq!(asked(&questions), [0; 0]);
        gate.ready(1, 10, &progress);
        assert!(matches!(first.try_recv(), Ok(Ok(()))));
        assert!(second.try_recv().is_err());
        assert_eq!(asked(&questions), [2]);
        gate.ready(1, 10, &progress);
        assert!(second.try_recv().is_err(), "answered already");
        gate.ready(2, 10, &progress);
        assert!(matches!(second.try_recv(), Ok(Ok(()))));
        assert_eq!(gate.under_way(), None);
    }

    #[test]
    fn refusals_are_told_to_all() {
        let (by_node, questions) = gate(8);
        let mut reader = by_node.join();
        assert_eq!(asked(&questions), [1]);
        by_node.failed(1, Code::NoLeader);
        assert!(matches!(reader.try_recv(), Ok(Err(Code::NoLeader))));
        let (by_mailbox, _questions) = gate(0);
        let mut reader = by_mailbox.join();
        assert!(matches!(reader.try_recv(), Ok(Err(Code::RequestTooManyRequests))));
    }
}
