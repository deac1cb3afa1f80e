//! While too many calls are under way, more are refused, and their connection lives on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use ketch_api::limits::{CALLS_UNDER_WAY, LOCAL_RESET_STREAMS};
use ketch_api::{Edge, Surface};
use ketch_proto::etcdserverpb::PutRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf};
use tokio::task::JoinSet;

use crate::fake::{Fake, HELD};
use crate::raw::{Raw, connect, edge, frame};

/// The preface, and settings that change nothing.
pub(crate) const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// More than a connection may have of faults of its client's.
const REFUSED: u32 = 2 * LOCAL_RESET_STREAMS as u32;

/// As many calls under way as there may be, until it is dropped.
pub(crate) struct Holder {
    _calls: JoinSet<()>,
}

impl Holder {
    pub(crate) async fn fill(fake: &Arc<Fake>, edge: &Arc<Edge<Fake>>) -> Self {
        let held = PutRequest { key: HELD.into(), ..Default::default() }.encode_to_vec();
        let holder = Raw::connect(edge).await;
        let mut calls = JoinSet::new();
        for _ in 0..CALLS_UNDER_WAY {
            let (mut holder, body) = (holder.clone(), Full::new(frame(0, &held)).boxed());
            calls.spawn(async move {
                let _ = holder.try_open("POST", "/etcdserverpb.KV/Put", &[], body).await;
            });
        }
        while fake.held.load(Ordering::Relaxed) < CALLS_UNDER_WAY {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { _calls: calls }
    }
}

#[tokio::test]
async fn messages_that_come_after_the_refusal_are_no_fault() {
    let (fake, edge) = edge();
    let _holder = Holder::fill(&fake, &edge).await;
    let (client, server) = connect(&edge, Surface::All);
    let (mut answers, mut calls) = tokio::io::split(client);
    let answers = tokio::spawn(async move { refusals(&mut answers).await });
    calls.write_all(OPENING).await.expect("open");
    let streams = || (0..REFUSED).map(|number| number * 2 + 1);
    for stream in streams() {
        calls.write_all(&bare(HEADERS, END_HEADERS, stream, &fields())).await.expect("open");
    }
    // All of these heads are looked at before any message comes.
    for stream in streams() {
        calls.write_all(&bare(DATA, END_STREAM, stream, &frame(0, b""))).await.expect("open");
    }
    assert_eq!(answers.await.expect("heard"), REFUSED);
    assert!(!server.is_finished());
}

/// Counts the answers, until all are there or the server ends the connection.
async fn refusals(answers: &mut ReadHalf<DuplexStream>) -> u32 {
    let mut count = 0;
    while count < REFUSED {
        let mut head = [0; 9];
        answers.read_exact(&mut head).await.expect("more answers");
        let bytes = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        answers.read_exact(&mut vec![0; bytes]).await.expect("the rest of a frame");
        if head[3] == GOAWAY {
            break;
        }
        count += u32::from(head[3] == HEADERS && head[4] & END_STREAM != 0);
    }
    count
}

/// The head of a put, as literal fields that nobody remembers.
fn fields() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/etcdserverpb.KV/Put"),
        (":authority", "edge"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let field = |(name, value): &(&str, &str)| [vec![0], text(name), text(value)].concat();
    fields.iter().flat_map(field).collect()
}

/// An HTTP/2 frame.
pub(crate) fn bare(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
