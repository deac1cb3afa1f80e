//! What a node is told beside Raft's own tuning.

use ketch_base::limits;

/// Proposals that wait for a leader; above it the newest are refused.
pub(crate) const WAITING_PROPOSALS: usize = 5_000;
/// Their bytes; above it the newest are refused.
pub(crate) const WAITING_PROPOSAL_BYTES: usize = 64 * 1024 * 1024;
/// Reads that wait for a leader's word; above it the newest are refused.
pub(crate) const WAITING_READS: usize = 65_536;

/// Tuning of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Entries between two snapshot marks in the log, each of which releases what is behind it.
    pub snapshot_count_entries: u64,
    /// Entries kept behind the durable state for followers that lag.
    pub catchup_entries: u64,
    /// Entry bytes the log tail may hold in memory. Above it nothing is taken, neither proposals
    /// nor a leader's entries, until applied entries have become durable. A quarter of it may be
    /// kept for followers that lag, three quarters for those that are being sent a snapshot.
    pub tail_bytes: usize,
    /// Ticks a proposal or read waits for a leader before it is refused as timed out.
    pub wait_ticks: u64,
    /// Ticks after which an unanswered read question is asked again.
    pub read_retry_ticks: u64,
    /// The first number of this run's read questions. It must differ from those of other runs
    /// and members, or a late answer to an old question could be taken for a new one: use an id
    /// made like a request id.
    pub first_question: u64,
}

impl Default for Settings {
    /// etcd's defaults, with a tick of 100 ms.
    fn default() -> Self {
        Self {
            snapshot_count_entries: limits::SNAPSHOT_COUNT_ENTRIES,
            catchup_entries: limits::SNAPSHOT_CATCHUP_ENTRIES,
            tail_bytes: limits::LOG_TAIL_BYTES,
            wait_ticks: 70,
            read_retry_ticks: 5,
            first_question: 1,
        }
    }
}
