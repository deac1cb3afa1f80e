//! Linearizable reads on their way: what comes while a question is out shares the next one.
//!
//! A question that is not answered in time is asked again under a new number, since the one before
//! may be lost with the leader it went to. Its answer is still welcome: whenever it comes, a quorum
//! confirmed it after the question was asked, so it holds for every read that came before that.

use std::collections::VecDeque;

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, Index};
use ketch_raft::{Raft, ReadAnswer};

use crate::effect::Effect;
use crate::settings::WAITING_READS;

struct Waiting {
    token: u64,
    since_tick: u64,
    /// The first question asked after it came.
    question: u64,
}

/// The reads of this member that have no index yet.
pub(crate) struct Reads {
    /// Oldest first. Invariant: ticks and questions ascend.
    waiting: VecDeque<Waiting>,
    /// The newest question that is out, and its tick. A round of heartbeats serves all of a batch.
    out: Option<(u64, u64)>,
    /// How many questions were asked; they are numbered from 0.
    asked: u64,
    /// What makes a number a context.
    first_context: u64,
}

impl Reads {
    pub(crate) fn new(first_context: u64) -> Self {
        Self { waiting: VecDeque::new(), out: None, asked: 0, first_context }
    }

    pub(crate) fn add(&mut self, token: u64, since_tick: u64, effects: &mut Vec<Effect>) {
        if self.waiting.len() >= WAITING_READS {
            effects.push(Effect::ReadRefused { token, code: Code::RequestTooManyRequests });
        } else {
            self.waiting.push_back(Waiting { token, since_tick, question: self.asked });
        }
    }

    /// Asks for what waits, unless a question is out or nobody leads.
    pub(crate) fn ask(&mut self, raft: &mut Raft, at_tick: u64) {
        if self.out.is_some() || self.waiting.is_empty() {
            return;
        }
        let context = self.first_context.wrapping_add(self.asked);
        if raft.read_index(Bytes::copy_from_slice(&context.to_be_bytes())).is_ok() {
            self.out = Some((self.asked, at_tick));
            self.asked += 1;
        }
    }

    pub(crate) fn answer(&mut self, answer: &ReadAnswer, effects: &mut Vec<Effect>) {
        let Ok(context) = answer.context.as_ref().try_into().map(u64::from_be_bytes) else {
            return;
        };
        let question = context.wrapping_sub(self.first_context);
        if question >= self.asked {
            return;
        }
        self.out.take_if(|(newest, _)| *newest <= question);
        let index = Index(if planted::is(Bug::EarlyRead) { 0 } else { answer.index });
        while let Some(read) = self.waiting.pop_front_if(|read| read.question <= question) {
            effects.push(Effect::ReadReady { token: read.token, index });
        }
    }

    /// The question may be lost (a message was, or the leader): those who wait ask anew.
    pub(crate) fn withdraw(&mut self) {
        self.out = None;
    }

    /// Whether the question out there was asked before `tick`.
    pub(crate) fn is_overdue(&self, tick: u64) -> bool {
        self.out.is_some_and(|(_, at_tick)| at_tick < tick)
    }

    /// Refuses what came before `tick`.
    pub(crate) fn expire(&mut self, tick: u64, effects: &mut Vec<Effect>) {
        while let Some(read) = self.waiting.pop_front_if(|read| read.since_tick < tick) {
            effects.push(Effect::ReadRefused { token: read.token, code: Code::Timeout });
        }
    }

    /// Refuses everything.
    pub(crate) fn stop(&mut self, effects: &mut Vec<Effect>) {
        for read in self.waiting.drain(..) {
            effects.push(Effect::ReadRefused { token: read.token, code: Code::Stopped });
        }
    }
}
