//! Members that hold different data for one revision are found out: at a start, by the periodic
//! check, by the check of compaction hashes. The difference comes from restoring each member out
//! of a snapshot of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{CompactionRequest, CompactionResponse};
use ketch_tests::cluster::{Cluster, PATIENCE, SeatPorts, can_run};
use ketch_tests::peers;
use ketch_tests::process::Program;
use tempfile::TempDir;
use tokio::time::sleep;
use tonic::Code;

const CORRUPT: i32 = 2;
/// Else the first member to see another with other data would not come up.
const NOT_AT_START: &str = "--feature-gates=InitialCorruptCheck=false";

#[tokio::test]
async fn the_periodic_check_raises_the_alarm() -> Result<()> {
    let Some(mut cluster) = torn(&["--corrupt-check-time", "1s", NOT_AT_START])? else {
        return Ok(());
    };
    start_in_order(&mut cluster).await?;
    alarmed(cluster).await
}

#[tokio::test]
async fn the_compaction_check_raises_the_alarm() -> Result<()> {
    let gates = format!("{NOT_AT_START},CompactHashCheck=true");
    let flags = [&gates, "--compact-hash-check-time", "1s"];
    let Some(mut cluster) = torn(&flags)? else { return Ok(()) };
    start_in_order(&mut cluster).await?;
    for n in 0..5 {
        cluster.client(0).put("more", &n.to_string()).await?;
    }
    let ask = CompactionRequest { revision: 5, physical: true };
    let _: CompactionResponse = cluster.client(0).call("KV/Compact", &ask).await?;
    alarmed(cluster).await
}

/// The one that differs does not come up beside the others.
#[tokio::test]
async fn a_member_that_differs_does_not_start() -> Result<()> {
    let Some(mut cluster) = torn(&["--feature-gates=InitialCorruptCheck=true"])? else {
        return Ok(());
    };
    cluster.seat(0).member.spawn()?;
    cluster.seat(1).member.spawn()?;
    // The first to start has nobody to compare with.
    cluster.wait_leader_of(&[0, 1]).await?;
    cluster.seat(2).member.spawn()?;
    let status = cluster.seat(2).member.wait_exit(PATIENCE)?;
    ensure!(status.code().is_some_and(|code| code != 0), "{status}");
    cluster.client(0).put("k", "served").await?;
    cluster.finish()
}

/// The third last, so that it does not lead and call the others corrupt.
async fn start_in_order(cluster: &mut Cluster) -> Result<()> {
    cluster.seat(0).member.spawn()?;
    cluster.seat(1).member.spawn()?;
    cluster.wait_leader_of(&[0, 1]).await?;
    cluster.restart(2).await?;
    cluster.wait_leader().await?;
    Ok(())
}

/// Three members, the third with other data, not started.
fn torn(flags: &[&str]) -> Result<Option<Cluster>> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&[kinds[0], Program::Etcd]) {
        return Ok(None);
    }
    let folder = TempDir::with_prefix("ketch-torn-")?;
    let most = snapshot(&folder, "most", "1")?;
    let other = snapshot(&folder, "other", "2")?;
    let ports = [(); 3].map(|()| SeatPorts::free());
    let cluster = Cluster::prepare(&kinds, flags, &ports)?;
    cluster.restore(&[&most, &most, &other], &[])?;
    Ok(Some(cluster))
}

fn snapshot(folder: &TempDir, name: &str, value: &str) -> Result<PathBuf> {
    use ketch_tests::process::{Member, Options};
    let ctl = peers::find("etcdctl").context("asked for with etcd")?;
    let member = Member::start(Program::Etcd, Options::default())?;
    let saved = folder.path().join(name);
    let path = saved.to_string_lossy().into_owned();
    for line in [vec!["put", "k", value], vec!["put", "l", "same"], vec!["snapshot", "save", &path]]
    {
        let mut command = Command::new(&ctl);
        let output = command.args(["--endpoints", &member.address()]).args(&line).output()?;
        ensure!(output.status.success(), "{line:?}: {output:?}");
    }
    Ok(saved)
}

/// The alarm names the one that differs, on every member; writes are refused then.
async fn alarmed(mut cluster: Cluster) -> Result<()> {
    let odd = cluster.id(2).await?;
    let end = Instant::now() + PATIENCE;
    for at in 0..3 {
        loop {
            let alarms = cluster.client(at).alarms().await?;
            if alarms == [(odd, CORRUPT)] {
                break;
            }
            ensure!(alarms.is_empty(), "m{at}: {alarms:?}, but {odd:x} differs");
            ensure!(Instant::now() < end, "m{at} knows of no corruption");
            sleep(Duration::from_millis(50)).await;
        }
        let put = cluster.client(at).put("k", "refused").await;
        let refused = put.as_ref().is_err_and(|why| why.code == Code::DataLoss);
        ensure!(refused, "m{at}: {put:?}");
    }
    // It stays true after a restart.
    cluster.kill(1);
    cluster.restart(1).await?;
    ensure!(cluster.client(1).alarms().await? == [(odd, CORRUPT)], "the alarm is forgotten");
    cluster.finish()
}
