//! Before a member dials its streams, messages are posted to it.

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::{Message, MessageType};

use crate::end::{End, eventually, message};

/// Member 1 knows member 2, which does not know member 1 and so dials nothing.
async fn one_way() -> (End, End) {
    let (one, two) = (End::new(1).await, End::new(2).await);
    one.follow(&[(2, &two.url)]);
    (one, two)
}

#[tokio::test]
async fn messages_pass_without_streams() {
    let (one, two) = one_way().await;
    let mut snapshot = message(MessageType::MsgSnap, 1, 2);
    snapshot.snapshot = Some(Default::default());
    let mut sent: Vec<Message> = [MessageType::MsgVote, MessageType::MsgApp, MessageType::MsgProp]
        .map(|kind| message(kind, 1, 2))
        .into();
    sent.push(snapshot);
    one.links.send(sent.clone());
    for expected in sent {
        eventually("a post arrives", || two.received(expected.r#type()) == [expected.clone()])
            .await;
    }
    eventually("the plain snapshot is reported", || {
        *one.story.snapshots_sent.lock() == [(MemberId(2), true)]
    })
    .await;
}

#[tokio::test]
async fn a_full_mailbox_is_an_unreachable_member() {
    let (one, two) = one_way().await;
    two.story.is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    one.links.send(vec![message(MessageType::MsgVote, 1, 2)]);
    eventually("the refusal is reported", || one.story.unreachable.lock().contains(&MemberId(2)))
        .await;
    assert!(two.received(MessageType::MsgVote).is_empty());
}
