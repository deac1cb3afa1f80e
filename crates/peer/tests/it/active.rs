//! A link is active since it was connected, inactive once it broke, and comes back by itself.

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::MessageType;

use crate::end::{Door, config, eventually, message, pair};

#[tokio::test]
async fn a_member_that_goes_is_inactive_and_one_that_returns_is_active_anew() {
    let (one, two) = pair().await;
    let before = one.links.status()[0].active_since.expect("the pair has settled");
    let url = two.url.clone();
    drop(two);
    eventually("the link goes down", || !one.links.is_active(MemberId(2))).await;
    eventually("a message to nobody is reported", || {
        one.links.send(vec![message(MessageType::MsgHeartbeat, 1, 2)]);
        one.story.unreachable.lock().contains(&MemberId(2))
    })
    .await;
    assert!(one.links.status()[0].disconnects > 0);

    let door = Door::at(url.trim_start_matches("http://")).await;
    let again = config(2, &door.url);
    let two = door.enter(again);
    two.follow(&[(1, &one.url)]);
    one.settled(2).await;
    assert!(one.links.status()[0].active_since.expect("it has settled") > before);
    eventually("messages pass again", || {
        one.links.send(vec![message(MessageType::MsgHeartbeat, 1, 2)]);
        !two.received(MessageType::MsgHeartbeat).is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_probe_measures_the_way() {
    let (one, _two) = pair().await;
    eventually("a round trip is known", || one.links.status()[0].rtt_ms.is_some()).await;
    assert!(one.links.status()[0].probes > 0);
}

#[tokio::test]
async fn a_member_with_new_urls_is_found_there() {
    let (one, two) = pair().await;
    drop(two);
    eventually("the link goes down", || !one.links.is_active(MemberId(2))).await;
    let door = Door::open().await;
    let elsewhere = config(2, &door.url);
    let two = door.enter(elsewhere);
    two.follow(&[(1, &one.url)]);
    one.follow(&[(2, &two.url)]);
    one.settled(2).await;
    one.follow(&[]);
    assert!(one.links.status().is_empty());
    eventually("the other end loses its streams", || !two.links.is_active(MemberId(1))).await;
}
