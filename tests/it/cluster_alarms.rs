//! Alarms are the cluster's: NOSPACE of one member stops writes on all, and lets reads be.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use ketch_tests::story::Story;
use tonic::Code;

const NOSPACE: i32 = 1;
const DISARM: &str = "Maintenance/Alarm action: DEACTIVATE alarm: NOSPACE memberID: $full";

#[tokio::test]
async fn one_member_full_is_all_full() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    // One member alone has a small quota, and is asked to take the write that is too much.
    let small = [cluster.flags(), &["--quota-backend-bytes=400000".to_owned()]].concat();
    cluster.kill(2);
    cluster.seat(2).member.set_flags(small);
    cluster.restart(2).await?;
    let full = cluster.id(2).await?;
    let big = "x".repeat(100_000);
    let mut refusal = None;
    for n in 0..40 {
        if let Err(why) = cluster.client(2).put(&format!("k{n}"), &big).await {
            refusal = Some(why);
            break;
        }
    }
    let text = refusal.map(|why| (why.code, why.message));
    let expected = (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");
    ensure!(text == Some((expected.0, expected.1.to_owned())), "{text:?}");
    for at in 0..3 {
        ensure!(cluster.client(at).get("k0").await?.is_some(), "m{at} does not read");
        let put = cluster.client(at).put("more", "x").await;
        let refused = put.as_ref().is_err_and(|why| why.message == expected.1);
        ensure!(refused, "m{at}: {put:?}");
        ensure!(cluster.client(at).alarms().await? == [(full, NOSPACE)], "alarms of m{at}");
        let errors = cluster.status(at).await?.errors;
        ensure!(errors.len() == 1 && errors[0].contains("NOSPACE"), "m{at}: {errors:?}");
    }
    disarm(&mut cluster, full).await?;
    cluster.finish()
}

async fn disarm(cluster: &mut Cluster, full: u64) -> Result<()> {
    let usual = cluster.flags().to_vec();
    cluster.kill(2);
    cluster.seat(2).member.set_flags(usual);
    cluster.restart(2).await?;
    ensure!(cluster.client(2).alarms().await? == [(full, NOSPACE)], "kept over a restart");
    let mut story = Story::default();
    story.name(full, "full");
    story.call(cluster.client(1), "m1", DISARM).await?;
    for at in 0..3 {
        cluster.client(at).put("more", "x").await?;
        ensure!(cluster.client(at).alarms().await?.is_empty(), "m{at} has alarms");
    }
    cluster.equal_hashes().await?;
    Ok(())
}
