//! A real etcd leads a cluster of two whose other member is the transport: it wins its votes over
//! our stream, replicates through our append stream, and answers our questions.

use std::time::Duration;

use ketch_base::{ClusterId, Code, MemberId};
use ketch_peer::{Config, Dialer, ask};
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};

use crate::end::{Answer, Door, End, eventually, until};
use crate::etcd::Etcd;
use crate::wire;

const PATIENCE: Duration = Duration::from_secs(5);

/// A follower that takes everything it is told.
pub(crate) fn agrees(message: &Message) -> Option<Message> {
    let (kind, index) = match message.r#type() {
        MessageType::MsgPreVote => (MessageType::MsgPreVoteResp, None),
        MessageType::MsgVote => (MessageType::MsgVoteResp, None),
        MessageType::MsgHeartbeat => (MessageType::MsgHeartbeatResp, None),
        MessageType::MsgApp => {
            let last = message.entries.last().map_or(message.index(), Entry::index);
            (MessageType::MsgAppResp, Some(last))
        }
        _ => return None,
    };
    Some(Message {
        r#type: Some(kind as i32),
        to: message.from,
        from: message.to,
        term: message.term,
        context: message.context.clone(),
        index,
        ..Message::default()
    })
}

/// The member of the cluster that `etcd` does not run.
pub(crate) async fn enter(etcd: &Etcd, door: Door, answer: Answer) -> (End, ClusterId, MemberId) {
    let view = etcd.cluster().await;
    let of = |url: &str| {
        let member = view.members.iter().find(|member| member.peer_ur_ls[0] == url);
        MemberId(member.expect("it names us").id)
    };
    let (theirs, ours) = (of(&etcd.peer_url), of(&door.url));
    let config = Config::new(ours, view.cluster, vec![door.url.clone()]);
    let end = door.enter(config);
    *end.story.answer.lock() = Some(answer);
    end.links.follow(&[(theirs, vec![etcd.peer_url.clone()])]);
    (end, view.cluster, theirs)
}

pub(crate) async fn put(etcd: &Etcd, value: &str) -> u16 {
    let body = format!(r#"{{"key":"YQ==","value":"{value}"}}"#);
    wire::request(&etcd.client_url, "POST", "/v3/kv/put", &[], body.as_bytes()).await.status
}

#[tokio::test]
async fn votes_appends_and_heartbeats_pass() {
    let door = Door::open().await;
    let Some(etcd) = Etcd::start(Some(&door.url), &[]) else { return };
    let (end, cluster, theirs) = enter(&etcd, door, agrees).await;
    end.settled(theirs.0).await;
    eventually("votes come", || !end.received(MessageType::MsgVote).is_empty()).await;
    eventually("appends come", || !end.received(MessageType::MsgApp).is_empty()).await;
    eventually("heartbeats come", || !end.received(MessageType::MsgHeartbeat).is_empty()).await;
    let local = end.received(MessageType::MsgApp)[0].to();
    assert!(end.story.inbox.lock().iter().all(|m| (m.from(), m.to()) == (theirs.0, local)));

    // It publishes itself through the log, so the cluster of two works.
    let dialer = Dialer::default();
    let enabled = || ask::downgrade_enabled(&dialer, &etcd.peer_url, PATIENCE);
    assert!(!until("a linearizable read passes", enabled, |_| true).await);
    for _ in 0..20 {
        assert_eq!(put(&etcd, "eHl6").await, 200);
    }
    let entries: Vec<Entry> =
        end.received(MessageType::MsgApp).into_iter().flat_map(|m| m.entries).collect();
    let puts = entries.iter().filter(|e| e.data().windows(3).any(|data| data == b"xyz")).count();
    assert!(puts >= 20, "{puts} of 20 writes came as entries");

    let hash =
        ask::hash_kv(&dialer, &etcd.peer_url, cluster, 0, PATIENCE).await.expect("it answers");
    assert_eq!((hash.header_revision, hash.hash_revision, hash.compact_revision), (21, 21, -1));
    let future = ask::hash_kv(&dialer, &etcd.peer_url, cluster, 999, PATIENCE).await;
    assert_eq!(future.expect_err("too far").code(), Some(Code::FutureRev));
    let other = ask::hash_kv(&dialer, &etcd.peer_url, ClusterId(5), 0, PATIENCE).await;
    assert_eq!(other.expect_err("another cluster").code(), Some(Code::ClusterIDMismatch));
    let lease = ask::renew_lease(&dialer, &etcd.peer_url, 12, PATIENCE).await;
    assert_eq!(lease.expect_err("there is none").code(), Some(Code::LeaseNotFound));
    let promoted = ask::promote(&dialer, &etcd.peer_url, 12, None, PATIENCE).await;
    assert_eq!(promoted.expect_err("there is none").code(), Some(Code::MemberNotFound));
    let versions = ask::version(&dialer, &etcd.peer_url, PATIENCE).await.expect("it answers");
    assert_eq!(versions.server, "3.7.1");
    eventually("a probe is answered", || end.links.status()[0].rtt_ms.is_some()).await;
    assert_eq!(end.links.status()[0].receive_failures, 0);
}
