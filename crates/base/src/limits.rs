//! Every bound of the system, in one place. A queue, batch, buffer or retry without a line here
//! does not exist.

/// Default of `--max-request-bytes`.
pub const REQUEST_BYTES_DEFAULT: usize = 1_572_864;
/// What a gRPC frame may carry above the request limit before it is refused unread (etcd).
pub const GRPC_OVERHEAD_BYTES: usize = 512 * 1024;
/// Default of `--max-txn-ops`.
pub const TXN_OPS_DEFAULT: usize = 128;
/// Default of `--quota-backend-bytes` when it is 0.
pub const QUOTA_BYTES_DEFAULT: i64 = 2 * 1024 * 1024 * 1024;
/// Committed but unapplied entries above which proposals are refused (etcd's gap).
pub const APPLY_LAG_ENTRIES: u64 = 5_000;
/// Default of `--snapshot-count`.
pub const SNAPSHOT_COUNT_ENTRIES: u64 = 10_000;
/// Default of `--snapshot-catchup-entries`.
pub const SNAPSHOT_CATCHUP_ENTRIES: u64 = 5_000;

/// Log segment size at which the next one is begun.
pub const WAL_SEGMENT_BYTES: u64 = 64_000_000;
/// Most entries one log write may carry; what queues above it waits for the next.
pub const LOG_BATCH_ENTRIES: usize = 4_096;
/// Most bytes one log write may carry.
pub const LOG_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Events waiting for the node thread; senders wait above it.
pub const NODE_MAILBOX_EVENTS: usize = 16_384;
/// Batches waiting for the log or the apply thread.
pub const WORKER_MAILBOX_JOBS: usize = 1_024;
/// Entry bytes the in-memory log tail may hold before proposals are refused.
pub const LOG_TAIL_BYTES: usize = 256 * 1024 * 1024;

/// How often the write buffer is drained to disk when little is written.
pub const BACKEND_BATCH_INTERVAL_MS: u64 = 100;
/// Rows that trigger a drain before the interval is over, and most rows of one transaction.
pub const BACKEND_BATCH_ROWS: usize = 10_000;
/// Most bytes of one such transaction, unless a single batch is larger.
pub const BACKEND_STEP_BYTES: usize = 4 * 1024 * 1024;
/// Live bytes copied by one step of an online reclaim.
pub const BACKEND_RECLAIM_STEP_BYTES: usize = 1024 * 1024;
/// Page cache of the file that a reclaim builds.
pub const BACKEND_RECLAIM_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of undrained rows above which apply waits for the drain.
pub const BACKEND_BUFFER_BYTES: usize = 64 * 1024 * 1024;
/// Page cache of the working storage.
pub const BACKEND_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Index entries visited under one hold of the index lock.
pub const INDEX_CHUNK_KEYS: usize = 1_000;
/// Rows removed in one step of a compaction.
pub const COMPACTION_BATCH_ROWS: usize = 1_000;
/// Bytes of rows a range holds in memory at a time.
pub const RANGE_CHUNK_BYTES: usize = 512 * 1024;
/// Pieces of a range that a thread reads ahead of its client; of [`RANGE_CHUNK_BYTES`] a quarter
/// each.
pub const RANGE_PIECES_AHEAD: usize = 4;
/// Ranges that have such pieces; the others are read when their clients ask.
pub const RANGES_AHEAD: usize = 16;
/// Rows that the first window of a range holds, read ahead of their turn.
pub const RANGE_WINDOW_BYTES: usize = 64 * 1024;
/// Rows that the later windows of all ranges together may hold. Beside them a list fills the page
/// cache of the storage; both and what is on its way to the client stay below 64 MB.
pub const RANGE_WINDOWS_BYTES: usize = 16 * 1024 * 1024;

/// Events a synced watch stream may have queued before its watchers fall back to catching up.
pub const WATCH_STREAM_QUEUE_BYTES: usize = 1024 * 1024;
/// Revisions a catch-up step reads.
pub const WATCH_CATCH_UP_REVISIONS: usize = 1_000;
/// A watch response is split (if the client allows) or closed at this size.
pub const WATCH_RESPONSE_BYTES: usize = 2 * 1024 * 1024 - 512 * 1024;

/// Largest lease time to live (etcd).
pub const LEASE_TTL_SECONDS_MAX: i64 = 9_000_000_000;
/// Leases revoked per tick (etcd revokes 1000 a second, in two ticks).
pub const LEASE_REVOKE_BATCH: usize = 500;

/// Simple tokens a member remembers; above it, a login costs its user's oldest one.
pub const AUTH_TOKENS: usize = 262_144;
/// Passwords that may wait to be checked or hashed, about seconds of work; more are refused.
pub const AUTH_PASSWORD_JOBS: usize = 256;
