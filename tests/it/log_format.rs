//! The log on disk, read by etcd's own package: the same requests make the same log.

use std::process::Command;

use anyhow::{Result, ensure};
use ketch_tests::op::parse_script;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::subject::Subject;

const WRITES: &str = r#"
    KV/Put key: "a" value: "1"
    KV/Put key: "b" value: "2" prev_kv: true
    Lease/LeaseGrant ID: 77 TTL: 1000
    KV/Put key: "l" lease: 77
    KV/Txn compare { key: "a" result: GREATER version: 0 } success { request_put { key: "c" } } failure { request_delete_range { key: "a" } }
    KV/DeleteRange key: "a" range_end: "c" prev_kv: true
    KV/Compact revision: 3 physical: true
    Lease/LeaseRevoke ID: 77
"#;

#[tokio::test]
async fn etcd_reads_our_log_as_its_own() -> Result<()> {
    let Some(waldump) = peers::find("waldump") else { return Ok(()) };
    let mut dumps = Vec::new();
    for program in [Program::Etcd, Program::under_test()] {
        let mut member = Member::start(program, Options::default())?;
        let mut subject = Subject::open(&member.endpoint(), 0).await?;
        for step in parse_script(WRITES)? {
            subject.run(&step).await?;
        }
        member.kill();
        let dump = Command::new(&waldump).arg(member.data_dir().join("member/wal")).output()?;
        let said = String::from_utf8_lossy(&dump.stderr).into_owned();
        ensure!(dump.status.success(), "{program:?}: {said}");
        dumps.push(String::from_utf8_lossy(&dump.stdout).into_owned());
    }
    let requests = dumps[0].lines().count();
    ensure!(requests == 9, "{requests} lines of the oracle:\n{}", dumps[0]);
    ensure!(dumps[0] == dumps[1], "etcd\n{}\nours\n{}", dumps[0], dumps[1]);
    Ok(())
}
