//! The client and its token, against a server that takes only the last token it gave: when it logs
//! in, how often, and what it tells of its secrets.

#![expect(clippy::unwrap_used, reason = "a test ends where its scenery falls")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use ketch_base::Code as KnownCode;
use ketch_client::{Client, Config, Error};
use ketch_proto::etcdserverpb::{
    AuthenticateRequest, AuthenticateResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    PutRequest, PutResponse, SnapshotRequest, SnapshotResponse, WatchCreateRequest, WatchRequest,
    WatchResponse,
};
use ketch_proto::mvccpb::{Event, KeyValue};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

const PASSWORD: &str = "open sesame";

/// A server with one user. What it was asked is written down with the token that came along.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Only the token of this number is good.
    good: u32,
    /// Tokens are bad as soon as they are given.
    hopeless: bool,
    /// There is no authentication.
    open: bool,
    asked: Vec<String>,
}

type Answers<A> = ReceiverStream<Result<A, Status>>;

impl Door {
    fn log_in(&self, request: &AuthenticateRequest) -> Result<AuthenticateResponse, Status> {
        let mut state = self.0.lock().unwrap();
        state.asked.push("login".to_owned());
        if state.open {
            return Err(refusal(KnownCode::AuthNotEnabled));
        }
        if request.password != PASSWORD {
            return Err(refusal(KnownCode::AuthFailed));
        }
        state.good += 1;
        let token = format!("token{}", state.good);
        state.good += u32::from(state.hopeless);
        Ok(AuthenticateResponse { header: None, token })
    }

    fn check(&self, what: &str, metadata: &MetadataMap) -> Result<(), Status> {
        let mut state = self.0.lock().unwrap();
        let token = metadata.get("token").map_or("nothing", |token| token.to_str().unwrap());
        state.asked.push(format!("{what} with {token}"));
        if state.open || token == format!("token{}", state.good) {
            return Ok(());
        }
        Err(refusal(match token {
            "nothing" => KnownCode::UserEmpty,
            _ => KnownCode::InvalidAuthToken,
        }))
    }

    fn watch(&self, metadata: &MetadataMap) -> Answers<WatchResponse> {
        let answers = match self.check("watch", metadata) {
            Ok(()) => {
                let kv = KeyValue { key: "a".into(), mod_revision: 5, ..Default::default() };
                let event = Event { r#type: 0, kv: Some(kv), prev_kv: None };
                let created = WatchResponse { created: true, ..Default::default() };
                vec![created, WatchResponse { events: vec![event], ..Default::default() }]
            }
            Err(status) => {
                let text = status.message();
                let cancel_reason = format!("rpc error: code = Unauthenticated desc = {text}");
                let (created, canceled, watch_id) = (true, true, -1);
                let refused = WatchResponse { created, canceled, watch_id, ..Default::default() };
                vec![WatchResponse { cancel_reason, ..refused }]
            }
        };
        stream(answers)
    }

    async fn answer(
        self,
        request: http::Request<Incoming>,
    ) -> Result<http::Response<tonic::body::Body>, Infallible> {
        let path = request.uri().path().rsplit_once('/').unwrap().1.to_owned();
        Ok(match path.as_str() {
            "Authenticate" => {
                let call = tower::service_fn(|request: Request<AuthenticateRequest>| {
                    std::future::ready(self.log_in(request.get_ref()).map(Response::new))
                });
                Grpc::new(ProstCodec::default()).unary(call, request).await
            }
            "Put" => {
                let call = tower::service_fn(|request: Request<PutRequest>| {
                    let answer = self.check("put", request.metadata());
                    let answer = answer.map(|()| Response::new(PutResponse::default()));
                    std::future::ready(answer)
                });
                Grpc::new(ProstCodec::default()).unary(call, request).await
            }
            "Snapshot" => {
                let call = tower::service_fn(|request: Request<SnapshotRequest>| {
                    let answer = self.check("snapshot", request.metadata());
                    let piece = SnapshotResponse { blob: "db".into(), ..Default::default() };
                    std::future::ready(answer.map(|()| Response::new(stream(vec![piece]))))
                });
                Grpc::new(ProstCodec::default()).server_streaming(call, request).await
            }
            "LeaseKeepAlive" => {
                let call =
                    tower::service_fn(|request: Request<Streaming<LeaseKeepAliveRequest>>| {
                        let answer = self.check("keep-alive", request.metadata());
                        let renewed = LeaseKeepAliveResponse { id: 7, ttl: 1, header: None };
                        std::future::ready(answer.map(|()| Response::new(stream(vec![renewed]))))
                    });
                Grpc::new(ProstCodec::default()).streaming(call, request).await
            }
            _ => {
                let call = tower::service_fn(|request: Request<Streaming<WatchRequest>>| {
                    let answers = self.watch(request.metadata());
                    std::future::ready(Ok::<_, Status>(Response::new(answers)))
                });
                Grpc::new(ProstCodec::default()).streaming(call, request).await
            }
        })
    }

    /// Serves on a free port until the test ends.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let door = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let door = door.clone();
                let service = tower::service_fn(move |request| door.clone().answer(request));
                let service = TowerToHyperService::new(service);
                let connection = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        address
    }

    async fn client(&self) -> Client {
        self.client_with("ali", PASSWORD, "").await
    }

    async fn client_with(&self, username: &str, password: &str, token: &str) -> Client {
        let config = Config::new([self.serve().await]);
        let (username, password, token) = (username.into(), password.into(), token.into());
        Client::new(Config { username, password, token, ..config }).unwrap()
    }

    /// The token that is out is good no more.
    fn forget(&self) {
        self.0.lock().unwrap().good += 1;
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

fn refusal(known: KnownCode) -> Status {
    Status::new(Code::InvalidArgument, known.text())
}

/// All of these, and then nothing more for a while.
fn stream<A: Send + 'static>(answers: Vec<A>) -> Answers<A> {
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        for answer in answers {
            let _ = sender.send(Ok(answer)).await;
        }
        sender.closed().await;
    });
    ReceiverStream::new(receiver)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let door = Door::default();
    let client = door.client().await;
    let calls = (0..3).map(|_| tokio::spawn(put(client.clone()))).collect::<Vec<_>>();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let with_first = ["login", "put with token1", "put with token1", "put with token1"];
    assert_eq!(door.asked(), with_first);

    door.forget();
    put(client.clone()).await.unwrap();
    assert_eq!(door.asked(), ["put with token1", "login", "put with token3"]);

    door.forget();
    client.maintenance().snapshot().await.unwrap();
    assert_eq!(door.asked(), ["snapshot with token3", "login", "snapshot with token5"]);
}

async fn put(client: Client) -> Result<(), Error> {
    client.kv().put(PutRequest::default()).await.map(|_| ())
}

#[tokio::test]
async fn streams_are_opened_again_with_a_new_token() {
    let door = Door::default();
    let client = door.client().await;
    client.log_in().await.unwrap();
    door.forget();
    let mut events = client.watch().watch(WatchCreateRequest::default()).await;
    assert_eq!(events.next().await.unwrap().unwrap().events.len(), 1);
    let asked = door.asked();
    assert_eq!(asked, ["login", "watch with token1", "login", "watch with token3"]);

    door.forget();
    assert_eq!(client.lease().keep_alive_once(7).await.unwrap().ttl, 1);
    assert_eq!(door.asked(), ["keep-alive with token3", "login", "keep-alive with token5"]);
}

#[tokio::test]
async fn logins_end() {
    let door = Door::default();
    door.0.lock().unwrap().hopeless = true;
    let error = put(door.client().await).await.unwrap_err();
    assert!(error.is(KnownCode::InvalidAuthToken));
    assert_eq!(door.asked().iter().filter(|asked| *asked == "login").count(), 4);

    let client = door.client_with("ali", "wrong", "").await;
    assert!(client.log_in().await.unwrap_err().is(KnownCode::AuthFailed));
    let mut events = client.watch().watch(WatchCreateRequest::default()).await;
    assert!(events.next().await.unwrap_err().is(KnownCode::AuthFailed));
    assert_eq!(door.asked(), ["login", "login"]);
}

#[tokio::test]
async fn a_given_token_is_sent_as_it_is() {
    let door = Door::default();
    let client = door.client_with("", "", "header.body.mark").await;
    client.log_in().await.unwrap();
    assert!(put(client).await.unwrap_err().is(KnownCode::InvalidAuthToken));
    assert_eq!(door.asked(), ["put with header.body.mark"]);
}

#[tokio::test]
async fn where_authentication_is_off_nothing_is_sent_until_it_is_on() {
    let door = Door::default();
    door.0.lock().unwrap().open = true;
    let client = door.client().await;
    put(client.clone()).await.unwrap();
    assert_eq!(door.asked(), ["login", "put with nothing"]);
    door.0.lock().unwrap().open = false;
    put(client).await.unwrap();
    assert_eq!(door.asked(), ["put with nothing", "login", "put with token1"]);

    // Half a login is none.
    let nobody = door.client_with("ali", "", "").await;
    assert!(put(nobody).await.unwrap_err().is(KnownCode::UserEmpty));
}

#[test]
fn what_cannot_be_sent_is_refused_and_secrets_are_not_told() {
    let config = Config {
        username: "ali".into(),
        password: PASSWORD.into(),
        token: "a.b.c".into(),
        ..Config::new(["127.0.0.1:1"])
    };
    let shown = format!("{config:?}");
    assert!(shown.contains("ali") && !shown.contains(PASSWORD) && !shown.contains("a.b.c"));
    assert_eq!(Client::new(config).err(), Some(Error::TwoLogins));
    let config = Config { token: "a\nb".into(), ..Config::new(["127.0.0.1:1"]) };
    assert_eq!(Client::new(config).err(), Some(Error::BadToken));
}
