//! Requests no client library would send: answered as etcd answers, or better, never by dying.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use ketch_proto::etcdserverpb::{PutRequest, RangeRequest, RangeResponse};
use ketch_tests::op::Op;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::{Answer, Refusal, Rpc};
use ketch_tests::subject::Subject;
use ketch_tests::{peers, seed};
use prost::Message;

const PUT: &str = "/etcdserverpb.KV/Put";

/// Bytes and paths, sent to both: the same code and the same words.
#[tokio::test]
async fn refused_with_etcds_words() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let members = [
        Member::start(Program::Etcd, Options::default())?,
        Member::start(Program::under_test(), Options::default())?,
    ];
    let etcd = Rpc::connect(&members[0].endpoint()).await?;
    let ours = Rpc::connect(&members[1].endpoint()).await?;
    let mut differences = Vec::new();
    for (what, method, body) in requests() {
        let right = plain_blanks(etcd.call_bytes(method, body.clone()).await);
        let found = plain_blanks(ours.call_bytes(method, body).await);
        if right != found {
            differences.push(format!("{what}\n  etcd {right:?}\n  ours {found:?}"));
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Go's protobuf writes one of two blanks, by the build, so that nobody relies on its words.
fn plain_blanks(answer: Answer<Bytes>) -> Answer<Bytes> {
    answer.map_err(|refusal| Refusal { message: refusal.message.replace('\u{a0}', " "), ..refusal })
}

fn requests() -> Vec<(&'static str, &'static str, Bytes)> {
    let text = Bytes::from_static;
    // grpc.health.v1.HealthCheckRequest { service = 1 }
    let service = |name: &[u8]| [&[0x0A, name.len() as u8], name].concat().into();
    vec![
        ("an unknown method", "/etcdserverpb.KV/Nope", Bytes::new()),
        ("an unknown service", "/foo.Bar/Baz", Bytes::new()),
        ("a path without a method", "/etcdserverpb.KV", Bytes::new()),
        ("an empty path", "/", Bytes::new()),
        ("garbage", PUT, text(b"\xff\xff\xff\xff")),
        ("a field cut short", PUT, text(b"\x0a\x05ab")),
        ("a group nobody ended", PUT, text(b"\x0b")),
        ("an endless number", PUT, text(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("field number zero", PUT, text(b"\x02\x00")),
        ("an unknown field", PUT, text(b"\x0a\x01a\xfa\x07\x01x")),
        ("the same field twice", PUT, text(b"\x0a\x01a\x0a\x01b")),
        ("no key", PUT, Bytes::new()),
        ("1.6 MB", PUT, put(1_600_000)),
        ("2 MB less a frame", PUT, put(2_097_100)),
        ("2 MiB and a byte", PUT, put(2_097_153)),
        ("3 MiB", PUT, put(3 << 20)),
        ("an empty txn", "/etcdserverpb.KV/Txn", Bytes::new()),
        ("nested nothing", "/etcdserverpb.KV/Txn", text(b"\x12\x02\x22\x00")),
        ("health", "/grpc.health.v1.Health/Check", Bytes::new()),
        ("health of KV", "/grpc.health.v1.Health/Check", service(b"etcdserverpb.KV")),
        ("health of nobody", "/grpc.health.v1.Health/Check", service(b"nobody")),
        ("health of all", "/grpc.health.v1.Health/List", Bytes::new()),
    ]
}

fn put(bytes: usize) -> Bytes {
    let value = vec![b'x'; bytes].into();
    PutRequest { key: "big".into(), value, ..Default::default() }.encode_to_vec().into()
}

/// Nesting deeper than any stack: refused, and the server lives.
#[tokio::test]
async fn a_txn_nested_without_end_is_refused() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let mut body: Vec<u8> = Vec::new();
    // TxnRequest { success = 2: RequestOp { request_txn = 4: TxnRequest { .. } } }
    while body.len() < 1_000_000 {
        body = delimited(0x12, &delimited(0x22, &body));
        if body.len() > 200_000 {
            break;
        }
    }
    let answer = rpc.call_bytes("/etcdserverpb.KV/Txn", body.into()).await;
    ensure!(answer.is_err(), "{answer:?}");
    still_serves(&rpc).await
}

fn delimited(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut all = vec![tag];
    prost::encoding::encode_varint(body.len() as u64, &mut all);
    all.extend_from_slice(body);
    all
}

/// Two requests that make etcd 3.7.1 panic, and panic again at every start.
#[tokio::test]
async fn what_kills_etcd_is_survived() -> Result<()> {
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let mut subject = Subject::open(&member.endpoint(), 0).await?;
    let mut run = async |line: &str| subject.run(&Op::parse(line)?).await;
    run(r#"KV/Put key: "k" value: "v""#).await?;
    // The key is there when the txn is checked and gone when its value is to be kept.
    let txn = run(
        r#"KV/Txn success { request_delete_range { key: "a" range_end: "\000" } } success { request_put { key: "k" ignore_value: true } }"#,
    );
    let txn = txn.await?;
    ensure!(txn.starts_with("InvalidArgument"), "{txn}");
    let kept = run(r#"KV/Range key: "k""#).await?;
    ensure!(kept.contains("revision:2") && kept.contains("count:1"), "half a txn: {kept}");
    run("Maintenance/Alarm action: 9").await?;
    member.kill();
    member.restart()?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    still_serves(&rpc).await
}

/// No call of etcd is unknown to ketch.
#[tokio::test]
async fn nothing_is_unimplemented() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let known = ["AuthEnable", "AuthDisable", "AuthStatus", "Authenticate", "UserAdd", "UserGet"];
    let more = ["UserList", "UserDelete", "UserChangePassword", "UserGrantRole", "RoleAdd"];
    let rest = ["UserRevokeRole", "RoleGet", "RoleList", "RoleDelete", "RoleGrantPermission"];
    for method in known.iter().chain(&more).chain(&rest).chain(&["RoleRevokePermission"]) {
        let answer = rpc.call_bytes(&format!("/etcdserverpb.Auth/{method}"), Bytes::new()).await;
        if let Err(refusal) = answer {
            ensure!(refusal.code != tonic::Code::Unimplemented, "{method}: {refusal:?}");
        }
    }
    Ok(())
}

/// gRPC server reflection names the services, in both of its versions.
#[tokio::test]
async fn reflection_lists_the_services() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    for version in ["v1", "v1alpha"] {
        let method = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // ServerReflectionRequest { list_services = 7 }
        let answer = rpc.duplex_bytes(&method, Bytes::from_static(b"\x3a\x01*")).await;
        let mut stream = answer.map_err(|refusal| anyhow!("{version}: {refusal:?}"))?;
        let answer = stream.next_bytes().await.map_err(|refusal| anyhow!("{refusal:?}"))?;
        let text = String::from_utf8_lossy(&answer.context("no answer")?).into_owned();
        for service in ["KV", "Watch", "Lease", "Cluster", "Maintenance"] {
            ensure!(text.contains(&format!("etcdserverpb.{service}")), "{version}: {text}");
        }
    }
    Ok(())
}

/// Random bytes for every method: an answer each time, and a server behind it.
#[tokio::test]
async fn random_bytes_get_answers() -> Result<()> {
    let mut rng = seed::Rng::new(seed::from_env("random_bytes_get_answers"));
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let methods = ["KV/Range", "KV/Put", "KV/DeleteRange", "KV/Txn", "Lease/LeaseGrant"];
    for _ in 0..2000 {
        let method = format!("/etcdserverpb.{}", rng.pick(&methods));
        let body: Vec<u8> = (0..rng.below(40)).map(|_| random_byte(&mut rng)).collect();
        let call = rpc.call_bytes(&method, body.clone().into());
        let answer = tokio::time::timeout(Duration::from_secs(20), call).await;
        let answer = answer.with_context(|| format!("{method} {body:02x?}: no answer"))?;
        let lost = answer.as_ref().is_err_and(|refusal| refusal.is_transport());
        ensure!(!lost, "{method} {body:02x?}: {answer:?}");
    }
    still_serves(&rpc).await
}

/// Mostly what looks like tags, lengths and short text.
fn random_byte(rng: &mut seed::Rng) -> u8 {
    match rng.below(3) {
        0 => *rng.pick(&[0x0A, 0x12, 0x1A, 0x22, 0x08, 0x18, 0x28]),
        1 => rng.below(12) as u8,
        _ => rng.draw() as u8,
    }
}

async fn still_serves(rpc: &Rpc) -> Result<()> {
    let ask = RangeRequest { key: "k".into(), ..Default::default() };
    let answer: Result<RangeResponse, _> = rpc.call("/etcdserverpb.KV/Range", &ask).await;
    answer.map(drop).map_err(|refusal| anyhow!("does not serve any more: {refusal:?}"))
}
