//! Handshakes at the peer port that are begun and left, more than there are places: members find
//! their way past them, and memory stays bounded.

use std::io::Write;
use std::net::TcpStream;

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, Papers, can_run};
use ketch_tests::process::Program;
use ketch_tls::authority::Authority;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than the connections that a member's peer port holds.
const HALF_OPEN: usize = 6_000;
/// What all of them together may cost.
// About 38 MiB on a quiet machine; all of them at once would be some 100.
const KIB_MAX: u64 = 80 * 1024;
/// The beginning of a ClientHello that says it is longer.
const HALF_A_HELLO: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 7, 7, 7, 7];

#[tokio::test]
async fn members_find_their_way_past_them() -> Result<()> {
    let kinds = [Program::Ketch; 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let given = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum })?;
    let papers = Papers::of_members(&Authority::new("members"), 3)?;
    let mut cluster = Cluster::start_secured(&kinds, &[], &papers.mutual()).await?;
    cluster.move_leader(0).await?;
    cluster.client(0).put("k", "before").await?;
    let before = cluster.seats()[0].member.resident_kib()?;
    let port = cluster.seats()[0].peer_port();
    let mut open = Vec::new();
    for place in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        if place % 2 == 0 {
            stream.write_all(HALF_A_HELLO)?;
        }
        open.push(stream);
    }
    // All its connections to the leader are new ones.
    cluster.kill(2);
    cluster.client(1).put("k", "meanwhile").await?;
    cluster.restart(2).await?;
    cluster.client(2).put("k", "after").await?;
    let grown = cluster.seats()[0].member.resident_peak_kib()?.saturating_sub(before);
    println!("{HALF_OPEN} half-open handshakes cost {grown} KiB at most");
    ensure!(grown < KIB_MAX, "{grown} KiB more");
    ensure!(cluster.wait_leader().await? == 0, "the leader lost its lead");
    drop(open);
    cluster.equal_hashes().await?;
    cluster.finish()
}
