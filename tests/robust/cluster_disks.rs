//! Disks that stall and disks that are full, in real processes: the others go on, and the member
//! comes back with nothing lost.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ketch_tests::client::Client;
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::disk::Disk;
use ketch_tests::process::Program;
use ketch_tests::seed;

use crate::recorded::Recorded;

const CLIENTS: usize = 6;
const STALL: Duration = Duration::from_secs(2);
/// Room for a log's segments and the storage, with some left to fill.
const DISK_MIB: u32 = 400;
const LEFT_BYTES: u64 = 3 << 20;

#[tokio::test]
async fn a_stalled_disk_stops_nobody_else() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let Some(mut disk) = Disk::stalling(DISK_MIB)? else { return Ok(()) };
    let mut cluster = on_disk(&kinds, &disk).await?;
    let members: Vec<Client> = (0..3).map(|at| cluster.client(at).clone()).collect();
    let seed = seed::from_env("a_stalled_disk_stops_nobody_else");
    let clients = Recorded::start(members, CLIENTS, seed);
    for leader in [0, 2] {
        cluster.move_leader(leader).await?;
        clients.wait_answered(100).await?;
        let began = Instant::now();
        disk.stall(STALL)?;
        clients.wait_answered(100).await?;
        println!("m{leader} leads, m2 stalls: 100 answers in {:?}", began.elapsed());
        disk.wait_thawed();
        cluster.wait_leader().await?;
        clients.wait_answered(100).await?;
    }
    clients.judge().await?;
    cluster.equal_hashes().await?;
    cluster.finish()
}

#[tokio::test]
async fn a_full_disk_stops_nobody_else() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let Some(disk) = Disk::small(DISK_MIB)? else { return Ok(()) };
    let mut cluster = on_disk(&kinds, &disk).await?;
    cluster.move_leader(0).await?;
    cluster.client(2).put("before", "v").await?;
    disk.fill(LEFT_BYTES)?;
    let big = "x".repeat(1 << 20);
    // Some go through the full one: it may refuse, but must not hold up the others.
    for n in 0..90 {
        cluster.client(n % 2).put(&format!("k{}", n % 10), &big).await?;
    }
    let is_up = cluster.seat(2).member.ended()?.is_none();
    println!("the member with the full disk {}", if is_up { "still runs" } else { "has stopped" });
    disk.empty()?;
    if is_up {
        cluster.kill(2);
    }
    cluster.restart(2).await?;
    cluster.wait_leader().await?;
    let read = cluster.client(2).get("k9").await?;
    ensure!(read.as_ref() == Some(&big), "the member with the full disk has lost something");
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// Three members, the third on this disk.
async fn on_disk(kinds: &[Program], disk: &Disk) -> Result<Cluster> {
    let ports = [(); 3].map(|()| SeatPorts::free());
    let mut cluster = Cluster::prepare(kinds, &[], &ports)?;
    cluster.seat(2).member.set_data_dir(disk.path().join("data"));
    cluster.spawn_all()?;
    cluster.wait_leader().await?;
    Ok(cluster)
}
