//! The ways between members: who is cut off from whom, and how long a message takes.

use std::collections::BTreeSet;

use bytes::Bytes;
use ketch_env::sim::SimRng;
use ketch_raft_proto::raftpb::{Message, MessageType};
use prost::Message as _;

use super::World;
use super::happening::What;
use super::plan::{MS, Plan};

/// The state of the ways.
#[derive(Default)]
pub(crate) struct Network {
    /// Ordered pairs of slots: nothing comes from the first to the second.
    cut: BTreeSet<(usize, usize)>,
    /// Nothing is lost, doubled or late any more.
    pub(crate) calm: bool,
    /// Until then new leaders are cut off.
    pub(crate) coups_until_us: u64,
    /// Cuts made so far.
    pub(crate) round: u64,
}

impl Network {
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    pub(crate) fn mend(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to))
    }

    /// How long something small is on its way.
    pub(crate) fn flight_us(&self, plan: &Plan, rng: &mut SimRng) -> u64 {
        let usual = plan.flight_us + rng.below(plan.flight_us);
        if self.calm || rng.below(1000) >= plan.late {
            return usual;
        }
        // Some come when nobody remembers the question.
        let most_ms = if rng.once_in(10) { 5_000 } else { 500 };
        usual + rng.below(most_ms * MS)
    }
}

impl World {
    /// Sends messages of Raft, each through its encoding.
    pub(crate) fn send(&mut self, slot: usize, messages: Vec<Message>) {
        for message in messages {
            let Some(to) = self.slot_of(message.to()) else { continue };
            let bytes = Bytes::from(message.encode_to_vec());
            if self.is_lost(slot, to) {
                self.tell_unreachable(slot, to);
                continue;
            }
            // A proposal on its way to the leader is sent once: twice would be two proposals.
            let doubled = !self.network.calm
                && self.rng.below(1000) < self.plan.doubling
                && message.r#type() != MessageType::MsgProp;
            if doubled {
                self.fly(slot, to, bytes.clone());
            }
            self.fly(slot, to, bytes);
        }
    }

    fn fly(&mut self, from: usize, to: usize, bytes: Bytes) {
        let flight_us = self.network.flight_us(&self.plan, &mut self.rng);
        self.after(flight_us, What::Message { from, to, bytes });
    }

    fn is_lost(&mut self, from: usize, to: usize) -> bool {
        self.network.is_cut(from, to) || !self.network.calm && self.rng.below(1000) < self.plan.loss
    }

    /// A link that fails says so, not every time.
    fn tell_unreachable(&mut self, slot: usize, to: usize) {
        if self.rng.once_in(4) {
            let peer = self.seats[to].id;
            self.post(slot, ketch_node::Event::Unreachable { peer });
        }
    }

    /// A message arrives.
    pub(crate) fn arrive(&mut self, from: usize, to: usize, bytes: Bytes) {
        if self.network.is_cut(from, to) {
            return;
        }
        if self.is_away(to) {
            // What is sent waits in a buffer.
            let delay_us = self.seats[to].paused_until_us - self.now_us;
            self.after(delay_us, What::Message { from, to, bytes });
            return;
        }
        let sender = self.seats[from].id;
        let Some(life) = &self.seats[to].life else { return };
        if life.shared.membership().is_removed(sender) {
            // The transport of a member answers one that was removed so that it ends.
            self.leave_soon(from);
            return;
        }
        match Message::decode(bytes) {
            Ok(message) => self.post(to, ketch_node::Event::Message(Box::new(message))),
            Err(error) => self.violate(format!("a message cannot be decoded: {error}")),
        }
    }
}
