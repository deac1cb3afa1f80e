//! Small constructors of messages. Zeroes are left out of the wire, as etcd 3.7 does.

use bytes::Bytes;
use ketch_raft_proto::raftpb::{Message, MessageType};

/// `None` for 0: a field that is not written.
pub(crate) fn nonzero(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

/// A message of a kind to someone; sender and term are filled in when it is sent.
pub(crate) fn to(to: u64, kind: MessageType) -> Message {
    Message { r#type: Some(kind as i32), to: Some(to), ..Message::default() }
}

/// The answer to an append or a snapshot that was taken up to `index`.
pub(crate) fn append_accepted(leader: u64, index: u64) -> Message {
    Message { index: nonzero(index), ..to(leader, MessageType::MsgAppResp) }
}

/// A vote of either kind, in a given term.
pub(crate) fn vote(candidate: u64, kind: MessageType, term: u64, granted: bool) -> Message {
    Message { term: Some(term), reject: (!granted).then_some(true), ..to(candidate, kind) }
}

/// A heartbeat's answer, echoing the leader's context.
pub(crate) fn heartbeat_answer(leader: u64, context: Option<Bytes>) -> Message {
    Message { context, ..to(leader, MessageType::MsgHeartbeatResp) }
}
