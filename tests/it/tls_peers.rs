//! Clusters whose members talk over TLS: of ketch, mixed with etcd, with certificates of an
//! authority and with those each member makes for itself.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, Papers, Tls, can_run};
use ketch_tests::load::Load;
use ketch_tests::process::Program;
use ketch_tls::authority::Authority;

/// Few entries are kept for those behind.
const SMALL: &[&str] = &["--snapshot-count", "50", "--snapshot-catchup-entries", "20"];
const WRITES: usize = 150;

#[tokio::test]
async fn three_of_ours() -> Result<()> {
    let papers = papers()?;
    survives([Program::under_test(); 3], &papers.mutual()).await
}

#[tokio::test]
async fn two_etcds_and_one() -> Result<()> {
    let papers = papers()?;
    survives([Program::Etcd, Program::under_test(), Program::Etcd], &papers.mutual()).await
}

#[tokio::test]
async fn one_etcd_and_two() -> Result<()> {
    let papers = papers()?;
    survives([Program::under_test(), Program::Etcd, Program::under_test()], &papers.mutual()).await
}

/// The rules hold for those who belong as well, and each may dial with another certificate than
/// it listens with.
#[tokio::test]
async fn with_names_lists_and_certificates_to_dial_with() -> Result<()> {
    let authority = Authority::new("members");
    let papers = Papers::of_members(&authority, 3)?;
    for seat in 0..3 {
        papers.issue(&format!("dial{seat}"), &authority, &ketch_tests::cluster::member(seat))?;
    }
    papers.put("revoked.der", authority.revoke_der(&[7]))?;
    let file = |name: &str| papers.text(name);
    let tls = papers.mutual().with(&[
        "--peer-crl-file",
        &file("revoked.der"),
        "--peer-cert-allowed-cn",
        "member-0,member-1,member-2",
        "--peer-client-cert-file",
        &file("dial$SEAT.crt"),
        "--peer-client-key-file",
        &file("dial$SEAT.key"),
    ]);
    let kinds = [Program::under_test(), Program::Etcd, Program::under_test()];
    survives(kinds, &tls).await
}

#[tokio::test]
async fn with_certificates_of_their_own_making() -> Result<()> {
    let tls = Tls { peers: true, flags: vec!["--peer-auto-tls".to_owned()] };
    survives([Program::under_test(); 3], &tls).await?;
    survives([Program::Etcd, Program::under_test(), Program::under_test()], &tls).await
}

fn papers() -> Result<Papers> {
    Papers::of_members(&Authority::new("members"), 3)
}

/// Takes writes while every member leads in turn and is killed, and brings those back that were
/// behind by a snapshot.
async fn survives(kinds: [Program; 3], tls: &Tls) -> Result<()> {
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start_secured(&kinds, SMALL, tls).await?;
    let load = Load::start(cluster.endpoints(), 3);
    for at in 0..3 {
        cluster.move_leader(at).await?;
        load.wait_acked(WRITES / 5).await?;
        cluster.kill(at);
        load.wait_acked(WRITES).await?;
        cluster.restart(at).await?;
    }
    let report = load.stop().await?;
    println!("{kinds:?}: {report:?}");
    cluster.equal_hashes().await?;
    let snapshots = (0..3).map(|at| received(&cluster, at)).sum::<Result<u64>>()?;
    ensure!(snapshots > 0, "nobody was sent a snapshot: nothing is tested");
    for at in 0..3 {
        ensure!(cluster.seats()[at].peer_url().starts_with("https://"), "in clear");
        cluster.client(at).put("led", "v").await?;
    }
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// Snapshots a member got in this life.
fn received(cluster: &Cluster, at: usize) -> Result<u64> {
    let (_, metrics) = cluster.seats()[at].member.http_get("/metrics")?;
    let name = "etcd_network_snapshot_receive_success";
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum::<f64>() as u64)
}
