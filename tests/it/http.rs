//! HTTP on the client port, beside the real etcd: paths, codes, bodies; and the metrics.

use anyhow::{Context, Result, ensure};
use ketch_tests::op::Op;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::subject::Subject;

/// Same code and same body.
const SAME: &[&str] = &[
    "/version",
    "/health",
    "/health?serializable=true",
    "/health?exclude=NOSPACE",
    "/livez",
    "/livez?exclude=serializable_read",
    "/livez/serializable_read",
    "/livez/nosuch",
    "/readyz",
    "/readyz/data_corruption",
    "/readyz/serializable_read",
    "/readyz/linearizable_read",
    "/readyz/non_learner",
    "/readyz/nosuch",
    "/",
    "/nosuch",
    "/v2/keys",
];
/// Lines in any order.
const SAME_LINES: &[&str] =
    &["/livez?verbose", "/readyz?verbose", "/readyz?verbose&exclude=non_learner"];

#[tokio::test]
async fn paths_answer_as_etcds_do() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let etcd = Member::start(Program::Etcd, Options::default())?;
    let ours = Member::start(Program::under_test(), Options::default())?;
    etcd.wait_for_versions()?;
    ours.wait_for_versions()?;
    let mut differences = Vec::new();
    let mut compare = |what: &str, sorted: bool| -> Result<()> {
        for path in if sorted { SAME_LINES } else { SAME } {
            let answers = [etcd.http_get(path)?, ours.http_get(path)?];
            let [right, found] = answers.map(|(code, body)| {
                let mut lines: Vec<&str> = body.split('\n').collect();
                if sorted {
                    lines.sort_unstable();
                }
                (code, lines.join("\n"))
            });
            if right != found {
                differences.push(format!("{what} {path}\n  etcd {right:?}\n  ours {found:?}"));
            }
        }
        Ok(())
    };
    compare("healthy", false)?;
    compare("healthy", true)?;
    let alarm = "Maintenance/Alarm action: ACTIVATE alarm: NOSPACE memberID: 2681083982177880140";
    for member in [&etcd, &ours] {
        Subject::open(&member.endpoint(), 0).await?.run(&Op::parse(alarm)?).await?;
    }
    compare("under NOSPACE", false)?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Every metric of etcd's that a single member moves by serving is there under its name and
/// type, and counts.
#[tokio::test]
async fn metrics_have_etcds_names() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let etcd = metrics_after_use(Program::Etcd).await?;
    let ours = metrics_after_use(Program::under_test()).await?;
    let mut missing = Vec::new();
    for line in etcd.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).context("TYPE NAME KIND")?;
        let foreign = FOREIGN.iter().any(|prefix| name.starts_with(prefix));
        if !foreign && !ours.lines().any(|found| found == line) {
            missing.push(line);
        }
    }
    ensure!(missing.is_empty(), "{} metrics missing:\n{}", missing.len(), missing.join("\n"));
    let puts = "etcd_mvcc_put_total 3";
    ensure!(ours.lines().any(|line| line == puts), "no {puts}");
    Ok(())
}

/// Beginnings of names that a single ketch member has nothing to say under.
const FOREIGN: &[&str] = &[
    // The Go runtime and its libraries.
    "go_",
    "process_",
    "promhttp_",
    "os_",
    "grpc_",
    "etcd_server_go_version",
    // Insides of bbolt, of the v2 store, of snapshot files and of etcd's watch loop.
    "etcd_debugging_disk_backend_commit_",
    "etcd_debugging_mvcc_index_compaction_pause_",
    "etcd_debugging_server_watch_send_loop_",
    "etcd_debugging_snap_save_",
    "etcd_debugging_store_",
    "etcd_snap_",
    "etcd_mvcc_db_open_read_transactions",
    // The proxy and other members.
    "etcd_grpc_proxy_",
    "etcd_network_known_peers",
    "etcd_server_heartbeat_send_failures_total",
    "etcd_server_learner_promote_successes",
    "etcd_server_snapshot_apply_in_progress_total",
];

async fn metrics_after_use(program: Program) -> Result<String> {
    let member = Member::start(program, Options::default())?;
    let mut subject = Subject::open(&member.endpoint(), 1).await?;
    for line in [
        r#"KV/Put key: "a""#,
        r#"KV/Put key: "b""#,
        r#"KV/Put key: "a""#,
        r#"KV/Range key: "a""#,
        r#"KV/DeleteRange key: "b""#,
        r#"KV/Txn success { request_range { key: "a" } }"#,
        "Lease/LeaseGrant ID: 3 TTL: 100",
        "KV/Compact revision: 2 physical: true",
    ] {
        subject.run(&Op::parse(line)?).await?;
    }
    let (code, body) = member.http_get("/metrics")?;
    ensure!(code == 200, "{code}");
    Ok(body)
}
