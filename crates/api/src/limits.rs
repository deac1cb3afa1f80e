//! Bounds of one client connection and one call. Those shared with other layers stand in
//! `ketch_base::limits`.

/// How long a fresh connection may take to say what it speaks, and how long one HTTP/1 request
/// head may take: half-open and idle-from-birth connections end here.
pub const HEAD_READ_SECONDS: u64 = 120;
/// Receive window of one HTTP/2 stream: what a client may send before we have read it.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Receive window of one HTTP/2 connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// What is read off one connection before its answers are written and others have their turn.
pub const CONNECTION_TURN_BYTES: usize = 64 * 1024;
/// What is written on one connection before others have their turn.
pub const CONNECTION_WRITE_TURN_BYTES: usize = 128 * 1024;
/// What is gathered on one connection before it is written; held only while it is being made, or
/// cannot be written.
pub const CONNECTION_GATHER_BYTES: usize = 64 * 1024;
/// Where what was read is looked at before the HTTP/2 library sees it: a turn, behind a frame that
/// came only in part. Held only until the library took it.
pub const CONNECTION_LOOK_BYTES: usize = CONNECTION_TURN_BYTES + 17 * 1024;
/// Calls of one connection refused at the door whose messages are still coming; above it they are
/// refused behind the HTTP/2 library.
pub const CONNECTION_REFUSED_UNFINISHED: usize = 256;
/// What is read off a connection whose client leaves our answers unread; then reading waits.
pub const CONNECTION_UNHEARD_BYTES: usize = 1024 * 1024;
/// How long a connection may have had more to read than a turn takes, in milliseconds; its calls
/// have waited about as long then, and are late.
pub const CONNECTION_BEHIND_MS: u64 = 50;
/// Calls read in that time, at least; who sends few large ones is not behind.
pub const CONNECTION_BEHIND_CALLS: usize = 256;
/// Calls under way up to which even late ones are taken: so that there is always something to do.
pub const CALLS_AT_LEAST: usize = 2 * 1024;
/// Calls that were begun and not answered yet, of all connections; above it they are refused.
/// Streams and calls that may wait for somebody else are not among them. As many as are answered in
/// some 60 ms here; with twice as many 80 % of the peak is served under overload, not 95 %.
pub const CALLS_UNDER_WAY: usize = 6 * 1024;
/// Request bytes of these calls; above it they are refused.
pub const CALLS_UNDER_WAY_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of one response queued below us before the next piece is asked for.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// All header fields of one request, as HTTP/2 counts them.
pub const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// Read buffer of one HTTP/1 connection; a longer request head is refused.
pub const HTTP1_BUFFER_BYTES: usize = 64 * 1024;
/// Streams reset by the client that we have not looked at yet; above it the connection ends
/// ("rapid reset").
pub const PENDING_RESET_STREAMS: usize = 1024;
/// Streams reset by us for the client's faults; above it the connection ends.
pub const LOCAL_RESET_STREAMS: usize = 1024;
/// Piece of a long range asked for at a time. Up to three live at once (the end of one and all
/// of the next in the connection's hands, one more waiting for the window), together no more
/// than a chunk.
pub const RANGE_PIECE_BYTES: usize = ketch_base::limits::RANGE_CHUNK_BYTES / 4;
/// Largest response message, as grpc-go's sender has it.
pub const MESSAGE_SEND_BYTES: u64 = i32::MAX as u64;
/// Watch responses are gathered up to this size before they are handed to the connection.
pub const WATCH_GATHER_BYTES: usize = 32 * 1024;
/// Buffer set aside on the word of a frame header; the rest grows with what really comes.
pub const MESSAGE_RESERVE_BYTES: usize = 256 * 1024;
/// Time to live of a lease that Lock and Campaign grant when given none (etcd).
pub const SESSION_TTL_SECONDS: i64 = 60;
/// Unfinished request messages of all calls together; what would go above it is refused. Whole
/// messages that come in one piece never count.
pub const UNFINISHED_BYTES: usize = 256 * 1024 * 1024;
/// Things one entry of the audit log may name: keys, leases, URLs; more are cut.
pub const AUDIT_FACTS_MAX: usize = 256;
/// Watches of one stream that the audit log waits to hear the outcome of; above it the stream's
/// messages are not read.
pub const AUDIT_WATCHES_PENDING: usize = 1024;
/// Leases of one keep-alive stream that the audit log remembers to have told of; above it the
/// memory begins anew and they are told again.
pub const AUDIT_LEASES_SEEN: usize = 4096;
