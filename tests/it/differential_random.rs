//! Random operations against the real etcd and ketch: every answer, error, revision, watch
//! event and HashKV equal.
//!
//! `KETCH_SEED` replays a run, `KETCH_OPS` makes it longer.

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{HashKvRequest, PutRequest, RangeRequest};
use ketch_tests::generate::Generator;
use ketch_tests::op::Op;
use ketch_tests::pair::Pair;
use ketch_tests::process::Program;
use ketch_tests::{peers, seed};

const OPS: usize = 10_000;
/// Old revisions are compared as a whole this often.
const AUDIT_EVERY: usize = 500;
/// What a start reads back must be what a stop left.
const RESTART_EVERY: usize = 2400;
/// A run goes on after a difference, for an answer that is wrong need not spoil the store.
const DIFFERENCES: usize = 8;

#[tokio::test]
async fn ketch_answers_as_etcd() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let seed = seed::from_env("ketch_answers_as_etcd");
    let ops = seed::count_from_env("KETCH_OPS", OPS);
    let mut pair = Pair::start(Program::under_test(), &[], Generator::streams()).await?;
    run(&mut pair, seed, ops).await.with_context(|| format!("KETCH_SEED={seed}"))
}

/// The comparison is worth nothing if it cannot see: etcd equals itself, and one changed byte
/// in one value of one put is found.
#[tokio::test]
async fn the_comparison_sees_one_changed_byte() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let mut pair = Pair::start(Program::Etcd, &[], Generator::streams()).await?;
    run(&mut pair, 1, 600).await?;
    let put = |value: &'static str| {
        let put = PutRequest { key: "a".into(), value: value.into(), ..Default::default() };
        Op::call("KV/Put", &put)
    };
    pair.step_apart(&put("x"), &put("y")).await.expect("the answer to a put has no value");
    let found = audit(&mut pair).await.expect_err("different stores must not look equal");
    assert!(format!("{found:#}").contains("answers differ"), "{found:#}");
    Ok(())
}

async fn run(pair: &mut Pair, seed: u64, ops: usize) -> Result<()> {
    let mut generator = Generator::new(seed);
    let mut differences = Vec::new();
    for place in 1..=ops {
        let op = generator.step();
        if needs_quiet(&op) {
            pair.step(&Op::Barrier).await?;
        }
        if let Err(difference) = pair.step(&op).await {
            differences.push(format!("step {place}: {difference:#}"));
            if differences.len() == DIFFERENCES {
                break;
            }
        }
        generator.saw(pair.oracle.revision());
        if place.is_multiple_of(AUDIT_EVERY) || place == ops {
            audit(pair).await.with_context(|| format!("audit after step {place}"))?;
        }
        if place.is_multiple_of(RESTART_EVERY) {
            pair.restart().await?;
            generator.lost_watches();
            audit(pair).await.with_context(|| format!("restart after step {place}"))?;
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// What a watch still shows of its past when it is cancelled or compacted is a race.
fn needs_quiet(op: &Op) -> bool {
    match op {
        Op::Call { method, .. } => method.path().ends_with("/Compact"),
        Op::Watch { ask, .. } => matches!(ask.request_union, Some(RequestUnion::CancelRequest(_))),
        Op::Barrier => false,
    }
}

/// The whole store, now and at some older revisions, and its hashes.
async fn audit(pair: &mut Pair) -> Result<()> {
    let newest = pair.oracle.revision();
    for back in [0, 1, 7, 50, 200] {
        let revision = (newest - back).max(0);
        let whole = RangeRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            revision,
            ..Default::default()
        };
        pair.step(&Op::call("KV/Range", &whole)).await?;
        pair.step(&Op::call("KV/RangeStream", &whole)).await?;
        pair.step(&Op::call("Maintenance/HashKV", &HashKvRequest { revision })).await?;
    }
    pair.step(&Op::Barrier).await?;
    Ok(())
}
