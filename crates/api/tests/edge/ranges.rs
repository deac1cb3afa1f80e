//! Ranges of any size: exact on the wire, bounded in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use ketch_api::limits::RANGE_PIECE_BYTES;
use ketch_base::limits::RANGE_CHUNK_BYTES;
use ketch_proto::etcdserverpb::{PutRequest, RangeRequest, RangeResponse, RangeStreamResponse};
use prost::Message;

use crate::fake::ROW_BYTES;
use crate::raw::{Raw, edge, frame};

const RANGE: &str = "/etcdserverpb.KV/Range";
const STREAM: &str = "/etcdserverpb.KV/RangeStream";

fn rows(bytes: usize) -> RangeRequest {
    RangeRequest { key: format!("rows:{bytes}").into(), ..Default::default() }
}

#[tokio::test]
async fn unary_answers_are_whole_messages_at_any_size() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for count in [0, 1, 3, 127, 128, 129, 1000] {
        let heard = raw.call(RANGE, &rows(count * ROW_BYTES)).await;
        assert_eq!(heard.status(), "0");
        let [message] = heard.messages().try_into().expect("one message");
        let response = RangeResponse::decode(message.clone()).expect("well formed");
        assert_eq!(response.kvs.len(), count);
        assert_eq!((response.count, response.more), (7, true));
        assert_eq!(response.encode_to_vec(), message, "{count}: as an encoder would write it");
    }
}

#[tokio::test]
async fn small_answers_are_whole_too() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    for size in [1_usize, 1000, 20_000, 200_000] {
        let put = PutRequest { key: "k".into(), value: vec![7; size].into(), ..Default::default() };
        assert_eq!(raw.call("/etcdserverpb.KV/Put", &put).await.status(), "0");
        let get = RangeRequest { key: "k".into(), ..Default::default() };
        let heard = raw.call(RANGE, &get).await;
        let [message] = heard.messages().try_into().expect("one message");
        let response = RangeResponse::decode(message).expect("well formed");
        assert_eq!(response.kvs[0].value.len(), size);
        assert!(heard.head.get("content-length").is_none());
    }
}

#[tokio::test]
async fn a_stream_tells_header_and_count_last() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let total = 3 * RANGE_PIECE_BYTES / ROW_BYTES + 5;
    for (request, count, pieces) in [
        (rows(0), 0, 1),
        (rows(ROW_BYTES), 1, 1),
        (rows(total * ROW_BYTES), total, 4),
        (RangeRequest { key: "none".into(), ..Default::default() }, 0, 1),
    ] {
        let heard = raw.call(STREAM, &request).await;
        assert_eq!(heard.status(), "0");
        let decode = |message| {
            let message = RangeStreamResponse::decode(message).expect("well formed");
            message.range_response.expect("always there")
        };
        let mut responses: Vec<RangeResponse> = heard.messages().into_iter().map(decode).collect();
        assert_eq!(responses.len(), pieces);
        assert_eq!(responses.iter().map(|one| one.kvs.len()).sum::<usize>(), count);
        let last = responses.pop().expect("at least one");
        assert!(last.header.is_some());
        for early in responses {
            assert_eq!((early.header, early.count, early.more), (None, 0, false));
        }
    }
}

#[tokio::test]
async fn a_gibibyte_is_never_in_memory() {
    const TOTAL: usize = 1 << 30;
    // The end of one piece and all of the next under way in the connection, a third in hand.
    const BOUND: usize = 3 * RANGE_PIECE_BYTES;
    const { assert!(BOUND <= RANGE_CHUNK_BYTES) };
    for path in [RANGE, STREAM] {
        let (fake, edge) = edge();
        let mut raw = Raw::connect(&edge).await;
        let body = Full::new(frame(0, &rows(TOTAL).encode_to_vec())).boxed();
        let mut response = raw.open("POST", path, &[], body).await;
        let mut received = 0;
        let mut status = None;
        while let Some(part) = response.body_mut().frame().await {
            match part.expect("not reset").into_data() {
                Ok(data) => received += data.len(),
                Err(other) => status = other.into_trailers().ok(),
            }
        }
        assert!(received > TOTAL, "{received}");
        assert_eq!(status.expect("trailers")["grpc-status"], "0");
        let peak = fake.alive.peak.load(Ordering::SeqCst);
        assert!(peak <= BOUND, "{path}: {peak} bytes of rows at once");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little() {
    let (fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let body = Full::new(frame(0, &rows(1 << 30).encode_to_vec())).boxed();
    let response = raw.open("POST", RANGE, &[], body).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let peak = fake.alive.peak.load(Ordering::SeqCst);
    // What the client's own library buffers lies in its windows and in the pipe.
    assert!(peak <= (8 << 20), "{peak} bytes of rows at once");
    drop(response);
}

#[tokio::test]
async fn rows_that_fail_midway_reset_the_stream() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let request = RangeRequest { key: "short:10485760".into(), ..Default::default() };
    let body = Full::new(frame(0, &request.encode_to_vec())).boxed();
    // The reset may overtake the head.
    let end = match raw.try_open("POST", RANGE, &[], body).await {
        Ok(response) => response.into_body().collect().await.map(drop),
        Err(error) => Err(error),
    };
    let error = format!("{:?}", end.expect_err("the length was promised"));
    assert!(error.contains("INTERNAL_ERROR"), "a reset: {error}");
    // The connection lives on.
    assert_eq!(raw.call(RANGE, &rows(0)).await.status(), "0");
}

#[tokio::test]
async fn answers_above_two_gibibytes_are_refused() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let heard = raw.call(RANGE, &rows(2 << 30)).await;
    let length = (2_u64 << 30) + 14;
    let text = format!("8 grpc: trying to send message larger than max ({length} vs. 2147483647)");
    assert_eq!(heard.status(), text);
}
