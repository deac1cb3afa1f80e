//! What may not be answered is refused with etcd's status, fields and words; so is what may.
//!
//! The same requests go to a real etcd and to an end with the same ids.

use std::time::Duration;

use ketch_base::MemberId;
use ketch_peer::{Config, Dialer, ask};

use crate::end::{Door, End};
use crate::etcd::Etcd;
use crate::wire::{Reply, request};

/// Method, path, whether the sender introduces itself, body.
type Case = (&'static str, &'static str, Sender, &'static [u8]);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sender {
    Nobody,
    Member,
    OtherCluster,
    TooOld,
    TooNew,
}
use Sender::{Member, Nobody, OtherCluster, TooNew, TooOld};

const CASES: &[Case] = &[
    ("GET", "/", Nobody, b""),
    ("GET", "/health", Nobody, b""),
    ("GET", "/raft/", Nobody, b""),
    ("GET", "/members/", Nobody, b""),
    ("GET", "/members", Nobody, b""),
    ("POST", "/members", Nobody, b""),
    ("GET", "/members/promote/5", Nobody, b""),
    ("POST", "/members/promote/5", Nobody, b""),
    ("POST", "/members/promote/zz", Nobody, b""),
    ("POST", "/members/promote/", Nobody, b""),
    ("POST", "/members/hashkv", Nobody, b""),
    ("GET", "/members/hashkv", Nobody, b""),
    ("GET", "/members/hashkv", Nobody, b"nope"),
    ("GET", "/members/hashkv", Nobody, b"{\"revision\":99}"),
    ("GET", "/members/hashkv", OtherCluster, b"{}"),
    ("GET", "/version", Nobody, b""),
    ("PUT", "/version", Nobody, b""),
    ("GET", "/downgrade/enabled", Nobody, b""),
    ("POST", "/downgrade/enabled", Nobody, b""),
    ("GET", "/leases", Nobody, b""),
    ("GET", "/leases/internal", Nobody, b""),
    ("POST", "/leases", Nobody, b"\x08\x07"),
    ("POST", "/leases", Nobody, b"\x08"),
    ("POST", "/leases/internal", Nobody, b"\x0a\x02\x08\x07"),
    ("POST", "/leases/internal", Nobody, b"\x08"),
    ("GET", "/raft", Nobody, b""),
    ("POST", "/raft", Nobody, b""),
    ("POST", "/raft", TooOld, b""),
    ("POST", "/raft", TooNew, b""),
    ("POST", "/raft", OtherCluster, b""),
    ("POST", "/raft", Member, b"zz"),
    ("POST", "/raft", Member, b"\x08\x08"),
    ("GET", "/raft/snapshot", Nobody, b""),
    ("POST", "/raft/snapshot", Nobody, b""),
    ("POST", "/raft/snapshot", OtherCluster, b""),
    ("POST", "/raft/snapshot", Member, b""),
    ("POST", "/raft/snapshot", Member, b"abc"),
    ("POST", "/raft/snapshot", Member, b"abcdefghijk"),
    ("POST", "/raft/snapshot", Member, b"\0\0\0\0\0\0\0\x02\x08\x08"),
    ("POST", "/raft/snapshot", Member, b"\0\0\0\0\0\0\0\x05\x08\x07"),
    ("POST", "/raft/stream/message/5", Nobody, b""),
    ("GET", "/raft/stream/message/5", Nobody, b""),
    ("GET", "/raft/stream/message/5", Member, b""),
    ("GET", "/raft/stream/message/5", OtherCluster, b""),
    ("GET", "/raft/stream/message/", Member, b""),
    ("GET", "/raft/stream/message/zz", Member, b""),
    ("GET", "/raft/stream/message/a/5", Member, b""),
    ("GET", "/raft/stream/none/5", Member, b""),
];

/// An end that gives the answers the etcd would.
async fn twin(etcd: &Etcd) -> End {
    let view = etcd.cluster().await;
    let door = Door::open().await;
    let member = &view.members[0];
    let config = Config::new(MemberId(member.id), view.cluster, member.peer_ur_ls.clone());
    let end = door.enter(config);
    *end.story.members.lock() = view.members;
    end
}

fn fields(sender: Sender, cluster: &str) -> Vec<(&'static str, String)> {
    let (version, oldest, cluster) = match sender {
        Nobody => return Vec::new(),
        Member => ("3.7.1", "3.0.0", cluster),
        OtherCluster => ("3.7.1", "3.0.0", "77"),
        TooOld => ("2.3.8", "2.0.0", cluster),
        TooNew => ("4.0.0", "3.8.0", cluster),
    };
    vec![
        ("X-Server-From", "5".to_owned()),
        ("X-Server-Version", version.to_owned()),
        ("X-Min-Cluster-Version", oldest.to_owned()),
        ("X-Etcd-Cluster-ID", cluster.to_owned()),
    ]
}

/// etcd breaks off while it answers 500, so that its body has no length.
fn comparable(mut reply: Reply) -> Reply {
    if reply.status == 500 {
        let framing = ["content-length: ", "transfer-encoding: "];
        reply.fields.retain(|field| !framing.iter().any(|name| field.starts_with(name)));
        reply.body = reply.body.trim_start_matches("1e\r\n").trim_end_matches("\r\n").to_owned();
    }
    reply
}

#[tokio::test]
async fn are_etcds() {
    let Some(etcd) = Etcd::start(None, &[]) else { return };
    let (twin, dialer) = (twin(&etcd).await, Dialer::default());
    let cluster = etcd.cluster().await.cluster.to_string();
    crate::end::until(
        "etcd serves",
        || ask::downgrade_enabled(&dialer, &etcd.peer_url, Duration::from_secs(5)),
        |enabled| !enabled,
    )
    .await;
    *twin.story.members.lock() = etcd.cluster().await.members;
    for (method, path, sender, body) in CASES {
        let named = fields(*sender, &cluster);
        let named: Vec<_> = named.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let theirs = request(&etcd.peer_url, method, path, &named, body).await;
        let ours = request(&twin.url, method, path, &named, body).await;
        let case = format!("{method} {path} by {sender:?} with {body:?}");
        assert_eq!(comparable(ours), comparable(theirs), "{case}");
    }
}
