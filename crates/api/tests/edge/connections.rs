//! Connections that behave badly, and connections that are asked to end.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use ketch_api::limits::HEAD_READ_SECONDS;
use ketch_api::{ConnectionError, Surface};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::{Raw, connect, edge, frame};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The same bytes for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for seed in 0..200 {
        let mut bytes = noise(seed, 1 + seed as usize * 7 % 3000);
        match seed % 4 {
            0 => bytes.splice(0..0, PREFACE.iter().copied()).for_each(drop),
            1 => bytes.splice(0..0, *b"GET / HTTP/1.1\r\n").for_each(drop),
            // An empty SETTINGS frame first, as a good client would send.
            2 => {
                bytes.splice(0..0, [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).for_each(drop)
            }
            _ => {}
        }
        let (mut io, server) = connect(&edge, Surface::All);
        // It may hang up while we still write.
        let _ = io.write_all(&bytes).await;
        let _ = io.shutdown().await;
        let mut heard = Vec::new();
        let _ = io.read_to_end(&mut heard).await;
        // Refused or ended, but not a panic.
        let _ = server.await.expect("no panic");
    }
    let range = frame(0, b"\x0a\x01a");
    assert_eq!(raw.ask("POST", "/etcdserverpb.KV/Range", &[], range).await.status(), "0");
}

#[tokio::test]
async fn garbage_inside_good_frames_is_answered() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for method in ketch_api::Method::ALL {
        let path = format!("/{}/{}", method.service(), method.name());
        for seed in 0..8 {
            // A field number of 0 can never be read.
            let mut bytes = noise(seed, 64);
            bytes[0] = 0x02;
            let fields: &[(&str, &[u8])] = &[("grpc-timeout", b"1S")];
            let heard = raw.ask("POST", &path, fields, frame(0, &bytes)).await;
            let status = heard.status();
            assert!(status.starts_with("13 ") || status.starts_with("12 "), "{path}: {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_connections_die() {
    let (_fake, edge) = edge();
    for beginning in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"]
    {
        let (mut io, server) = connect(&edge, Surface::All);
        io.write_all(beginning).await.expect("taken");
        let begun = tokio::time::Instant::now();
        let end = server.await.expect("no panic").expect_err("too slow");
        let text = String::from_utf8_lossy(beginning);
        assert!(matches!(end, ConnectionError::Silent | ConnectionError::Http(_)), "{text}: {end}");
        let limit = Duration::from_secs(HEAD_READ_SECONDS);
        assert!(begun.elapsed() >= limit && begun.elapsed() < 2 * limit, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_peers_are_found_by_pings() {
    let (_fake, edge) = edge();
    let (mut io, server) = connect(&edge, Surface::All);
    io.write_all(&[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await.expect("taken");
    // Two hours of silence, a ping, and twenty seconds without an answer.
    let end = server.await.expect("no panic").expect_err("dead");
    assert!(matches!(end, ConnectionError::Http(_)), "{end}");
    let mut heard = Vec::new();
    let _ = io.read_to_end(&mut heard).await;
    assert!(heard.windows(4).any(|bytes| bytes == [0, 0, 8, 6]), "a ping");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_no_error() {
    let (_fake, edge) = edge();
    let (io, server) = connect(&edge, Surface::All);
    drop(io);
    server.await.expect("no panic").expect("nothing was begun");
}

#[tokio::test]
async fn stopping_lets_calls_finish() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let request = ketch_proto::etcdserverpb::RangeRequest {
        key: "rows:10485760".into(),
        ..Default::default()
    };
    let bytes = frame(0, &prost::Message::encode_to_vec(&request));
    let body = Full::new(bytes).boxed();
    let response = raw.open("POST", "/etcdserverpb.KV/Range", &[], body).await;
    let (silent, silent_server) = connect(&edge, Surface::All);
    edge.stop();
    let whole = response.into_body().collect().await.expect("finished in peace");
    assert_eq!(whole.trailers().expect("trailers")["grpc-status"], "0");
    silent_server.await.expect("no panic").expect("nothing was begun");
    drop(silent);
    // A connection that comes later goes at once.
    let (_late, late_server) = connect(&edge, Surface::All);
    late_server.await.expect("no panic").expect("nothing was begun");
}

#[tokio::test]
async fn tls_on_a_plaintext_port_is_told_so() {
    let (_fake, edge) = edge();
    let (mut io, server) = connect(&edge, Surface::All);
    io.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("open");
    let mut heard = String::new();
    io.read_to_string(&mut heard).await.expect("an answer and an end");
    assert!(heard.starts_with("HTTP/1.0 400 Bad Request\r\n\r\n"), "{heard}");
    let ended = server.await.expect("no panic");
    assert!(matches!(ended, Err(ConnectionError::Secured)), "{ended:?}");
}
