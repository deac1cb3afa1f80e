//! The drivers themselves: the oracle starts, answers, survives a kill and stops.

use anyhow::Result;
use ketch_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;

#[tokio::test]
async fn the_oracle_keeps_a_put_over_a_kill() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let mut member = Member::start(Program::Etcd, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let ask = PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
    let put: PutResponse = rpc.call("/etcdserverpb.KV/Put", &ask).await.expect("a plain put");
    assert_eq!(put.header.expect("every answer has a header").cluster_id, 4413477065597753003);
    member.kill();
    member.restart()?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let ask = RangeRequest { key: "k".into(), ..Default::default() };
    let got: RangeResponse = rpc.call("/etcdserverpb.KV/Range", &ask).await.expect("a plain get");
    assert_eq!(got.kvs[0].value, "v");
    Ok(())
}
