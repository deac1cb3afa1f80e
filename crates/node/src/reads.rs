//! Linearizable reads on their way: what comes while a question is out shares the next one.

use bytes::Bytes;
use ketch_base::{Code, Index};
use ketch_raft::{Raft, ReadAnswer};

use crate::effect::Effect;
use crate::settings::WAITING_READS;

#[derive(Clone, Copy)]
struct Waiting {
    token: u64,
    since_tick: u64,
}

struct Asked {
    context: Bytes,
    waiting: Vec<Waiting>,
    at_tick: u64,
}

/// The reads of this member that have no index yet.
pub(crate) struct Reads {
    /// Came since the last question; oldest first.
    gathered: Vec<Waiting>,
    /// The question that is out. One at a time: a round of heartbeats serves all of a batch.
    asked: Option<Asked>,
    next_question: u64,
}

impl Reads {
    pub(crate) fn new(first_question: u64) -> Self {
        Self { gathered: Vec::new(), asked: None, next_question: first_question }
    }

    pub(crate) fn add(&mut self, token: u64, since_tick: u64, effects: &mut Vec<Effect>) {
        if self.gathered.len() >= WAITING_READS {
            effects.push(Effect::ReadRefused { token, code: Code::RequestTooManyRequests });
        } else {
            self.gathered.push(Waiting { token, since_tick });
        }
    }

    /// Asks for what has gathered, unless a question is out or nobody leads.
    pub(crate) fn ask(&mut self, raft: &mut Raft, at_tick: u64) {
        if self.asked.is_some() || self.gathered.is_empty() {
            return;
        }
        // A new number for every question: a late answer to an old one proves nothing.
        let context = Bytes::copy_from_slice(&self.next_question.to_be_bytes());
        self.next_question = self.next_question.wrapping_add(1);
        if raft.read_index(context.clone()).is_ok() {
            let waiting = std::mem::take(&mut self.gathered);
            self.asked = Some(Asked { context, waiting, at_tick });
        }
    }

    pub(crate) fn answer(&mut self, answer: &ReadAnswer, effects: &mut Vec<Effect>) {
        if let Some(asked) = self.asked.take_if(|asked| asked.context == answer.context) {
            let index = Index(answer.index);
            let ready = asked.waiting.iter().map(|read| (read.token, index));
            effects.extend(ready.map(|(token, index)| Effect::ReadReady { token, index }));
        }
    }

    /// The question may be lost (a message was, or the leader): those who wait ask anew.
    pub(crate) fn withdraw(&mut self) {
        if let Some(mut asked) = self.asked.take() {
            asked.waiting.append(&mut self.gathered);
            self.gathered = asked.waiting;
        }
    }

    /// Whether the question out there was asked before `tick`.
    pub(crate) fn is_overdue(&self, tick: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.at_tick < tick)
    }

    /// Refuses what came before `tick` and waits without a question being out.
    pub(crate) fn expire(&mut self, tick: u64, effects: &mut Vec<Effect>) {
        let late = self.gathered.partition_point(|read| read.since_tick < tick);
        for read in self.gathered.drain(..late) {
            effects.push(Effect::ReadRefused { token: read.token, code: Code::Timeout });
        }
    }

    /// Refuses everything.
    pub(crate) fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.withdraw();
        for read in self.gathered.drain(..) {
            effects.push(Effect::ReadRefused { token: read.token, code: Code::Stopped });
        }
    }
}
