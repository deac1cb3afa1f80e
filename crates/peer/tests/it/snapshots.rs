//! A snapshot arrives whole or is reported as not arrived.

use std::io;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ketch_base::MemberId;
use ketch_raft_proto::raftpb::{Message, MessageType, Snapshot, SnapshotMetadata};

use crate::end::{End, eventually, message, pair};

fn snapshot() -> Message {
    let metadata = SnapshotMetadata { index: Some(9), term: Some(1), conf_state: None };
    let data = Some(Bytes::from_static(b"{}"));
    let mut snapshot = message(MessageType::MsgSnap, 1, 2);
    snapshot.snapshot = Some(Snapshot { data, metadata: Some(metadata) });
    snapshot
}

async fn reported(end: &End, arrived: bool) {
    eventually("the outcome is reported", || {
        *end.story.snapshots_sent.lock() == [(MemberId(2), arrived)]
    })
    .await;
}

#[tokio::test]
async fn it_arrives_whole() {
    arrives_whole(pair().await).await;
}

pub(crate) async fn arrives_whole((one, two): (End, End)) {
    let chunk = |i: usize| Bytes::from(vec![i as u8; 300_000 + i]);
    let chunks = (0..40).map(move |i| Ok(chunk(i)));
    one.links.send_snapshot(Box::new(snapshot()), Box::new(chunks));
    reported(&one, true).await;
    let snapshots = two.story.snapshots.lock();
    let expected: Vec<u8> = (0..40).flat_map(chunk).collect();
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].0, snapshot());
    assert!(snapshots[0].1 == expected, "the database is the same");
    assert_eq!(one.links.status()[0].snapshots_sent, 1);
    assert_eq!(two.links.status()[0].snapshots_received, 1);
}

#[tokio::test]
async fn one_that_cannot_be_read_does_not_arrive() {
    let (one, two) = pair().await;
    let good = (0..100).map(|_| Ok(Bytes::from_static(&[7; 65_536])));
    let chunks = good.chain([Err(io::Error::other("disk"))]);
    one.links.send_snapshot(Box::new(snapshot()), Box::new(chunks));
    reported(&one, false).await;
    assert!(two.story.snapshots.lock().is_empty());
    eventually("the receiver counts it", || two.links.status()[0].snapshot_receive_failures == 1)
        .await;
}

#[tokio::test]
async fn one_that_is_refused_did_not_arrive() {
    let (one, two) = pair().await;
    two.story.refuses_snapshots.store(true, Ordering::SeqCst);
    let chunks = (0..1_000).map(|_| Ok(Bytes::from_static(&[7; 65_536])));
    one.links.send_snapshot(Box::new(snapshot()), Box::new(chunks));
    reported(&one, false).await;
    assert_eq!(one.links.status()[0].snapshot_send_failures, 1);
}

#[tokio::test]
async fn heartbeats_pass_while_one_is_on_its_way() {
    let (one, two) = pair().await;
    let (go, gone) = std::sync::mpsc::channel();
    let chunks = (0..2).map(move |_| {
        gone.recv().map_err(io::Error::other)?;
        Ok(Bytes::from_static(b"part"))
    });
    one.links.send_snapshot(Box::new(snapshot()), Box::new(chunks));
    one.links.send_snapshot(Box::new(snapshot()), Box::new(std::iter::empty()));
    reported(&one, false).await;
    one.links.send(vec![message(MessageType::MsgHeartbeat, 1, 2)]);
    eventually("it passes", || !two.received(MessageType::MsgHeartbeat).is_empty()).await;
    assert!(two.story.snapshots.lock().is_empty());
    go.send(()).expect("it is being pulled");
    go.send(()).expect("it is being pulled");
    eventually("the first arrives", || one.story.snapshots_sent.lock().len() == 2).await;
    assert_eq!(two.story.snapshots.lock()[0].1, "partpart");
}
