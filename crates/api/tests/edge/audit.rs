//! What the audit log is told, and that a secret has no way to it.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use ketch_api::ports::{Audit, Entry, Fact, Part};
use ketch_proto::authpb::Permission;
use ketch_proto::etcdserverpb::compare::TargetUnion;
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::*;
use ketch_proto::v3electionpb::{CampaignRequest, LeaderKey, ProclaimRequest};
use ketch_proto::v3lockpb::LockRequest;
use prost::Message;

use crate::fake::Fake;
use crate::raw::{Raw, edge, frame};

const SECRET: &str = "nobody-shall-read-this";

/// An audit log in memory, without times.
#[derive(Default)]
pub(crate) struct Notebook(Mutex<Vec<String>>);

impl Audit for Notebook {
    fn note(&self, entry: &Entry<'_>) {
        let mut line = entry.method.name().to_owned();
        match entry.part {
            Part::Call => {}
            Part::WatchCreated(id) => line.push_str(&format!(" created {id}")),
            Part::WatchCanceled(id) => line.push_str(&format!(" canceled {id}")),
        }
        for fact in entry.about.facts() {
            line.push(' ');
            line.push_str(&match fact {
                Fact::Range { op, key, end, lease } => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    format!("{op:?}({},{},{lease})", text(key), text(end))
                }
                other => format!("{other:?}"),
            });
        }
        let cut = if entry.about.is_cut() { " cut" } else { "" };
        line.push_str(&format!("{cut}: {} {}", entry.status, entry.text));
        self.0.lock().expect("not poisoned").push(line.trim_end().to_owned());
    }
}

async fn audited() -> (Arc<Fake>, Raw) {
    let (fake, edge) = edge();
    fake.notebook.set(Notebook::default()).ok().expect("opened once");
    (Arc::clone(&fake), Raw::connect(&edge).await)
}

fn told(fake: &Fake) -> Vec<String> {
    std::mem::take(&mut fake.notebook.get().expect("opened").0.lock().expect("not poisoned"))
}

fn op(request: Op) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn put(key: &str) -> PutRequest {
    PutRequest { key: key.to_owned().into(), value: SECRET.into(), ..Default::default() }
}

fn txn(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> TxnRequest {
    let value = Some(TargetUnion::Value(SECRET.into()));
    let compare = Compare { key: "c".into(), target_union: value, ..Default::default() };
    TxnRequest { compare: vec![compare], success, failure }
}

type Told = (&'static str, Vec<u8>, &'static str);

fn range(key: &str, end: &str) -> RangeRequest {
    let (key, range_end) = (key.to_owned().into(), end.to_owned().into());
    RangeRequest { key, range_end, ..Default::default() }
}

fn of_keys() -> Vec<Told> {
    let delete = DeleteRangeRequest { key: "d".into(), ..Default::default() };
    let nested = txn(vec![op(Op::RequestRange(range("r", "s")))], vec![]);
    let whole = txn(
        vec![op(Op::RequestPut(put("p")))],
        vec![op(Op::RequestTxn(nested)), op(Op::RequestDeleteRange(delete.clone()))],
    );
    let long = range("rows:1048576", "").encode_to_vec();
    let refused = range("code:NoLeader", "").encode_to_vec();
    vec![
        ("KV/Range", range("a", "b").encode_to_vec(), "Range Call(a,b,0): 0"),
        ("KV/RangeStream", range("a", "b").encode_to_vec(), "RangeStream Call(a,b,0): 0"),
        ("KV/Range", long, "Range Call(rows:1048576,,0): 0"),
        ("KV/Range", refused, "Range Call(code:NoLeader,,0): 14 etcdserver: no leader"),
        ("KV/Put", put("p").encode_to_vec(), "Put Call(p,,0): 0"),
        ("KV/Put", put("").encode_to_vec(), "Put Call(,,0): 3 etcdserver: key is not provided"),
        ("KV/DeleteRange", delete.encode_to_vec(), "DeleteRange Call(d,,0): 0"),
        (
            "KV/Txn",
            whole.encode_to_vec(),
            "Txn Compare(c,,0) Put(p,,0) Compare(c,,0) Range(r,s,0) Delete(d,,0): \
             2 etcdserver: unknown method",
        ),
        (
            "KV/Put",
            b"\xff".to_vec(),
            "Put: 13 grpc: error unmarshalling request: \
             proto: cannot parse invalid wire-format data",
        ),
    ]
}

fn of_others() -> Vec<Told> {
    let urls = vec![format!("http://me:{SECRET}@h:1")];
    let add = MemberAddRequest { peer_ur_ls: urls, is_learner: true };
    let alarm = AlarmRequest { action: 2, member_id: 5, alarm: 1 };
    let perm = Permission { perm_type: 2, key: "a".into(), range_end: "b".into() };
    let grant = AuthRoleGrantPermissionRequest { name: "r".into(), perm: Some(perm) };
    let (name, password) = ("u".to_owned(), SECRET.to_owned());
    let hashed_password = password.clone();
    let user = AuthUserAddRequest { name, password, hashed_password, ..Default::default() };
    let (lease, other) = (LeaseGrantRequest { id: 9, ttl: 60 }, LeaseRevokeRequest { id: 8 });
    vec![
        ("Lease/LeaseGrant", lease.encode_to_vec(), "LeaseGrant Lease(9): 0"),
        (
            "Lease/LeaseRevoke",
            other.encode_to_vec(),
            "LeaseRevoke Lease(8): 5 etcdserver: requested lease not found",
        ),
        (
            "Cluster/MemberAdd",
            add.encode_to_vec(),
            "MemberAdd Url(\"http://h:1\") Action(\"learner\"): \
             3 etcdserver: given member URLs are invalid",
        ),
        (
            "Maintenance/Alarm",
            alarm.encode_to_vec(),
            "Alarm Action(\"deactivate\") Alarm(\"NOSPACE\") Member(5): 0",
        ),
        (
            "Auth/RoleGrantPermission",
            grant.encode_to_vec(),
            "RoleGrantPermission Role(\"r\") ReadWrite(a,b,0): \
             9 etcdserver: authentication is not enabled",
        ),
        (
            "Auth/UserAdd",
            user.encode_to_vec(),
            "UserAdd User(\"u\"): 9 etcdserver: authentication is not enabled",
        ),
        ("Maintenance/Snapshot", vec![], "Snapshot: 0"),
    ]
}

#[tokio::test]
async fn calls() {
    let (fake, mut raw) = audited().await;
    for (path, message, expected) in of_keys().into_iter().chain(of_others()) {
        raw.ask("POST", &format!("/etcdserverpb.{path}"), &[], frame(0, &message)).await;
        assert_eq!(told(&fake), [expected], "{path}");
    }
    let many = (0..300).map(|_| op(Op::RequestRange(range("m", "")))).collect();
    raw.call("/etcdserverpb.KV/Txn", &txn(many, vec![])).await;
    let told_of = told(&fake).remove(0);
    assert_eq!(told_of.matches("Range(m,,0)").count(), 255, "{told_of}");
    assert!(told_of.contains(" cut: "), "{told_of}");
}

#[tokio::test]
async fn recipes() {
    let (fake, mut raw) = audited().await;
    raw.call("/etcdserverpb.Lease/LeaseGrant", &LeaseGrantRequest { id: 9, ttl: 60 }).await;
    raw.call("/v3lockpb.Lock/Lock", &LockRequest { name: "l".into(), lease: 9 }).await;
    let value = SECRET;
    let campaign = CampaignRequest { name: "e".into(), lease: 9, value: value.into() };
    raw.call("/v3electionpb.Election/Campaign", &campaign).await;
    let leader = LeaderKey { name: "e".into(), key: "e/7".into(), lease: 7, rev: 3 };
    let proclaim = ProclaimRequest { leader: Some(leader), value: value.into() };
    raw.call("/v3electionpb.Election/Proclaim", &proclaim).await;
    // Questions after health are not told.
    raw.call("/grpc.health.v1.Health/Check", &StatusRequest {}).await;
    assert_eq!(
        told(&fake),
        [
            "LeaseGrant Lease(9): 0",
            "Lock Call(l,,9): 0",
            "Campaign Call(e,,9): 0",
            "Proclaim Call(e/7,,7): 2 election: not leader",
        ]
    );
}

#[tokio::test]
async fn streams() {
    let (fake, mut raw) = audited().await;
    let create = |key: &str, start_revision| {
        let key = key.to_owned().into();
        RequestUnion::CreateRequest(WatchCreateRequest {
            key,
            start_revision,
            ..Default::default()
        })
    };
    let messages = [
        create("a", 0),
        create("b", -1),
        create("c", 7),
        RequestUnion::CancelRequest(WatchCancelRequest { watch_id: 0 }),
    ];
    let mut body = Vec::new();
    for message in messages {
        let message = WatchRequest { request_union: Some(message) };
        body.extend_from_slice(&frame(0, &message.encode_to_vec()));
    }
    let body = Full::new(body.into()).boxed();
    let response = raw.open("POST", "/etcdserverpb.Watch/Watch", &[], body).await;
    let mut body = response.into_body();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        body.frame().await.expect("the stream goes on").expect("a frame");
        heard.extend(told(&fake));
    }
    drop(body);
    let compacted = "etcdserver: mvcc: required revision has been compacted";
    assert_eq!(
        heard,
        [
            "Watch created 0 Call(a,,0): 0".to_owned(),
            format!("Watch created -1 Call(b,,0) Revision(-1): 11 {compacted}"),
            "Watch created 1 Call(c,,0) Revision(7): 0".to_owned(),
            "Watch canceled 0: 0".to_owned(),
        ]
    );
    raw.call("/etcdserverpb.Lease/LeaseGrant", &LeaseGrantRequest { id: 9, ttl: 60 }).await;
    told(&fake);
    let mut body = Vec::new();
    for id in [9, 9, 8, 9, 8] {
        let message = LeaseKeepAliveRequest { id };
        body.extend_from_slice(&frame(0, &message.encode_to_vec()));
    }
    raw.ask("POST", "/etcdserverpb.Lease/LeaseKeepAlive", &[], body).await;
    let each_lease_once = ["LeaseKeepAlive Lease(9): 0", "LeaseKeepAlive Lease(8): 0"];
    assert_eq!(told(&fake), each_lease_once);
    fake.has_leader.store(false, std::sync::atomic::Ordering::SeqCst);
    let leads = [("hasleader", b"true".as_slice())];
    raw.ask("POST", "/etcdserverpb.Watch/Watch", &leads, bytes::Bytes::new()).await;
    assert_eq!(told(&fake), ["Watch: 14 etcdserver: no leader"]);
}
