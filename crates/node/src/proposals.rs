//! Proposals at the door: admitted, kept for a leader to come, or refused with etcd's code.

use std::collections::VecDeque;

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, RequestId, limits};
use ketch_raft::{Raft, Refused};
use ketch_raft_proto::raftpb::ConfChange;

use crate::effect::Effect;
use crate::settings::{WAITING_PROPOSAL_BYTES, WAITING_PROPOSALS};

/// What is proposed.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Data(Bytes),
    Change(Box<ConfChange>),
}

impl Payload {
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Change(change) => change.context.as_ref().map_or(0, Bytes::len),
        }
    }
}

struct Waiting {
    id: RequestId,
    payload: Payload,
    since_tick: u64,
}

/// The proposals that came while nobody led.
pub(crate) struct Proposals {
    /// The log tail in memory above which nothing is taken.
    tail_bytes: usize,
    /// Oldest first, so their ticks ascend.
    waiting: VecDeque<Waiting>,
    /// Invariant: the bytes of `waiting`.
    waiting_bytes: usize,
}

impl Proposals {
    pub(crate) fn new(tail_bytes: usize) -> Self {
        Self { tail_bytes, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Gives the proposal to Raft, keeps it for later, or refuses it.
    pub(crate) fn offer(
        &mut self,
        raft: &mut Raft,
        id: RequestId,
        payload: Payload,
        tick: u64,
        effects: &mut Vec<Effect>,
    ) {
        let again = planted::is(Bug::ProposedAgain).then(|| payload.clone());
        let refused = match self.admit(raft, &payload) {
            Err(code) => Some(code),
            Ok(()) => match propose(raft, payload) {
                Ok(()) => again.and_then(|payload| self.keep(id, payload, tick)),
                Err((Refused::NoLeader | Refused::Transferring, payload)) => {
                    self.keep(id, payload, tick)
                }
                Err((refused, _)) => Some(code_of(refused)),
            },
        };
        if let Some(code) = refused {
            effects.push(Effect::Refused { id, code });
        }
    }

    /// Applying must not fall far behind, and the tail must fit in memory.
    fn admit(&self, raft: &Raft, payload: &Payload) -> Result<(), Code> {
        let lag = raft.committed().0.saturating_sub(raft.applied_index().0);
        let tail_bytes = raft.tail_bytes() + payload.len();
        if lag > limits::APPLY_LAG_ENTRIES || tail_bytes > self.tail_bytes {
            return Err(Code::RequestTooManyRequests);
        }
        // Raft would let it take its place without effect, and nobody would answer.
        if matches!(payload, Payload::Change(_)) && raft.is_change_pending() {
            return Err(Code::RequestTooManyRequests);
        }
        Ok(())
    }

    fn keep(&mut self, id: RequestId, payload: Payload, since_tick: u64) -> Option<Code> {
        let bytes = self.waiting_bytes + payload.len();
        if self.waiting.len() >= WAITING_PROPOSALS || bytes > WAITING_PROPOSAL_BYTES {
            return Some(Code::RequestTooManyRequests);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(Waiting { id, payload, since_tick });
        None
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.payload.len();
        Some(waiting)
    }

    /// Someone leads: what waited is proposed, in its order.
    pub(crate) fn retry(&mut self, raft: &mut Raft, effects: &mut Vec<Effect>) {
        for _ in 0..self.waiting.len() {
            let Some(next) = self.pop() else { return };
            self.offer(raft, next.id, next.payload, next.since_tick, effects);
        }
    }

    /// Refuses what came before `tick` and still waits.
    pub(crate) fn expire(&mut self, tick: u64, effects: &mut Vec<Effect>) {
        while self.waiting.front().is_some_and(|waiting| waiting.since_tick < tick) {
            if let Some(waiting) = self.pop() {
                effects.push(Effect::Refused { id: waiting.id, code: Code::Timeout });
            }
        }
    }

    /// Refuses everything that waits.
    pub(crate) fn stop(&mut self, effects: &mut Vec<Effect>) {
        while let Some(waiting) = self.pop() {
            effects.push(Effect::Refused { id: waiting.id, code: Code::Stopped });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn propose(raft: &mut Raft, payload: Payload) -> Result<(), (Refused, Payload)> {
    let taken = match &payload {
        // A clone of shared bytes; what is kept for later must not be lost to a refusal.
        Payload::Data(data) => raft.propose(data.clone()),
        Payload::Change(change) => raft.propose_change(change),
    };
    taken.map_err(|refused| (refused, payload))
}

fn code_of(refused: Refused) -> Code {
    match refused {
        Refused::TooLarge { .. } => Code::RequestTooLarge,
        Refused::Backlog => Code::RequestTooManyRequests,
        Refused::NotMember => Code::Stopped,
        Refused::NoLeader => Code::NoLeader,
        Refused::Transferring => Code::LeaderChanged,
    }
}
