//! `hasleader` in a call's metadata: a member without a leader refuses at once what asks for one,
//! and ends streams that asked, in etcd's words.

use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use ketch_tests::cluster::{Cluster, PATIENCE, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::story::Story;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn without_a_leader_as_in_etcd() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let ports = [(); 3].map(|()| SeatPorts::free());
    let right = without_leader(kinds[0], &ports).await?;
    without_leader(kinds[1], &ports).await?.same(&right)
}

async fn without_leader(kind: Program, ports: &[SeatPorts]) -> Result<Story> {
    let mut cluster = Cluster::start_on(&[kind; 3], &[], ports).await?;
    cluster.client(0).put("k", "v").await?;
    cluster.equal_hashes().await?;
    let mut story = Story::default();
    let needing = cluster.client(0).needing_leader();
    let serializable = r#"KV/Range key: "k" serializable: true count_only: true"#;
    story.call(&needing, "with a leader", serializable).await?;
    let create = WatchCreateRequest { key: "k".into(), ..Default::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let mut watch = needing.rpc.duplex("/etcdserverpb.Watch/Watch", &create).await?;
    let created: Option<WatchResponse> = watch.next().await?;
    ensure!(created.is_some_and(|created| created.created), "no watch");
    cluster.kill(1);
    cluster.kill(2);
    let ended = timeout(PATIENCE, watch.next::<WatchResponse>()).await?;
    story.note("the watch", &format!("{ended:?}"));
    // The watch is told after some election time-outs; calls are refused from the first on.
    while cluster.status(0).await?.leader != 0 {
        sleep(Duration::from_millis(20)).await;
    }
    for line in [
        serializable,
        r#"KV/Put key: "k""#,
        "Cluster/MemberList",
        "Maintenance/Status",
        "Lease/LeaseLeases",
        "Maintenance/HashKV",
    ] {
        story.call(&needing, "without a leader", line).await?;
    }
    let opened = needing.rpc.duplex("/etcdserverpb.Watch/Watch", &create).await;
    story.note("a new watch", &format!("{:?}", opened.err()));
    story.call(cluster.client(0), "not needing one", serializable).await?;
    cluster.finish()?;
    Ok(story)
}
