//! Between the two libraries: encoded bytes, with the one difference of their numbers mended.
//!
//! raft-rs knows no UpdateNode and numbers AddLearnerNode as etcd numbers UpdateNode. On the way
//! in, the change as etcd writes it is kept whole in the context of a change that raft-rs
//! understands; on the way out it is taken from there.

use bytes::Bytes;
use ketch_raft::raftpb;
use prost::Message as _;
use protobuf::Message as _;
use raft::eraftpb;

/// A message of ours as raft-rs reads it.
pub(crate) fn to_theirs(message: &raftpb::Message) -> eraftpb::Message {
    let mut message = message.clone();
    for entry in &mut message.entries {
        if entry.r#type() == raftpb::EntryType::EntryConfChange {
            entry.data = entry.data.take().map(|data| wrap(&data));
        }
    }
    let bytes = message.encode_to_vec();
    eraftpb::Message::parse_from_bytes(&bytes).expect("our messages are well formed")
}

/// A message of raft-rs as it would stand on etcd's wire.
pub(crate) fn to_ours(mut message: eraftpb::Message) -> raftpb::Message {
    // Fields that only raft-rs has; etcd's numbers mean something else there.
    message.set_commit_term(0);
    message.set_priority(0);
    message.set_deprecated_priority(0);
    for entry in message.mut_entries().iter_mut() {
        if entry.get_entry_type() == eraftpb::EntryType::EntryConfChange {
            entry.set_data(unwrap(entry.get_data()));
        }
    }
    let bytes = message.write_to_bytes().expect("encoding to memory");
    raftpb::Message::decode(bytes.as_slice()).expect("their messages are well formed")
}

/// A change as etcd writes it, in the clothes of raft-rs.
pub(crate) fn wrap(etcds: &[u8]) -> Bytes {
    let change = raftpb::ConfChange::decode(etcds).expect("only sound changes are proposed");
    let mut theirs = eraftpb::ConfChange::default();
    let (kind, node) = match change.r#type() {
        raftpb::ConfChangeType::ConfChangeAddNode => {
            (eraftpb::ConfChangeType::AddNode, change.node_id())
        }
        raftpb::ConfChangeType::ConfChangeRemoveNode => {
            (eraftpb::ConfChangeType::RemoveNode, change.node_id())
        }
        raftpb::ConfChangeType::ConfChangeAddLearnerNode => {
            (eraftpb::ConfChangeType::AddLearnerNode, change.node_id())
        }
        // A change of member 0 changes nothing.
        raftpb::ConfChangeType::ConfChangeUpdateNode => (eraftpb::ConfChangeType::AddNode, 0),
    };
    theirs.set_change_type(kind);
    theirs.set_node_id(node);
    theirs.set_context(Bytes::copy_from_slice(etcds));
    theirs.write_to_bytes().expect("encoding to memory").into()
}

/// The change as etcd writes it.
pub(crate) fn unwrap(theirs: &[u8]) -> Bytes {
    let change = eraftpb::ConfChange::parse_from_bytes(theirs).expect("it went through wrap");
    Bytes::copy_from_slice(change.get_context())
}
