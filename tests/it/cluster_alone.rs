//! `--force-new-cluster`: one member of a cluster that is lost goes on alone with its data, and
//! others can join it.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;

#[tokio::test]
async fn one_goes_on_alone() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    for n in 0..20 {
        cluster.client(n % 3).put(&format!("k{n}"), "v").await?;
    }
    // What is not known to be committed goes: the last write of all is not looked at.
    let before = cluster.equal_hashes().await?.hash_revision;
    let hash = cluster.client(1).hash_kv(before).await?.hash;
    cluster.client(1).put("last", "v").await?;
    cluster.equal_hashes().await?;
    let ids =
        (cluster.id(1).await?, cluster.status(1).await?.header.map(|header| header.cluster_id));
    (0..3).for_each(|at| cluster.kill(at));
    let usual = cluster.flags().to_vec();
    let forced = [usual.clone(), vec!["--force-new-cluster".to_owned()]].concat();
    cluster.seat(1).member.set_flags(forced);
    cluster.restart(1).await?;
    let after = cluster.client(1).hash_kv(before).await?.hash;
    ensure!(hash == after, "hash before {hash}, after {after}");
    let members = cluster.client(1).members(true).await?;
    ensure!(members.len() == 1 && members[0].id == ids.0, "{members:?}");
    cluster.client(1).put("alone", "v").await?;
    // The flag is for one start only; then it is a member as any other.
    cluster.kill(1);
    cluster.seat(1).member.set_flags(usual);
    cluster.restart(1).await?;
    let new = cluster.grow(1, kinds[0]).await?;
    cluster.wait_leader().await?;
    let read = cluster.client(new).get("alone").await?;
    ensure!(read.as_deref() == Some("v"), "{read:?}");
    ensure!(cluster.client(new).members(true).await?.len() == 2, "two members");
    let id = cluster.status(new).await?.header.map(|header| header.cluster_id);
    ensure!(id == ids.1, "the cluster's id was {:?}, is {id:?}", ids.1);
    cluster.equal_hashes().await?;
    cluster.finish()
}
