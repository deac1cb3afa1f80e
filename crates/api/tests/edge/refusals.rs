//! Every refusal a client can meet before the server's state matters, word for word as the real
//! etcd 3.7.1 gave it to the same bytes.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use ketch_base::Code;
use ketch_proto::etcdserverpb::RangeRequest;

use crate::raw::{Raw, edge, frame};

const RANGE: &str = "/etcdserverpb.KV/Range";
const WATCH: &str = "/etcdserverpb.Watch/Watch";
/// `RangeRequest { key: "a" }`.
const KEY_A: &[u8] = b"\x0a\x01a";

/// What is sent, and `HTTP status, gRPC status, message` of the answer.
type Case<'a> = (&'a str, &'a [(&'a str, &'a [u8])], Bytes, u16, &'a str);

async fn check(cases: &[Case<'_>]) {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for (path, fields, body, http, status) in cases {
        let heard = raw.ask("POST", path, fields, body.clone()).await;
        let got = (heard.http.as_u16(), heard.status());
        assert_eq!(got, (*http, (*status).to_owned()), "{path} {fields:?} {body:?}");
    }
}

fn whole(message: &'static [u8]) -> Bytes {
    frame(0, message)
}

fn gzipped(message: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(message).expect("memory");
    packed.finish().expect("memory")
}

#[tokio::test]
async fn framing() {
    let big = frame(0, &vec![0; 3 << 20]);
    let too_big = "8 grpc: received message larger than max (3145728 vs. 2097152)";
    let unary = "13 grpc: error unmarshalling request: ";
    let stream = "13 grpc: failed to unmarshal the received message: ";
    let wire = "proto: cannot parse invalid wire-format data";
    let with = |context: &str, what: &str| format!("{context}{what}");
    check(&[
        (RANGE, &[], whole(KEY_A), 200, "0"),
        (RANGE, &[], [frame(0, KEY_A), frame(0, KEY_A)].concat().into(), 200, "0"),
        (RANGE, &[], [&frame(0, KEY_A)[..], &[1, 2]].concat().into(), 200, "0"),
        (RANGE, &[], Bytes::from_static(&[0, 0]), 200, "2 EOF"),
        (RANGE, &[], Bytes::from_static(&[0, 0, 0, 0, 9, 1]), 200, "2 unexpected EOF"),
        (RANGE, &[], whole(b"\xff\xff\xff"), 200, &with(unary, wire)),
        (RANGE, &[], whole(b"\x0a\x7f\x01"), 200, &with(unary, wire)),
        (
            "/etcdserverpb.Cluster/MemberAdd",
            &[],
            whole(b"\x0a\x01\xff"),
            200,
            &with(unary, "string field contains invalid UTF-8"),
        ),
        (WATCH, &[], whole(b"\xff"), 200, &with(stream, wire)),
        ("/etcdserverpb.Lease/LeaseKeepAlive", &[], whole(b"\xff"), 200, &with(stream, wire)),
        ("/etcdserverpb.KV/Put", &[], big.clone(), 200, too_big),
        (WATCH, &[], big, 200, too_big),
        (
            RANGE,
            &[],
            frame(1, KEY_A),
            200,
            "13 grpc: compressed flag set with identity or empty encoding",
        ),
        (RANGE, &[], frame(7, KEY_A), 200, "13 grpc: received unexpected payload format 7"),
        (RANGE, &[("grpc-encoding", b"identity")], whole(KEY_A), 200, "0"),
        (RANGE, &[("grpc-encoding", b"gzip")], whole(KEY_A), 200, "0"),
        (RANGE, &[("grpc-encoding", b"gzip")], frame(1, &gzipped(KEY_A)), 200, "0"),
        (
            RANGE,
            &[("grpc-encoding", b"gzip")],
            frame(1, KEY_A),
            200,
            "13 grpc: failed to decompress the message: unexpected EOF",
        ),
        (
            RANGE,
            &[("grpc-encoding", b"gzip")],
            frame(1, b"0123456789012345678901234567890"),
            200,
            "13 grpc: failed to decompress the message: gzip: invalid header",
        ),
        (
            RANGE,
            &[("grpc-encoding", b"gzip")],
            frame(1, &gzipped(&vec![0; 3 << 20])),
            200,
            "8 grpc: received message after decompression larger than max 2097152",
        ),
        (
            RANGE,
            &[("grpc-encoding", b"foo")],
            whole(KEY_A),
            200,
            "12 grpc: Decompressor is not installed for grpc-encoding \"foo\"",
        ),
    ])
    .await;
}

#[tokio::test]
async fn addresses() {
    let bad_version: &[(&str, &[u8])] = &[("client-api-version", b"\xff\xfe")];
    let invalid_version = "3 etcdserver: invalid client api version";
    check(&[
        (
            "/etcdserverpb.KV/Nope",
            &[],
            whole(KEY_A),
            200,
            "12 unknown method Nope for service etcdserverpb.KV",
        ),
        ("/foo.Bar/Nope", &[], whole(KEY_A), 200, "12 unknown service foo.Bar"),
        ("/foo/bar/baz", &[], whole(KEY_A), 200, "12 unknown service foo/bar"),
        ("/foo", &[], whole(KEY_A), 200, "12 malformed method name: \"/foo\""),
        ("/", &[], whole(KEY_A), 200, "12 malformed method name: \"/\""),
        (
            RANGE,
            &[("content-type", b"application/grpc-web")],
            whole(KEY_A),
            415,
            "3 invalid gRPC request content-type \"application/grpc-web\"",
        ),
        (RANGE, &[("content-type", b"application/grpc+proto")], whole(KEY_A), 200, "0"),
        (RANGE, &[("te", b"-")], whole(KEY_A), 200, "0"),
        (RANGE, bad_version, whole(KEY_A), 200, invalid_version),
        (RANGE, bad_version, whole(b""), 200, invalid_version),
        (WATCH, bad_version, whole(b""), 200, invalid_version),
        ("/grpc.health.v1.Health/Check", bad_version, whole(b""), 200, invalid_version),
        (
            RANGE,
            &[("grpc-timeout", b"zz")],
            whole(KEY_A),
            400,
            "13 malformed grpc-timeout: transport: timeout unit is not recognized: \"zz\"",
        ),
        (
            "/etcdserverpb.Maintenance/Defragment",
            &[("grpc-timeout", b"1n")],
            whole(b""),
            200,
            "4 context deadline exceeded",
        ),
        (
            "/etcdserverpb.Auth/AuthEnable",
            &[],
            whole(b""),
            200,
            "9 etcdserver: authentication is not enabled",
        ),
        ("/grpc.health.v1.Health/Check", &[], whole(b"\x0a\x01x"), 200, "5 unknown service"),
    ])
    .await;
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let heard = raw.ask("GET", RANGE, &[], Bytes::new()).await;
    assert_eq!(heard.http, 405);
    let text = "13 Received a HEADERS frame with :method \"GET\" which should be POST";
    assert_eq!(heard.status(), text);
}

#[tokio::test]
async fn static_checks() {
    const STREAM: &str = "/etcdserverpb.KV/RangeStream";
    check(&[
        (RANGE, &[], whole(b""), 200, "3 etcdserver: key is not provided"),
        (RANGE, &[], whole(b"\x0a\x01a\x28\x09"), 200, "3 etcdserver: invalid sort option"),
        (STREAM, &[], whole(b""), 200, "3 etcdserver: key is not provided"),
        (STREAM, &[], whole(b"\x0a\x01a\x28\x09"), 200, "3 etcdserver: invalid sort option"),
        (
            STREAM,
            &[],
            whole(b"\x0a\x01a\x28\x02"),
            200,
            "12 RangeStream does not support custom sort orders",
        ),
        (
            STREAM,
            &[],
            whole(b"\x0a\x01a\x50\x01"),
            200,
            "12 RangeStream does not support revision filters",
        ),
        ("/etcdserverpb.KV/Put", &[], whole(b""), 200, "3 etcdserver: key is not provided"),
        ("/etcdserverpb.KV/DeleteRange", &[], whole(b""), 200, "3 etcdserver: key is not provided"),
        ("/etcdserverpb.KV/Txn", &[], whole(b"\x12\x00"), 200, "3 etcdserver: key not found"),
        (
            "/etcdserverpb.KV/Txn",
            &[],
            whole(b"\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00\x12\x00"),
            200,
            "3 etcdserver: too many operations in txn request",
        ),
        ("/v3lockpb.Lock/Unlock", &[], whole(b""), 200, "2 etcdserver: key is not provided"),
        (
            "/v3electionpb.Election/Proclaim",
            &[],
            whole(b""),
            200,
            "2 \"leader\" field must be provided",
        ),
        (
            "/v3electionpb.Election/Resign",
            &[],
            whole(b""),
            200,
            "2 \"leader\" field must be provided",
        ),
        ("/v3electionpb.Election/Leader", &[], whole(b""), 200, "2 election: no leader"),
    ])
    .await;
}

#[tokio::test]
async fn every_code_of_the_server_reaches_the_client() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for code in Code::ALL {
        let key = format!("code:{code:?}").into();
        let heard = raw.call(RANGE, &RangeRequest { key, ..Default::default() }).await;
        assert_eq!(heard.status(), format!("{} {}", code.grpc() as i32, code.text()));
        assert!(heard.body.is_empty() && heard.trailers.is_empty(), "{code:?}: head only");
    }
}

#[tokio::test]
async fn a_leader_can_be_asked_for() {
    let (fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let asked: &[(&str, &[u8])] = &[("hasleader", b"true")];
    assert_eq!(raw.ask("POST", RANGE, asked, whole(KEY_A)).await.status(), "0");
    fake.has_leader.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(raw.ask("POST", RANGE, &[], whole(KEY_A)).await.status(), "0");
    for path in [RANGE, WATCH, "/etcdserverpb.Lease/LeaseKeepAlive"] {
        let heard = raw.ask("POST", path, asked, whole(KEY_A)).await;
        assert_eq!(heard.status(), "14 etcdserver: no leader", "{path}");
    }
}
