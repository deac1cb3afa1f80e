//! A real etcd sends its snapshot to a member that is too far behind, and it arrives whole.

use ketch_raft_proto::raftpb::{Message, MessageType};

use crate::end::{Door, eventually};
use crate::etcd::Etcd;
use crate::follows_etcd::{agrees, enter, put};
use crate::wire;

/// bbolt's magic, in the first meta page behind the page header of 16 bytes.
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();

/// A follower that has nothing.
fn has_nothing(message: &Message) -> Option<Message> {
    let mut answer = agrees(message)?;
    if answer.r#type() == MessageType::MsgAppResp {
        answer.index = message.index;
        answer.reject = Some(true);
        answer.reject_hint = Some(0);
    }
    Some(answer)
}

#[tokio::test]
async fn its_snapshot_arrives() {
    let Some(etcd) = Etcd::start(None, &["--snapshot-count=2", "--snapshot-catchup-entries=1"])
    else {
        return;
    };
    let cluster = etcd.cluster().await;
    assert_eq!(cluster.members.len(), 1);
    let mut tries = 0;
    while put(&etcd, "MA==").await != 200 {
        tries += 1;
        assert!(tries < 100, "etcd does not take writes");
    }
    for _ in 0..20 {
        assert_eq!(put(&etcd, "MQ==").await, 200);
    }
    let door = Door::open().await;
    let body = format!(r#"{{"peerURLs":["{}"],"isLearner":true}}"#, door.url);
    let path = "/v3/cluster/member/add";
    let added = wire::request(&etcd.client_url, "POST", path, &[], body.as_bytes()).await;
    assert_eq!(added.status, 200, "{}", added.body);
    let (end, _, theirs) = enter(&etcd, door, has_nothing).await;
    eventually("a snapshot comes", || !end.story.snapshots.lock().is_empty()).await;
    let snapshots = end.story.snapshots.lock();
    let (message, database) = &snapshots[0];
    let snapshot = message.snapshot.as_ref().expect("a MsgSnap has one");
    let metadata = snapshot.metadata.as_ref().expect("it has a place in the log");
    assert_eq!(message.from(), theirs.0);
    assert!(metadata.index() > 20);
    assert_eq!(metadata.conf_state.as_ref().map(|state| state.voters.len()), Some(1));
    assert!(snapshot.data().starts_with(b"{"), "older members read the membership there");
    assert_eq!(database[16..20], MAGIC);
    assert_eq!(database.len() % 4096, 0);
}
