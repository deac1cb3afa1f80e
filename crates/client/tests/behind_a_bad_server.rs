//! The client against servers that refuse, break off and are not there: what is sent again, what
//! is not, and where a watch goes on.

#![expect(clippy::unwrap_used, reason = "a test ends where its scenery falls")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use ketch_client::{Client, Code, Config, Error, cancellation};
use ketch_proto::etcdserverpb::kv_server::{Kv, KvServer};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::watch_server::{Watch, WatchServer};
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, ResponseHeader, TxnRequest,
    TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};
use ketch_proto::mvccpb::{Event, KeyValue};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tower::ServiceExt;

/// A server that is unavailable for its first calls, and writes down what it is asked.
#[derive(Clone, Default)]
struct Moody {
    refusals: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Moody {
    fn note(&self, what: impl Into<String>) -> Result<(), Status> {
        self.asked.lock().unwrap().push(what.into());
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals == 0 {
            return Ok(());
        }
        *refusals -= 1;
        Err(Status::unavailable("etcdserver: no leader"))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Serves on a free port until the test ends.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let moody = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let moody = moody.clone();
                let service = tower::service_fn(move |request| moody.clone().answer(request));
                let service = TowerToHyperService::new(service);
                let connection = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        address
    }

    async fn answer(
        self,
        request: http::Request<Incoming>,
    ) -> Result<http::Response<tonic::body::Body>, Infallible> {
        match request.uri().path().starts_with("/etcdserverpb.KV/") {
            true => KvServer::new(self).oneshot(request).await,
            false => WatchServer::new(self).oneshot(request).await,
        }
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Kv for Moody {
    async fn range(&self, _: Request<RangeRequest>) -> Reply<RangeResponse> {
        self.note("range")?;
        Ok(Response::new(RangeResponse { count: 7, ..Default::default() }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Reply<PutResponse> {
        self.note("put")?;
        Ok(Response::new(PutResponse::default()))
    }

    async fn delete_range(&self, _: Request<DeleteRangeRequest>) -> Reply<DeleteRangeResponse> {
        Err(Status::deadline_exceeded("slow"))
    }

    async fn txn(&self, _: Request<TxnRequest>) -> Reply<TxnResponse> {
        self.note("txn")?;
        Ok(Response::new(TxnResponse::default()))
    }

    async fn compact(&self, _: Request<CompactionRequest>) -> Reply<CompactionResponse> {
        Err(Status::out_of_range("etcdserver: mvcc: required revision is a future revision"))
    }

    type RangeStreamStream = ReceiverStream<Result<RangeStreamResponse, Status>>;

    async fn range_stream(&self, _: Request<RangeRequest>) -> Reply<Self::RangeStreamStream> {
        Err(Status::unimplemented("no pieces here"))
    }
}

#[tonic::async_trait]
impl Watch for Moody {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    /// Grants each watch, sends one event at its start and breaks off; the third stream tells of
    /// a compaction.
    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Reply<Self::WatchStream> {
        let mut requests = request.into_inner();
        let (sender, answers) = mpsc::channel(8);
        let moody = self.clone();
        tokio::spawn(async move {
            let Ok(Some(first)) = requests.message().await else { return };
            let Some(RequestUnion::CreateRequest(create)) = first.request_union else { return };
            let from = create.start_revision;
            let _ = moody.note(format!("watch from {from}"));
            for answer in answers_to(from, moody.asked().len()) {
                let _ = sender.send(answer).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

fn answers_to(from: i64, stream: usize) -> Vec<Result<WatchResponse, Status>> {
    let header = Some(ResponseHeader { revision: 4, ..Default::default() });
    let created = WatchResponse { header, watch_id: 3, created: true, ..Default::default() };
    if stream == 3 {
        let canceled = WatchResponse {
            watch_id: 3,
            canceled: true,
            compact_revision: 9,
            ..Default::default()
        };
        return vec![Ok(created), Ok(canceled)];
    }
    let mod_revision = from.max(5);
    let kv = KeyValue { key: "a".into(), mod_revision, ..Default::default() };
    let event = Event { r#type: 0, kv: Some(kv), prev_kv: None };
    let events = WatchResponse { watch_id: 3, events: vec![event], ..Default::default() };
    vec![Ok(created), Ok(events), Err(Status::unavailable("going away"))]
}

fn client(endpoints: &[&str], timeout_ms: u64) -> Client {
    let config = Config::new(endpoints.iter().copied());
    let call_timeout = Some(Duration::from_millis(timeout_ms));
    Client::new(Config { call_timeout, ..config }).unwrap()
}

/// Nothing listens on it.
const DEAD: &str = "127.0.0.1:1";

#[tokio::test]
async fn reads_are_repeated_and_writes_are_not() {
    let moody = Moody::default();
    let address = moody.serve().await;
    let kv = client(&[&address], 10_000).kv();

    *moody.refusals.lock().unwrap() = 2;
    assert_eq!(kv.range(RangeRequest::default()).await.unwrap().count, 7);
    assert_eq!(moody.asked(), ["range", "range", "range"]);

    *moody.refusals.lock().unwrap() = 1;
    let refused = kv.put(PutRequest::default()).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        (Code::Unavailable, "etcdserver: no leader")
    );
    assert_eq!(moody.asked()[3..], ["put"]);
}

#[tokio::test]
async fn a_dead_endpoint_does_not_matter_beside_a_live_one() {
    let moody = Moody::default();
    let address = moody.serve().await;
    for endpoints in [[DEAD, &address], [&address, DEAD]] {
        let client = client(&endpoints, 10_000);
        for _ in 0..3 {
            client.kv().put(PutRequest::default()).await.unwrap();
        }
    }
    assert_eq!(moody.asked().len(), 6);
}

#[tokio::test]
async fn without_a_server_the_limit_ends_the_call_and_says_why() {
    let error = client(&[DEAD], 300).kv().range(RangeRequest::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "context deadline exceeded");
    assert!(error.message().contains("dial tcp 127.0.0.1:1: connect: connection refused"));
}

#[tokio::test]
async fn errors_keep_code_and_text() {
    let moody = Moody::default();
    let kv = client(&[&moody.serve().await], 10_000).kv();
    let compact = kv.compact(CompactionRequest::default()).await.unwrap_err();
    assert!(compact.is(ketch_base::Code::FutureRev));
    assert_eq!(compact.code(), Code::OutOfRange);
    let delete = kv.delete(DeleteRangeRequest::default()).await.unwrap_err();
    assert!(matches!(delete, Error::Deadline { .. }));
    let Err(stream) = kv.range_stream(RangeRequest::default()).await else {
        panic!("the server has no pieces");
    };
    let expected = "rpc error: code = Unimplemented desc = no pieces here";
    assert_eq!(stream.to_string(), expected);
}

#[tokio::test]
async fn a_request_above_the_limit_stays_here() {
    let moody = Moody::default();
    let address = moody.serve().await;
    let config = Config { send_bytes_max: 8, ..Config::new([address]) };
    let put = PutRequest { key: "key".into(), value: "value".into(), ..Default::default() };
    let error = Client::new(config).unwrap().kv().put(put).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.message(), "trying to send message larger than max (12 vs. 8)");
    assert!(moody.asked().is_empty());
}

#[tokio::test]
async fn a_watch_goes_on_behind_what_it_delivered() {
    let moody = Moody::default();
    let watcher = client(&[&moody.serve().await], 10_000).watch();
    let mut events =
        watcher.watch(WatchCreateRequest { key: "a".into(), ..Default::default() }).await;
    let mut revisions = Vec::new();
    let ended = loop {
        let answer = events.next().await.unwrap().unwrap();
        if let Some(reason) = cancellation(&answer) {
            break reason;
        }
        let kvs = answer.events.iter().filter_map(|event| event.kv.as_ref());
        revisions.extend(kvs.map(|kv| kv.mod_revision));
    };
    assert_eq!(revisions, [5, 6]);
    assert_eq!(moody.asked(), ["watch from 0", "watch from 6", "watch from 7"]);
    assert_eq!(ended.to_string(), "etcdserver: mvcc: required revision has been compacted");
    assert!(events.next().await.unwrap().is_none());
}
