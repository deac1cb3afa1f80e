//! Three members found a cluster: one leader, one list of members, writes by way of each.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;

#[tokio::test]
async fn three_found_one_cluster() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    for at in 0..3 {
        let key = format!("by/{at}");
        let revision = cluster.client(at).put(&key, "1").await?;
        ensure!(revision == at as i64 + 2, "the put of m{at} made {revision}");
        for other in 0..3 {
            let found = cluster.client(other).get(&key).await?;
            ensure!(found.as_deref() == Some("1"), "m{other} does not have what m{at} took");
        }
    }
    one_list(&cluster).await?;
    cluster.equal_hashes().await?;
    all_come_back(&mut cluster).await?;
    cluster.finish()
}

/// All agree on the members, their names and addresses, and on the cluster's id.
async fn one_list(cluster: &Cluster) -> Result<()> {
    let list = cluster.client(0).members(true).await?;
    let names: BTreeSet<&str> = list.iter().map(|member| member.name.as_str()).collect();
    ensure!(names == BTreeSet::from(["m0", "m1", "m2"]), "{list:?}");
    let mut clusters = BTreeSet::new();
    for at in 0..3 {
        for linearizable in [true, false] {
            let seen = cluster.client(at).members(linearizable).await?;
            ensure!(seen == list, "m{at} sees {seen:?}, m0 {list:?}");
        }
        let name = format!("m{at}");
        let own = list.iter().find(|member| member.name == name).context("its own entry")?;
        let status = cluster.status(at).await?;
        let header = status.header.context("a status without header")?;
        ensure!(own.id == header.member_id && !own.is_learner, "{own:?}, {header:?}");
        ensure!(own.client_ur_ls == [cluster.seats()[at].member.endpoint()], "{own:?}");
        ensure!(own.peer_ur_ls == [cluster.seats()[at].peer_url()], "{own:?}");
        clusters.insert(header.cluster_id);
    }
    ensure!(clusters.len() == 1, "cluster ids {clusters:x?}");
    Ok(())
}

/// Stopped all at once and started again, they are the same cluster.
async fn all_come_back(cluster: &mut Cluster) -> Result<()> {
    let before = cluster.equal_hashes().await?;
    (0..3).for_each(|at| cluster.kill(at));
    cluster.spawn_all()?;
    cluster.wait_leader().await?;
    let after = cluster.equal_hashes().await?;
    ensure!(before == after, "before {before:?}, after {after:?}");
    cluster.client(1).put("again", "2").await?;
    Ok(())
}
