//! The client and transport security: who is refused is told why, and new certificates on disk
//! are used without a new client.

#![expect(clippy::unwrap_used, reason = "a test ends where its scenery falls")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use ketch_client::{Client, Config, Failure};
use ketch_proto::etcdserverpb::PutRequest;
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Acceptor, Alpn, Files, Identity, Rules, Stream, limits};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;

/// What the server here answers to everything; whoever reads it was let in.
const LET_IN: &str = "let in";

struct World {
    folder: TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: TempDir::new().unwrap(), authority: Authority::new("ca") };
        let at = world.folder.path();
        std::fs::write(at.join("ca.crt"), world.authority.pem()).unwrap();
        std::fs::write(at.join("list.crl"), world.authority.revoke(&[7])).unwrap();
        world.issue("server", 1);
        world.issue("client", 2);
        world.issue("revoked", 7);
        world
    }

    fn issue(&self, name: &str, serial: u64) {
        let subject = Subject::new(name, &["127.0.0.1"]).serial(serial);
        self.authority.issue(&subject).write(self.folder.path(), name);
    }

    fn identity(&self, name: &str, crl: bool) -> Arc<Identity> {
        let path = |name: String| Some(self.folder.path().join(name));
        let files = Files {
            cert: path(format!("{name}.crt")),
            key: path(format!("{name}.key")),
            trusted_ca: path("ca.crt".to_owned()),
            crl: path("list.crl".to_owned()).filter(|_| crl),
            ..Files::default()
        };
        Identity::load(files, Rules::default(), Alpn::Clients).unwrap()
    }
}

/// Serves on a free port until the test ends, one call a connection.
async fn serve(acceptor: Option<Acceptor>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), socket));
        }
    });
    address
}

async fn answer(acceptor: Option<Acceptor>, socket: TcpStream) {
    let stream: Stream<TcpStream> = match acceptor {
        None => Stream::Plain(socket),
        Some(acceptor) => match acceptor.accept(socket, None, limits::HANDSHAKE_TIMEOUT).await {
            Ok(accepted) => accepted.stream.into(),
            Err(_) => return,
        },
    };
    let service = tower::service_fn(|_| async {
        Ok::<_, Infallible>(tonic::Status::not_found(LET_IN).into_http::<Body>())
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let _ = connection.await;
}

/// A client, and the last thing it was told.
fn client(endpoint: &str, security: Option<Arc<Identity>>) -> (Client, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let slot = told.clone();
    let config = Config {
        call_timeout: Some(Duration::from_millis(800)),
        security,
        on_failure: Some(Arc::new(move |failure: &Failure<'_>| {
            *slot.lock().unwrap() = format!("{} {}", failure.secure, failure.message);
        })),
        ..Config::new([endpoint])
    };
    (Client::new(config).unwrap(), told)
}

async fn ask(client: &(Client, Arc<Mutex<String>>)) -> String {
    client.0.kv().put(PutRequest { key: "a".into(), ..Default::default() }).await.unwrap_err();
    client.1.lock().unwrap().clone()
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let world = World::new();
    let secure = serve(Some(world.identity("server", true).acceptor().unwrap())).await;
    let plain = serve(None).await;
    let mine = || Some(world.identity("client", false));
    let other = || Some(world.identity("revoked", false));
    let preface = "error reading server preface";
    let handshake = "transport: authentication handshake failed";
    for (endpoint, security, says) in [
        (format!("https://{secure}"), mine(), "true let in".to_owned()),
        (secure.clone(), mine(), "true let in".to_owned()),
        (format!("http://{plain}"), mine(), "false let in".to_owned()),
        (plain.clone(), None, "false let in".to_owned()),
        (format!("http://{secure}"), mine(), format!("{preface}: the server demands")),
        (secure.clone(), None, preface.to_owned()),
        (plain, mine(), handshake.to_owned()),
        (format!("https://{secure}"), None, format!("{handshake}: tls: failed to verify")),
        (
            format!("https://{secure}"),
            other(),
            format!("{preface}: remote error: tls: revoked certificate"),
        ),
    ] {
        let said = ask(&client(&endpoint, security)).await;
        assert!(said.contains(&says), "{endpoint}: {said}, not {says}");
    }
}

#[tokio::test]
async fn a_new_certificate_needs_no_new_client() {
    let world = World::new();
    let secure = serve(Some(world.identity("server", true).acceptor().unwrap())).await;
    let client = client(&format!("https://{secure}"), Some(world.identity("revoked", false)));
    let refused = ask(&client).await;
    assert!(refused.contains("revoked certificate"), "{refused}");
    world.issue("revoked", 8);
    assert_eq!(ask(&client).await, "true let in");
}
