//! Written operations against the real etcd and ketch: every answer equal, step by step.
//!
//! A script holds requests only; etcd's answers are the expectation. One file, one subject.

use anyhow::Result;
use ketch_tests::op::parse_script;
use ketch_tests::pair::Pair;
use ketch_tests::peers;
use ketch_tests::process::Program;

const STREAMS: usize = 2;

async fn same_answers(script: &str, flags: &[&str]) -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let steps = parse_script(script)?;
    let mut pair = Pair::start(Program::under_test(), flags, STREAMS).await?;
    pair.script(&steps).await
}

macro_rules! scripts {
    ($($name:ident $flags:expr;)*) => {$(
        #[tokio::test]
        async fn $name() -> Result<()> {
            same_answers(include_str!(concat!("scripts/", stringify!($name), ".txt")), $flags).await
        }
    )*};
}

scripts! {
    errors &["--max-txn-ops", "5"];
    kv &[];
    txn &[];
    lease &[];
    watch &[];
    watch_ids &[];
    cluster &[];
    locks &[];
}
