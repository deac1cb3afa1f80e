//! Waiting for a cluster to come to rest: a leader all know, names and versions agreed on, one
//! revision and one hash everywhere.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ketch_proto::etcdserverpb::HashKvResponse;

use super::{Cluster, PATIENCE};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Cluster {
    /// Waits until every running member knows one leader that runs; its seat.
    ///
    /// # Errors
    /// When they come to no agreement, or a process ends.
    pub async fn wait_leader(&mut self) -> Result<usize> {
        let among = self.running();
        self.wait_leader_of(&among).await
    }

    /// As `wait_leader`, asking only these members: the others are stopped or cut off.
    ///
    /// # Errors
    /// As `wait_leader`.
    pub async fn wait_leader_of(&mut self, among: &[usize]) -> Result<usize> {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.common_leader(among).await;
            if let Ok(leader) = found {
                return Ok(leader);
            }
            for at in among {
                self.check_up(*at)?;
            }
            if Instant::now() > end {
                let tails = among.iter().map(|at| self.seats[*at].member.log_tail());
                let tails: Vec<String> = tails.collect();
                bail!("no leader: {found:?}\n{}", tails.join("\n"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until what members do by and by after a start is done: every name is published,
    /// the cluster's version and every storage's version are agreed on.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn wait_settled(&mut self) -> Result<()> {
        self.wait_leader().await?;
        let end = Instant::now() + PATIENCE;
        while !self.is_settled().await? {
            ensure!(Instant::now() < end, "names or versions stay unset");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    async fn is_settled(&self) -> Result<bool> {
        let mut statuses = Vec::new();
        for at in self.running() {
            let members = self.seats[at].client.members(false).await?;
            if members.iter().any(|member| member.name.is_empty()) {
                return Ok(false);
            }
            statuses.push(self.status(at).await?);
        }
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        let lowest = statuses.iter().filter_map(|status| minor(&status.version)).min();
        Ok(statuses.iter().all(|status| minor(&status.storage_version) == lowest))
    }

    async fn common_leader(&self, among: &[usize]) -> Result<usize> {
        let (mut leaders, mut ids) = (Vec::new(), Vec::new());
        for at in among {
            let status = self.status(*at).await?;
            leaders.push(status.leader);
            ids.push(status.header.map_or(0, |header| header.member_id));
        }
        let leader = *leaders.first().context("nobody runs")?;
        ensure!(leaders.iter().all(|other| *other == leader), "leaders {leaders:?}");
        let place = ids.iter().position(|id| *id == leader);
        Ok(among[place.with_context(|| format!("leader {leader:x} is none of {ids:x?}"))?])
    }

    fn check_up(&mut self, at: usize) -> Result<()> {
        if let Some(status) = self.seats[at].member.ended()? {
            bail!("m{at} ended with {status}; {}", self.seats[at].member.log_tail());
        }
        Ok(())
    }

    /// Waits until a member knows a leader and has applied what it knew to be committed.
    ///
    /// # Errors
    /// When its process ends or time is up.
    pub async fn wait_ready(&mut self, at: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.status(at).await.is_ok_and(|status| status.leader != 0) {
                return Ok(());
            }
            self.check_up(at)?;
            ensure!(Instant::now() < end, "not ready; {}", self.seats[at].member.log_tail());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Has `by` hand over to `to`, and waits until all know; tries again while the follower is
    /// said to be behind or the hand-over times out.
    ///
    /// # Errors
    /// When it does not come about.
    pub async fn move_leader(&mut self, to: usize) -> Result<()> {
        let id = self.id(to).await?;
        let end = Instant::now() + PATIENCE;
        loop {
            let leader = self.wait_leader().await?;
            if leader == to {
                return Ok(());
            }
            let moved = self.seats[leader].client.move_leader(id).await;
            ensure!(Instant::now() < end, "m{to} does not become leader: {moved:?}");
        }
    }

    /// Waits until the running members have one revision, and ensures that all hash the same.
    ///
    /// # Errors
    /// When they do not come to one revision, or hashes differ.
    pub async fn equal_hashes(&self) -> Result<HashKvResponse> {
        let end = Instant::now() + PATIENCE;
        let running = self.running();
        let revision = loop {
            let mut revisions = Vec::new();
            for at in &running {
                let status = self.status(*at).await;
                revisions.push(status.ok().and_then(|status| Some(status.header?.revision)));
            }
            match revisions.first() {
                Some(Some(first)) if revisions.iter().all(|other| *other == Some(*first)) => {
                    break *first;
                }
                _ => ensure!(Instant::now() < end, "revisions stay apart: {revisions:?}"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let mut hashes = Vec::new();
        for at in &running {
            let answer = self.seats[*at].client.hash_kv(revision).await;
            let answer = answer.map_err(|refusal| anyhow!("HashKV of m{at}: {refusal:?}"))?;
            hashes.push(HashKvResponse { header: None, ..answer });
        }
        let first = *hashes.first().context("nobody runs")?;
        ensure!(hashes.iter().all(|other| *other == first), "hashes differ: {hashes:?}");
        Ok(first)
    }
}
