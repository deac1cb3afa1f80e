//! A real etcd follows the transport: it reads our appends in both of their forms, answers them,
//! and its proposals come to us.

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};

use crate::end::{Door, End, eventually, message};
use crate::etcd::Etcd;
use crate::follows_etcd::enter;

const TERM: u64 = 5;
/// The log etcd founds a cluster of two with: one entry for each member, in term 1.
const FOUNDED: u64 = 2;

fn says_nothing(_: &Message) -> Option<Message> {
    None
}

fn append(end: &End, to: MemberId, index: u64, data: &[u8]) -> Message {
    let log_term = if index == FOUNDED { 1 } else { TERM };
    let entry = Entry {
        term: Some(TERM),
        index: Some(index + 1),
        data: Some(data.to_vec().into()),
        r#type: None,
    };
    Message {
        r#type: Some(MessageType::MsgApp as i32),
        to: Some(to.0),
        from: Some(end.id.0),
        term: Some(TERM),
        log_term: Some(log_term),
        index: Some(index),
        entries: vec![entry],
        // Nothing is committed: the data of a test means nothing to etcd.
        commit: Some(FOUNDED),
        ..Message::default()
    }
}

#[tokio::test]
async fn appends_are_taken() {
    let door = Door::open().await;
    let Some(etcd) = Etcd::start(Some(&door.url), &[]) else { return };
    let (end, _, theirs) = enter(&etcd, door, says_nothing).await;
    end.settled(theirs.0).await;
    let taken = |index: u64| {
        let answers = end.received(MessageType::MsgAppResp);
        answers.iter().any(|m| m.index() == index && !m.reject() && m.term() == TERM)
    };
    let sizes = [0, 10, 100_000, 900_000];
    for (index, size) in (FOUNDED..).zip(sizes) {
        let message = append(&end, theirs, index, &vec![b'x'; size]);
        end.links.send(vec![message]);
        eventually("it is taken", || taken(index + 1)).await;
    }
    // Many at once, which share writes.
    let first = FOUNDED + sizes.len() as u64;
    let many = (first..first + 500).map(|index| append(&end, theirs, index, b"many")).collect();
    end.links.send(many);
    eventually("all are taken", || taken(first + 500)).await;
    assert!(end.received(MessageType::MsgAppResp).iter().all(|m| !m.reject()), "in order");
    // It knows a leader now, so what it wants to say of itself is forwarded to us.
    let mut beat = message(MessageType::MsgHeartbeat, end.id.0, theirs.0);
    beat.term = Some(TERM);
    eventually("a proposal comes", || {
        end.links.send(vec![beat.clone()]);
        !end.received(MessageType::MsgProp).is_empty()
    })
    .await;
    assert_eq!(end.links.status()[0].receive_failures, 0);
}
