//! One-shot questions between two members.

use std::time::Duration;

use ketch_base::{ClusterId, Code};
use ketch_peer::ask;
use ketch_peer::{Dialer, HashAnswer, Versions};
use ketch_proto::etcdserverpb::{LeaseTimeToLiveRequest, Member};
use ketch_proto::leasepb::LeaseInternalRequest;
use tokio::net::TcpListener;

use crate::end::{CLUSTER, End};

const PATIENCE: Duration = Duration::from_secs(20);

fn members() -> Vec<Member> {
    let named = Member {
        id: u64::MAX,
        name: "one".into(),
        peer_ur_ls: vec!["http://a:2380".into(), "http://b:2380".into()],
        client_ur_ls: vec!["http://a:2379".into()],
        is_learner: false,
    };
    let unstarted = Member { id: 7, is_learner: true, ..Member::default() };
    vec![named, unstarted]
}

async fn answering() -> End {
    let end = End::new(1).await;
    *end.story.members.lock() = members();
    end
}

#[tokio::test]
async fn about_the_cluster() {
    let end = answering().await;
    let view = ask::cluster(&Dialer::default(), &end.url, PATIENCE).await.expect("it answers");
    assert_eq!((view.cluster, view.members), (CLUSTER, members()));
    let versions = ask::version(&Dialer::default(), &end.url, PATIENCE).await.expect("it answers");
    let text = str::to_owned;
    let expected =
        Versions { server: text("3.7.1"), cluster: text("3.7.0"), storage: text("3.7.0") };
    assert_eq!(versions, expected);
    assert!(
        !ask::downgrade_enabled(&Dialer::default(), &end.url, PATIENCE).await.expect("it answers")
    );
}

#[tokio::test]
async fn about_promotion() {
    let end = answering().await;
    let dialer = Dialer::default();
    let ask =
        async |id| ask::promote(&dialer, &end.url, id, None, PATIENCE).await.map_err(|e| e.code());
    assert_eq!(ask(1).await, Ok(members()));
    assert_eq!(ask(5).await, Err(Some(Code::MemberNotFound)));
    assert_eq!(ask(6).await, Err(Some(Code::MemberNotLearner)));
    assert_eq!(ask(7).await, Err(Some(Code::LearnerNotReady)));
}

#[tokio::test]
async fn about_hashes() {
    let end = answering().await;
    let ask = async |cluster, revision| {
        ask::hash_kv(&Dialer::default(), &end.url, cluster, revision, PATIENCE)
            .await
            .map_err(|e| e.code())
    };
    let hash = HashAnswer { header_revision: 8, hash: 77, compact_revision: -1, hash_revision: 4 };
    assert_eq!(ask(CLUSTER, 4).await, Ok(hash));
    assert_eq!(ask(CLUSTER, 1).await, Err(Some(Code::Compacted)));
    assert_eq!(ask(CLUSTER, 9).await, Err(Some(Code::FutureRev)));
    assert_eq!(ask(ClusterId(3), 4).await, Err(Some(Code::ClusterIDMismatch)));
}

#[tokio::test]
async fn about_leases() {
    let end = answering().await;
    let renew = async |id| {
        ask::renew_lease(&Dialer::default(), &end.url, id, PATIENCE).await.map_err(|e| e.code())
    };
    assert_eq!(renew(1).await.map(|answer| answer.ttl), Ok(30));
    assert_eq!(renew(2).await, Err(Some(Code::TimeoutWaitAppliedIndex)));
    assert_eq!(renew(3).await, Err(Some(Code::NotPrimary)));
    assert_eq!(renew(4).await, Err(Some(Code::LeaseNotFound)));
    let left = async |id| {
        let request = LeaseTimeToLiveRequest { id, keys: true };
        let request = LeaseInternalRequest { lease_time_to_live_request: Some(request) };
        let answer = ask::lease_internal(&Dialer::default(), &end.url, request, PATIENCE).await;
        answer.map_err(|e| e.code()).map(|a| a.lease_time_to_live_response.unwrap().ttl)
    };
    assert_eq!(left(1).await, Ok(7));
    assert_eq!(left(2).await, Err(Some(Code::LeaseNotFound)));
}

#[tokio::test]
async fn a_member_that_keeps_silent_is_late() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let error = ask::version(&Dialer::default(), &url, Duration::from_millis(50))
        .await
        .expect_err("nobody answers");
    assert_eq!(error.code(), Some(Code::Timeout), "{error}");
}
