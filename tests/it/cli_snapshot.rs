//! Snapshots cross over: what ketch saves the real etcdutl reads and restores for a real etcd,
//! what etcd saves ketchutl restores for ketch, and the history is the same after it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ketch_tests::op::{Op, parse_script};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::shell::Shell;
use ketch_tests::subject::Subject;
use ketch_tests::{binaries, peers};

const HISTORY: &str = r#"
    KV/Put key: "a" value: "1"
    KV/Put key: "b" value: "2"
    Lease/LeaseGrant ID: 7 TTL: 100000
    KV/Put key: "l" value: "leased" lease: 7
    KV/Txn success { request_put { key: "t1" } } success { request_put { key: "t2" } }
    KV/DeleteRange key: "b"
    KV/Put key: "a" value: "3"
    KV/Compact revision: 4 physical: true
    KV/Put key: "a" value: "4"
"#;
const QUESTIONS: &str = r#"
    KV/Range key: "\000" range_end: "\000"
    KV/Range key: "\000" range_end: "\000" revision: 6
    KV/Range key: "\000" range_end: "\000" revision: 3
    Maintenance/HashKV revision: 6
    Maintenance/HashKV
    Lease/LeaseTimeToLive ID: 7 keys: true
    KV/Put key: "after" value: "restore"
    Maintenance/HashKV
"#;

#[tokio::test]
async fn the_real_etcd_takes_our_snapshot() -> Result<()> {
    let Some(utl) = peers::find("etcdutl") else { return Ok(()) };
    crosses(Program::under_test(), &utl, Program::Etcd).await
}

#[tokio::test]
async fn ketch_takes_the_real_snapshot() -> Result<()> {
    let Some(_) = peers::find("etcdutl") else { return Ok(()) };
    crosses(Program::Etcd, &our("ketchutl", "etcdutl"), Program::under_test()).await
}

#[tokio::test]
async fn ketch_takes_its_own_snapshot() -> Result<()> {
    let Some(_) = peers::find("etcdutl") else { return Ok(()) };
    crosses(Program::under_test(), &our("ketchutl", "etcdutl"), Program::under_test()).await
}

/// Saves on `from`, restores with `utl`, and asks `to` what the first one answered.
async fn crosses(from: Program, utl: &Path, to: Program) -> Result<()> {
    let ctl = peers::find("etcdctl").context("asked for above")?;
    let before = Member::start(from, Options::default())?;
    let mut shell = Shell::new(&ctl, utl, &before.address())?;
    answers(&before, HISTORY).await?;
    let saved = shell.run("etcdctl snapshot save snap.db")?;
    ensure!(saved.contains("Snapshot saved at snap.db"), "{saved}");
    let right = answers(&before, QUESTIONS).await?;
    let restored = shell.run(
        "etcdutl snapshot restore snap.db --data-dir restored --name s1 \
         --initial-cluster s1=http://127.0.0.1:23800 --initial-cluster-token tok \
         --initial-advertise-peer-urls http://127.0.0.1:23800",
    )?;
    ensure!(restored.contains("[exit Some(0)]"), "{restored}");
    let data_dir = Some(shell.work_dir().join("restored"));
    let after = Member::start(to, Options { data_dir, ..Options::default() })?;
    let found = answers(&after, QUESTIONS).await?;
    ensure!(right == found, "before\n{right}\nafter\n{found}");
    Ok(())
}

/// Status of one file, by both programs, in every format.
#[test]
fn status_reads_alike() -> Result<()> {
    let Some((ctl, utl)) = peers::find("etcdctl").zip(peers::find("etcdutl")) else {
        return Ok(());
    };
    let member = Member::start(Program::Etcd, Options::default())?;
    let mut real = Shell::new(&ctl, &utl, &member.address())?;
    let mut ours = Shell::new(&ctl, &our("ketchutl", "etcdutl"), &member.address())?;
    real.run("for n in 1 2 3 4 5 6 7 8 9; do etcdctl put k$n v$n; done; etcdctl del k3")?;
    real.run("etcdctl snapshot save snap.db")?;
    std::fs::copy(real.work_dir().join("snap.db"), ours.work_dir().join("snap.db"))?;
    let restore = "etcdutl snapshot restore";
    for command in [
        "etcdutl snapshot status snap.db",
        "etcdutl snapshot status snap.db -w json",
        "etcdutl snapshot status snap.db -w fields",
        "etcdutl snapshot status snap.db -w table",
        "etcdutl snapshot status snap.db -w protobuf",
        "etcdutl snapshot status nosuch.db",
        "etcdutl snapshot status",
        "etcdutl version",
        &format!("{restore} snap.db --data-dir d1"),
        &format!("{restore} snap.db --data-dir d1"),
        &format!("{restore} nosuch.db --data-dir d2"),
        restore,
        &format!("{restore} snap.db --data-dir d3 --bump-revision 10"),
        "head -c 20000 snap.db > cut.db; etcdutl snapshot restore cut.db --data-dir d4",
        "printf x | dd of=snap.db bs=1 seek=9000 conv=notrunc 2> dd.err; \
         etcdutl snapshot restore snap.db --data-dir d5",
    ] {
        let (right, found) = (real.run(command)?, ours.run(command)?);
        ensure!(right == found, "{command}\n-- etcdutl\n{right}\n-- ours\n{found}");
    }
    Ok(())
}

async fn answers(member: &Member, script: &str) -> Result<String> {
    let mut subject = Subject::open(&member.endpoint(), 0).await?;
    let mut text = String::new();
    for step in parse_script(script)? {
        let answer = subject.run(&step).await?;
        text.push_str(&format!("{}\n    {answer}\n", Op::show(&step)));
    }
    Ok(text)
}

fn our(name: &str, real: &str) -> PathBuf {
    match Program::under_test() {
        Program::Ketch => binaries::path(name),
        Program::Etcd | Program::EtcdOld => peers::find(real).expect("callers have asked before"),
    }
}
