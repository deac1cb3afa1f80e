//! A member that was removed is told so, by streams and by posts.

use std::sync::atomic::Ordering;

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::MessageType;

use crate::end::{End, eventually, message, pair};

#[tokio::test]
async fn by_the_stream_it_dials() {
    let (one, two) = pair().await;
    one.story.removed.lock().insert(MemberId(2));
    one.follow(&[]);
    eventually("it is told", || two.story.told_removed.load(Ordering::SeqCst)).await;
    assert!(!one.story.told_removed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn by_the_post_it_sends() {
    let (one, two) = (End::new(1).await, End::new(2).await);
    one.story.removed.lock().insert(MemberId(2));
    // Nothing is dialed by member 2 but posts: it knows member 1 as a remote only.
    one.follow(&[(2, &two.url)]);
    one.links.send(vec![message(MessageType::MsgVote, 1, 2)]);
    eventually("it arrives", || !two.received(MessageType::MsgVote).is_empty()).await;
    two.links.send(vec![message(MessageType::MsgVoteResp, 2, 1)]);
    eventually("it is told", || two.story.told_removed.load(Ordering::SeqCst)).await;
    assert!(one.received(MessageType::MsgVoteResp).is_empty());
}
