//! Every message arrives once, in order within its class, whole.

use bytes::Bytes;
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};

use crate::end::{End, eventually, message, pair};

fn append(index: u64, data: Bytes) -> Message {
    let entry = Entry { term: Some(1), index: Some(index + 1), data: Some(data), r#type: None };
    let mut append = message(MessageType::MsgApp, 1, 2);
    append.log_term = Some(1);
    append.index = Some(index);
    append.commit = Some(index);
    append.entries = vec![entry];
    append
}

#[tokio::test]
async fn appends_arrive_in_order() {
    arrive_in_order(pair().await).await;
}

pub(crate) async fn arrive_in_order((one, two): (End, End)) {
    let sizes = [0usize, 1, 100, 70_000, 3_000_000];
    let sent: Vec<Message> = (0..100u64)
        .map(|index| append(index, vec![b'x'; sizes[index as usize % 5]].into()))
        .collect();
    for batch in sent.chunks(7) {
        one.links.send(batch.to_vec());
        let last = two.received(MessageType::MsgApp).len();
        eventually("some arrive", || two.received(MessageType::MsgApp).len() > last).await;
    }
    let news = || two.received(MessageType::MsgApp);
    eventually("all arrive", || news().len() == sent.len()).await;
    assert!(news() == sent, "in order and whole");
}

#[tokio::test]
async fn every_kind_arrives() {
    let (one, two) = pair().await;
    let kinds = [
        MessageType::MsgProp,
        MessageType::MsgApp,
        MessageType::MsgAppResp,
        MessageType::MsgVote,
        MessageType::MsgVoteResp,
        MessageType::MsgHeartbeat,
        MessageType::MsgHeartbeatResp,
        MessageType::MsgTransferLeader,
        MessageType::MsgTimeoutNow,
        MessageType::MsgReadIndex,
        MessageType::MsgReadIndexResp,
        MessageType::MsgPreVote,
        MessageType::MsgPreVoteResp,
    ];
    one.links.send(kinds.map(|kind| message(kind, 1, 2)).into());
    two.links.send(kinds.map(|kind| message(kind, 2, 1)).into());
    for kind in kinds {
        eventually(kind.as_str_name(), || two.received(kind).len() == 1).await;
        eventually(kind.as_str_name(), || one.received(kind).len() == 1).await;
    }
    assert!(one.story.unreachable.lock().is_empty());
    assert!(two.story.unreachable.lock().is_empty());
    let status = &one.links.status()[0];
    assert!(status.sent_bytes > 0 && status.received_bytes > 0);
    assert_eq!((status.send_failures, status.receive_failures), (0, 0));
}

#[tokio::test]
async fn a_message_for_another_member_is_not_delivered() {
    let (one, two) = pair().await;
    let mut stray = message(MessageType::MsgVote, 1, 2);
    one.links.send(vec![stray.clone()]);
    eventually("the right one arrives", || !two.received(MessageType::MsgVote).is_empty()).await;
    stray.to = Some(9);
    one.links.send(vec![stray]);
    one.links.send(vec![message(MessageType::MsgPreVote, 1, 2)]);
    eventually("a later one arrives", || !two.received(MessageType::MsgPreVote).is_empty()).await;
    assert_eq!(two.received(MessageType::MsgVote).len(), 1);
}
