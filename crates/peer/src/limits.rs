//! Every bound of the transport. Queues are bounded in messages and in bytes; what does not fit is
//! dropped and reported as unreachable.

/// Default silence on a stream after which it is given up (etcd's `--raft-read-timeout`).
pub const READ_TIMEOUT_MS: u64 = 5_000;
/// Default stall of one socket write (etcd's `--raft-write-timeout`).
pub const WRITE_TIMEOUT_MS: u64 = 5_000;
/// Link heartbeats per read time-out (etcd).
pub const HEARTBEATS_PER_READ_TIMEOUT: u32 = 3;
/// A dial may take this and one election (etcd).
pub const DIAL_GRACE_MS: u64 = 1_000;
/// A stream is dialed at most once in this time (etcd).
pub const REDIAL_MS: u64 = 100;
/// Time between two probes of a member (etcd: the read time-out less a second).
pub const PROBE_INTERVAL_MS: u64 = 4_000;

/// Small messages (heartbeats, votes, reads, acknowledgements) waiting for one member.
pub const URGENT_MESSAGES: usize = 4_096;
/// Bytes of them.
pub const URGENT_BYTES: usize = 4 * 1024 * 1024;
/// Appends waiting for one member.
pub const APPEND_MESSAGES: usize = 4_096;
/// Bytes of them; one append larger than this still goes when it is alone.
pub const APPEND_BYTES: usize = 64 * 1024 * 1024;
/// Forwarded proposals waiting for one member.
pub const PROPOSAL_MESSAGES: usize = 4_096;
/// Bytes of them; one proposal larger than this still goes when it is alone.
pub const PROPOSAL_BYTES: usize = 64 * 1024 * 1024;
/// Connections that post messages to one member while it has not dialed a stream (etcd).
pub const PIPELINE_CONNECTIONS: usize = 4;
/// Messages of one queue that may wait for those connections (etcd).
pub const PIPELINE_MESSAGES: usize = 64;
/// How long a posted message may wait for its answer.
pub const PIPELINE_ANSWER_MS: u64 = 10_000;
/// Encoded bytes handed to the socket at a time; many messages share one write.
pub const WRITE_BYTES: usize = 256 * 1024;
/// Members we answer without having been told of them; a member that joins is one of these until
/// its own membership has caught up.
pub const REMOTES: usize = 64;

/// Largest frame on a stream and largest body of `POST /raft` (etcd).
pub const MESSAGE_BYTES: usize = 512 * 1024 * 1024;
/// Most entries of one append; etcd cuts appends at 1 MiB, an entry takes two bytes or more.
pub const APPEND_ENTRIES: usize = 1024 * 1024;
/// Messages up to this size are decoded without counting their parts first: even one made of
/// empty parts takes no more than some forty times its size.
pub const UNCOUNTED_BYTES: usize = 1024 * 1024;
/// A receive buffer larger than this is given back once it is empty.
pub const RECEIVE_BUFFER_KEPT_BYTES: usize = 1024 * 1024;

/// Largest message in front of a snapshot (etcd).
pub const SNAPSHOT_ENVELOPE_BYTES: usize = 64 * 1024 * 1024;
/// Snapshot bytes sent to one member in a second: above what a disk takes, so that only memory
/// speed transfers are slowed and heartbeats on the same network keep their share.
pub const SNAPSHOT_BYTES_PER_SECOND: u64 = 256 * 1024 * 1024;
/// Chunks of a snapshot read ahead of the socket.
pub const SNAPSHOT_CHUNKS_AHEAD: usize = 4;
/// Snapshots on their way to all members together (etcd).
pub const SNAPSHOTS_IN_FLIGHT: usize = 16;
/// How long a snapshot's socket may stall; the receiver may be waiting for its disk.
pub const SNAPSHOT_STALL_MS: u64 = 30_000;
/// How long the receiver may take to save and step a snapshot after its last byte.
pub const SNAPSHOT_ANSWER_MS: u64 = 600_000;

/// Largest body of a question about a lease (etcd).
pub const LEASE_QUESTION_BYTES: usize = 64 * 1024;
/// Largest body of any other question.
pub const QUESTION_BYTES: usize = 64 * 1024;
/// Largest answer to a question between members (etcd's bound for leases).
pub const ANSWER_BYTES: usize = 100 * 1024 * 1024;
/// Most of an error text that is kept.
pub const ERROR_TEXT_BYTES: usize = 4 * 1024;
/// Members an answer to "who is in the cluster" may name.
pub const ANSWER_MEMBERS: usize = 1_024;
