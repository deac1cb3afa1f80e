//! Linearizability: there is one order of all calls, true to real time, in which a single store
//! would have given every answer that was given.
//!
//! A checker in the manner of Wing and Gong with Lowe's memory of dead ends, made for etcd's
//! model, in which each write makes one revision and each answer names the revision it saw. So
//! most of the order is given and the search is small:
//!
//! - answered writes stand at their revision; answered reads at the one they saw;
//! - only revisions that nobody answered for are open. A call without an answer may have made
//!   one of them, once, at any time after it began; so may the end of a lease;
//! - whatever any answer or event tells about a revision (a value, that a key stayed as it was)
//!   rules choices out early;
//! - a dead end is remembered by revision, calls used up, and state, and met only once.
//!
//! No part of a history is checked apart from the rest: revisions tie all keys together, and
//! with them one pass over all keys is linear as long as answers are not missing.
//!
//! The checker knows nothing of the simulator. Give it calls and answers of real processes in the
//! same words, with times of one clock:
//!
//! ```
//! use ketch_proto::etcdserverpb as pb;
//! use ketch_sim::checks::linearizability::History;
//! use ketch_sim::fact::{Call, Outcome};
//!
//! let header = |revision| Some(pb::ResponseHeader { revision, ..Default::default() });
//! let mut history = History::default();
//! let put = pb::PutRequest { key: "a".into(), value: "x".into(), ..Default::default() };
//! history.called(1, 100, Call::Put(put));
//! history.returned(1, 130, Outcome::Put(pb::PutResponse { header: header(2), prev_kv: None }));
//! let get = pb::RangeRequest { key: "a".into(), ..Default::default() };
//! history.called(2, 140, Call::Range(get));
//! // Nothing there, at a revision before the put, though it was answered: a stale read.
//! let stale = pb::RangeResponse { header: header(1), ..Default::default() };
//! history.returned(2, 150, Outcome::Range(stale));
//! assert!(history.check().is_err());
//! ```
//!
//! What must be so for a verdict to mean something: the store began empty at revision 1 (or see
//! [`History::begin`]); every call that may have changed it is in the history; a refusal is
//! [`Refused`](crate::fact::Outcome::Refused) only when it is certain (of a time-out, a lost
//! leader or a broken connection nobody knows); serializable reads are left out by themselves.

mod effect;
mod history;
mod search;
mod state;

pub use history::History;
pub use search::{Explained, Unexplained};

use super::{Check, Violation, broken};
use crate::fact::{Fact, Moment};

const NAME: &str = "linearizability";

/// The checker on the facts of a run.
#[derive(Default)]
pub(super) struct Linearizability {
    history: History,
    last: Moment,
}

impl Check for Linearizability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.last = at;
        match fact {
            Fact::Called { call, what, .. } => self.history.called(call.0, at.step, what.clone()),
            Fact::Returned { call, outcome } => {
                self.history.returned(call.0, at.step, outcome.clone());
            }
            Fact::Watched { events, .. } | Fact::Kept { events, .. } => {
                events.iter().for_each(|event| self.history.observed(event));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        match self.history.check() {
            Ok(explained) => Ok(explained.answers),
            Err(why) => Err(broken(NAME, self.last, why.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
