//! What a raft is told at its birth: tuning, and the state it had before.

use ketch_base::{Index, MemberId};
use ketch_raft_proto::raftpb::{ConfState, Entry, HardState};

use crate::log::EntryId;

/// Entry bytes one append message may carry (etcd's server default); one larger entry may.
pub(crate) const MESSAGE_BYTES_DEFAULT: usize = 512 * 1024;
/// Append messages sent to one follower and not yet answered (etcd's server default).
pub(crate) const INFLIGHT_MESSAGES_DEFAULT: usize = 512;
/// Entry bytes sent to one follower and not yet answered.
pub(crate) const INFLIGHT_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// Entry bytes proposed and not yet committed, above which a leader refuses proposals.
pub(crate) const UNCOMMITTED_BYTES_DEFAULT: usize = 128 * 1024 * 1024;
/// Largest data of one proposal.
pub(crate) const PROPOSAL_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// Entry bytes one [`crate::Ready`] hands out for applying; one larger entry may.
pub(crate) const COMMITTED_BYTES_DEFAULT: usize = 4 * 1024 * 1024;
/// Linearizable reads one leader keeps unanswered; above it the oldest wins and new ones are lost
/// (their sender asks again).
pub(crate) const PENDING_READS_MAX: usize = 65_536;

/// Tuning of one member. All times are in ticks.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub id: MemberId,
    /// Ticks without a leader's word before an election; the real timeout is drawn per term from
    /// `election_ticks .. 2 * election_ticks`.
    pub election_ticks: u32,
    /// Ticks between heartbeats; less than `election_ticks`.
    pub heartbeat_ticks: u32,
    /// Ask for votes without raising the term first, so that a member that was cut off does not
    /// unseat a healthy leader.
    pub pre_vote: bool,
    /// A leader that has not heard from a quorum for an election timeout steps down, and voters
    /// that hear a leader refuse to vote.
    pub check_quorum: bool,
    /// Entry bytes of one append message.
    pub max_message_bytes: usize,
    /// Unanswered append messages per follower.
    pub max_inflight_messages: usize,
    /// Unanswered entry bytes per follower; 0 is without limit.
    pub max_inflight_bytes: usize,
    /// Uncommitted entry bytes above which proposals are refused.
    pub max_uncommitted_bytes: usize,
    /// Data bytes of one proposal.
    pub max_proposal_bytes: usize,
    /// Entry bytes handed out for applying at a time.
    pub max_committed_bytes: usize,
    /// Hand out committed entries even if the own disk does not have them yet. Safe when whoever
    /// recovers takes a state machine ahead of the log as a snapshot.
    pub apply_unpersisted: bool,
    /// A leader whose oldest write is not acknowledged for so many ticks makes room for another
    /// voter; 0 is never.
    pub stall_ticks: u32,
    /// A leader that is removed or made a learner becomes a follower when that change is applied.
    /// Otherwise it keeps its term busy, taking nothing, until its process is stopped.
    pub step_down_on_removal: bool,
    /// Where election timeouts are drawn from.
    pub seed: u64,
}

impl Config {
    /// etcd's defaults: heartbeats each tick, elections after ten, pre-vote and quorum check on.
    pub fn new(id: MemberId, seed: u64) -> Self {
        Self {
            id,
            election_ticks: 10,
            heartbeat_ticks: 1,
            pre_vote: true,
            check_quorum: true,
            max_message_bytes: MESSAGE_BYTES_DEFAULT,
            max_inflight_messages: INFLIGHT_MESSAGES_DEFAULT,
            max_inflight_bytes: INFLIGHT_BYTES_DEFAULT,
            max_uncommitted_bytes: UNCOMMITTED_BYTES_DEFAULT,
            max_proposal_bytes: PROPOSAL_BYTES_DEFAULT,
            max_committed_bytes: COMMITTED_BYTES_DEFAULT,
            apply_unpersisted: true,
            stall_ticks: 0,
            step_down_on_removal: true,
            seed,
        }
    }
}

/// The state a member had when it stopped; the default is a member that never ran.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Term, vote and commit as last written.
    pub hard_state: HardState,
    /// The place just before the first of `entries`.
    pub before: EntryId,
    /// The durable log after `before`, without gaps.
    pub entries: Vec<Entry>,
    /// Who belonged to the cluster at `applied`.
    pub conf_state: ConfState,
    /// The last entry whose effect the state machine kept.
    pub applied: Index,
}
