//! Three real processes under faults while clients write down what they see: everything answered
//! is linearizable, the members end equal, and writes go on whenever a majority can.
//!
//! `KETCH_ROUNDS` sets how often each fault comes, `KETCH_SEED` what clients do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_tests::client::Client;
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use ketch_tests::seed;
use tokio::time::sleep;

use crate::recorded::Recorded;

const CLIENTS: usize = 6;
const ROUNDS: usize = 4;
/// Answers wanted while a fault lasts and after it.
const BETWEEN: usize = 60;

/// A cluster and its clients.
struct Run {
    cluster: Cluster,
    clients: Recorded,
    rounds: usize,
}

impl Run {
    async fn start(test: &str) -> Result<Option<Self>> {
        let kinds = [Program::under_test(); 3];
        if !can_run(&kinds) {
            return Ok(None);
        }
        let seed = seed::from_env(test);
        let rounds = seed::count_from_env("KETCH_ROUNDS", ROUNDS);
        let cluster = Cluster::start(&kinds, &[]).await?;
        let members: Vec<Client> = (0..3).map(|at| cluster.client(at).clone()).collect();
        let clients = Recorded::start(members, CLIENTS, seed);
        Ok(Some(Self { cluster, clients, rounds }))
    }

    /// The leader in even rounds, a follower in odd ones.
    async fn victim(&mut self, round: usize) -> Result<usize> {
        self.clients.wait_answered(BETWEEN).await?;
        let leader = self.cluster.wait_leader().await?;
        Ok((leader + round % 2) % 3)
    }

    fn front(&self, at: usize) -> u16 {
        self.cluster.seats()[at].front
    }

    async fn end(mut self) -> Result<()> {
        self.clients.wait_answered(BETWEEN).await?;
        self.cluster.wait_leader().await?;
        self.clients.judge().await?;
        self.cluster.equal_hashes().await?;
        self.cluster.finish()
    }
}

#[tokio::test]
async fn kill_9() -> Result<()> {
    let Some(mut run) = Run::start("kill_9").await? else { return Ok(()) };
    for round in 0..run.rounds * 2 {
        let victim = run.victim(round).await?;
        run.cluster.kill(victim);
        run.clients.wait_answered(BETWEEN).await.with_context(|| format!("round {round}"))?;
        run.cluster.restart(victim).await?;
    }
    run.end().await
}

/// All at once: what was acknowledged is on a majority's disks.
#[tokio::test]
async fn kill_9_of_all() -> Result<()> {
    let Some(mut run) = Run::start("kill_9_of_all").await? else { return Ok(()) };
    for _ in 0..run.rounds {
        run.clients.wait_answered(BETWEEN).await?;
        (0..3).for_each(|at| run.cluster.kill(at));
        run.cluster.spawn_all()?;
        run.cluster.wait_leader().await?;
    }
    run.end().await
}

#[tokio::test]
async fn stopped_processes() -> Result<()> {
    let Some(mut run) = Run::start("stopped_processes").await? else { return Ok(()) };
    for round in 0..run.rounds {
        let victim = run.victim(round).await?;
        run.cluster.pause(victim)?;
        run.clients.wait_answered(BETWEEN).await.with_context(|| format!("round {round}"))?;
        // Long enough that a leader is followed by another; then it wakes up and believes.
        sleep(Duration::from_millis(900)).await;
        run.cluster.go_on(victim)?;
    }
    run.end().await
}

#[tokio::test]
async fn partitions() -> Result<()> {
    let Some(mut run) = Run::start("partitions").await? else { return Ok(()) };
    for round in 0..run.rounds {
        let victim = run.victim(round).await?;
        let front = run.front(victim);
        run.cluster.wires.isolate(front);
        run.clients.wait_answered(BETWEEN).await.with_context(|| format!("round {round}"))?;
        sleep(Duration::from_millis(900)).await;
        run.cluster.wires.mend();
    }
    run.end().await
}

/// One hears and is not heard, or is heard and does not hear; two of three do not hear each other.
#[tokio::test]
async fn one_way_partitions() -> Result<()> {
    let Some(mut run) = Run::start("one_way_partitions").await? else { return Ok(()) };
    for round in 0..run.rounds.div_ceil(2) {
        for kind in 0..3 {
            let victim = run.victim(round).await?;
            let (front, other) = (run.front(victim), run.front((victim + 1) % 3));
            match kind {
                0 => run.cluster.wires.silence(front),
                1 => run.cluster.wires.deafen(front),
                _ => {
                    run.cluster.wires.cut(front, other);
                    run.cluster.wires.cut(other, front);
                }
            }
            let what = || format!("round {round}, kind {kind}");
            run.clients.wait_answered(BETWEEN).await.with_context(what)?;
            run.cluster.wires.mend();
        }
    }
    run.end().await
}

#[tokio::test]
async fn slow_wires() -> Result<()> {
    let Some(mut run) = Run::start("slow_wires").await? else { return Ok(()) };
    for round in 0..run.rounds {
        let victim = run.victim(round).await?;
        let front = run.front(victim);
        run.cluster.wires.delay(front, Duration::from_millis(30));
        run.clients.wait_answered(BETWEEN).await?;
        run.cluster.move_leader((victim + 1) % 3).await?;
        run.clients.wait_answered(BETWEEN).await?;
        run.cluster.wires.mend();
    }
    ensure!(run.cluster.running().len() == 3, "nobody stops for a slow wire");
    run.end().await
}
