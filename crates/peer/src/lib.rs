//! Member-to-member transport over HTTP/1.1, etcd's.
//!
//! Invariant: knows nothing of what a message means beyond its type, sender and receiver.
//! Invariant: sending never blocks; what does not fit into a bounded queue is dropped and reported
//! as unreachable, as Raft allows.
