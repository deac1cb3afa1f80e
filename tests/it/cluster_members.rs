//! Membership changes, told as one story by three etcds and by three members under test: what is
//! granted, what is refused and in which words, what the list looks like after each.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{MemberUpdateRequest, MemberUpdateResponse};
use ketch_tests::client::Client;
use ketch_tests::cluster::{Cluster, PATIENCE, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::rpc::Answer;
use ketch_tests::story::Story;
use tokio::time::{Instant, sleep};
use tonic::Code;

const LIST: &str = "Cluster/MemberList linearizable: true";

#[tokio::test]
async fn changes_go_as_in_etcd() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let ports = [(); 4].map(|()| SeatPorts::free());
    let right = changes(Program::Etcd, &ports).await?;
    changes(Program::under_test(), &ports).await?.same(&right)
}

/// One member moves to another address: told by an update, then started there.
#[tokio::test]
async fn a_member_moves() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    cluster.move_leader(0).await?;
    let id = cluster.id(2).await?;
    let url = cluster.relay_again(2)?;
    let ask = MemberUpdateRequest { id, peer_ur_ls: vec![url.clone()] };
    let _: MemberUpdateResponse = cluster.client(0).call("Cluster/MemberUpdate", &ask).await?;
    // The way by the old address is closed to all, with what is open on it.
    cluster.wires.isolate(cluster.seats()[2].front);
    cluster.kill(2);
    cluster.client(0).put("k", "v").await?;
    cluster.restart(2).await?;
    cluster.equal_hashes().await?;
    for at in 0..3 {
        let members = cluster.client(at).members(true).await?;
        let moved = members.iter().find(|member| member.id == id).context("it is a member")?;
        ensure!(moved.peer_ur_ls == [url.clone()], "{moved:?}");
    }
    cluster.finish()
}

/// What makes etcd's members panic: ketch refuses it.
#[tokio::test]
async fn an_update_to_no_url_is_refused() -> Result<()> {
    if Program::under_test() != Program::Ketch {
        return Ok(());
    }
    let mut cluster = Cluster::start(&[Program::Ketch; 3], &[]).await?;
    let id = cluster.id(1).await?;
    for urls in [vec!["nope".to_owned()], vec![String::new()], Vec::new()] {
        let ask = MemberUpdateRequest { id, peer_ur_ls: urls };
        let answer: Answer<MemberUpdateResponse> =
            cluster.client(0).call("Cluster/MemberUpdate", &ask).await;
        let code = answer.as_ref().err().map(|refusal| refusal.code);
        ensure!(code == Some(Code::InvalidArgument), "{ask:?}: {answer:?}");
    }
    cluster.client(1).put("k", "v").await?;
    cluster.wait_leader().await?;
    cluster.finish()
}

async fn changes(kind: Program, ports: &[SeatPorts]) -> Result<Story> {
    let mut cluster = Cluster::start_on(&[kind; 3], &[], &ports[..3]).await?;
    let mut story = Story::default();
    cluster.move_leader(0).await?;
    cluster.wait_settled().await?;
    for at in 0..3 {
        story.name(cluster.id(at).await?, &format!("id{at}"));
        story.call(cluster.client(at), &format!("m{at}"), LIST).await?;
    }
    refusals(&cluster, &mut story).await?;
    learner(&mut cluster, &mut story, ports[3]).await?;
    strict_check(&mut cluster, &mut story).await?;
    removal(&mut cluster, &mut story).await?;
    cluster.finish()?;
    Ok(story)
}

/// What no state of the cluster permits.
async fn refusals(cluster: &Cluster, story: &mut Story) -> Result<()> {
    // Until then a healthy cluster counts as too young for changes.
    sleep(Duration::from_secs(6)).await;
    let taken = cluster.seats()[2].peer_url().to_owned();
    for (at, line) in [
        (0, "Cluster/MemberAdd".to_owned()),
        (1, r#"Cluster/MemberAdd peerURLs: "notaurl""#.to_owned()),
        (1, format!(r#"Cluster/MemberAdd peerURLs: "{taken}""#)),
        (1, format!(r#"Cluster/MemberAdd peerURLs: "{taken}" isLearner: true"#)),
        (2, "Cluster/MemberRemove ID: 77".to_owned()),
        (0, "Cluster/MemberPromote ID: 77".to_owned()),
        (1, "Cluster/MemberPromote ID: 77".to_owned()),
        (0, "Cluster/MemberPromote ID: $id1".to_owned()),
        (1, "Cluster/MemberPromote ID: $id1".to_owned()),
        (0, r#"Cluster/MemberUpdate ID: 77 peerURLs: "http://127.0.0.1:5""#.to_owned()),
        (0, format!(r#"Cluster/MemberUpdate ID: $id1 peerURLs: "{taken}""#)),
        (2, LIST.to_owned()),
    ] {
        story.call(cluster.client(at), &format!("m{at}"), &line).await?;
    }
    Ok(())
}

/// Added as a learner, refused promotion while behind, serving what learners serve, promoted.
async fn learner(cluster: &mut Cluster, story: &mut Story, on: SeatPorts) -> Result<()> {
    let kind = cluster.seats()[0].member.program();
    let new = cluster.add_on(1, kind, true, on).await?;
    let id = cluster.client(0).members(true).await?;
    let id = id.iter().find(|member| member.is_learner).context("the learner")?.id;
    story.name(id, "learner");
    for (at, line) in [
        (0, LIST),
        (0, r#"Cluster/MemberAdd peerURLs: "http://127.0.0.1:7" isLearner: true"#),
        (0, "Cluster/MemberPromote ID: $learner"),
        (1, "Cluster/MemberPromote ID: $learner"),
        (0, "Maintenance/MoveLeader targetID: $learner"),
    ] {
        story.call(cluster.client(at), &format!("m{at}"), line).await?;
    }
    cluster.restart(new).await?;
    cluster.client(0).put("k", "v").await?;
    wait_value(cluster.client(new), "k", "v").await?;
    for line in [
        r#"KV/Range key: "k" serializable: true"#,
        r#"KV/Range key: "k""#,
        r#"KV/Put key: "k""#,
        r#"KV/DeleteRange key: "k""#,
        "KV/Txn",
        r#"KV/Txn success { request_range { key: "k" serializable: true } }"#,
        "KV/Compact revision: 1",
        "Lease/LeaseGrant TTL: 100",
        "Lease/LeaseRevoke ID: 1",
        "Lease/LeaseTimeToLive ID: 1",
        "Lease/LeaseLeases",
        "Cluster/MemberList",
        LIST,
        "Cluster/MemberRemove ID: 77",
        r#"Cluster/MemberAdd peerURLs: "http://127.0.0.1:7""#,
        "Cluster/MemberPromote ID: 77",
        "Maintenance/Status",
        "Maintenance/Alarm",
        "Maintenance/HashKV",
        "Maintenance/MoveLeader targetID: 1",
        "Maintenance/Downgrade version: \"3.6\"",
    ] {
        if line == "Maintenance/Status" {
            wait_storage(cluster, new).await?;
        }
        story.call(cluster.client(new), "learner", line).await?;
    }
    promote(cluster, story).await?;
    wait_promoted(cluster, new).await?;
    story.call(cluster.client(new), "promoted", LIST).await?;
    story.call(cluster.client(new), "promoted", r#"KV/Range key: "k""#).await?;
    Ok(())
}

/// Its storage's version is told some seconds after its start.
async fn wait_storage(cluster: &mut Cluster, new: usize) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while cluster.status(new).await?.storage_version != "3.7.0" {
        ensure!(Instant::now() < end, "the storage's version stays unset");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn promote(cluster: &Cluster, story: &mut Story) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let line = "Cluster/MemberPromote ID: $learner";
    let mut attempt = Story::default();
    attempt.name(story.id("learner").context("the learner's id")?, "learner");
    while !attempt.call(cluster.client(1), "m1", line).await? {
        ensure!(Instant::now() < end, "the learner never catches up");
        sleep(Duration::from_millis(100)).await;
    }
    story.note(line, "granted");
    Ok(())
}

/// It is promoted once a quorum has that, and may be the last to know.
async fn wait_promoted(cluster: &Cluster, new: usize) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while let Err(refusal) = cluster.client(new).get("k").await {
        ensure!(Instant::now() < end, "the promoted member stays a learner: {refusal:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Four voters, one down: a fifth may be added, who has not started; a sixth may not.
async fn strict_check(cluster: &mut Cluster, story: &mut Story) -> Result<()> {
    sleep(Duration::from_secs(6)).await;
    cluster.kill(3);
    wait_down(cluster).await?;
    for (at, line) in [
        (0, r#"Cluster/MemberAdd peerURLs: "http://127.0.0.1:7""#),
        (1, r#"Cluster/MemberAdd peerURLs: "http://127.0.0.1:9""#),
        (1, "Cluster/MemberRemove ID: $id2"),
        (0, "Cluster/MemberRemove ID: $added4"),
        (1, "Cluster/MemberRemove ID: $learner"),
        (2, LIST),
    ] {
        wait_same_list(cluster).await?;
        story.call(cluster.client(at), &format!("m{at} with one of four down"), line).await?;
    }
    Ok(())
}

/// Until all members that run know the same members: etcd's judge changes by what they know.
async fn wait_same_list(cluster: &Cluster) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut lists = Vec::new();
        for at in cluster.running() {
            let members = cluster.client(at).members(false).await?;
            lists.push(members.iter().map(|member| member.id).collect::<BTreeSet<u64>>());
        }
        if lists.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the lists stay different: {lists:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Until the leader has noticed that the killed member is gone.
async fn wait_down(cluster: &mut Cluster) -> Result<()> {
    sleep(Duration::from_secs(1)).await;
    cluster.wait_leader().await?;
    Ok(())
}

/// Three voters, one down: removing one that works is refused, removing the dead is not.
async fn removal(cluster: &mut Cluster, story: &mut Story) -> Result<()> {
    cluster.move_leader(0).await?;
    cluster.kill(2);
    wait_down(cluster).await?;
    for line in [
        "Cluster/MemberRemove ID: $id1",
        r#"Cluster/MemberAdd peerURLs: "http://127.0.0.1:7""#,
        r#"Cluster/MemberUpdate ID: $id2 peerURLs: "http://127.0.0.1:8""#,
        "Cluster/MemberRemove ID: $id2",
        "Cluster/MemberRemove ID: $id2",
        "Cluster/MemberUpdate ID: $id2 peerURLs: \"http://127.0.0.1:8\"",
        LIST,
        r#"KV/Put key: "k" value: "two are left""#,
        "Cluster/MemberRemove ID: $id1",
        LIST,
        r#"KV/Put key: "k" value: "one is left""#,
        "Cluster/MemberRemove ID: $id0",
        LIST,
    ] {
        story.call(cluster.client(0), "m0", line).await?;
    }
    Ok(())
}

async fn wait_value(client: &Client, key: &str, value: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while client.get_local(key).await.ok().flatten().as_deref() != Some(value) {
        ensure!(Instant::now() < end, "{key} = {value} does not arrive");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
