//! A sender nobody told us of is answered by posts where its headers say.

use ketch_raft_proto::raftpb::MessageType;

use crate::end::{End, eventually, message};

#[tokio::test]
async fn an_unknown_sender_is_answered() {
    let (one, two) = (End::new(1).await, End::new(2).await);
    one.follow(&[(2, &two.url)]);
    one.links.send(vec![message(MessageType::MsgVote, 1, 2)]);
    eventually("it arrives", || !two.received(MessageType::MsgVote).is_empty()).await;
    two.links.send(vec![message(MessageType::MsgVoteResp, 2, 1)]);
    eventually("the answer arrives", || !one.received(MessageType::MsgVoteResp).is_empty()).await;
    assert!(two.links.status().is_empty(), "a remote is no member");
    two.follow(&[(1, &one.url)]);
    one.settled(2).await;
    two.settled(1).await;
}
