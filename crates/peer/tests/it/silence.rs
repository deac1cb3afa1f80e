//! A connection that stands still is given up after its time-out, whoever dialed it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use ketch_peer::limits;
use ketch_raft_proto::raftpb::{Entry, MessageType};

use crate::end::{Door, End, config, eventually, message};
use crate::wire;

async fn impatient() -> End {
    let door = Door::open().await;
    let mut config = config(1, &door.url);
    config.read_timeout_ms = 100;
    config.write_timeout_ms = 100;
    door.enter(config)
}

#[tokio::test]
async fn a_stream_without_heartbeats() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let one = impatient().await;
    one.follow(&[(2, &url)]);
    // Each dial is answered, and then nothing comes.
    let mut held = Vec::new();
    for _ in 0..8 {
        let (mut socket, _) = silent.accept().await.expect("it dials");
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        // The other end may have given up already.
        let _ = socket.write_all(head).await;
        held.push(socket);
    }
    assert!(one.links.status()[0].disconnects > 0);
}

#[tokio::test]
async fn a_stream_nobody_reads() {
    let one = impatient().await;
    one.follow(&[(2, "http://127.0.0.1:1")]);
    let _socket = wire::dial(&one.url, "msgapp").await;
    eventually("it stands", || one.links.status()[0].streams_out == 1).await;
    let mut append = message(MessageType::MsgApp, 1, 2);
    append.entries = vec![Entry { data: Some(vec![0; 1 << 20].into()), ..Entry::default() }];
    eventually("it is given up", || {
        one.links.send(vec![append.clone()]);
        one.links.status()[0].streams_out == 0
    })
    .await;
    assert!(one.links.status()[0].send_failures <= limits::APPEND_MESSAGES as u64);
}

#[tokio::test]
async fn a_request_that_never_ends() {
    let one = impatient().await;
    for request in [
        "",
        "POST /raft HTTP/1.1\r\n",
        "GET /members/hashkv HTTP/1.1\r\nHost: x\r\n\
         Content-Length: 5\r\n\r\n{",
    ] {
        let address = one.url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut reply = Vec::new();
        // A reset is an end as well.
        let _ = socket.read_to_end(&mut reply).await;
        assert!(!reply.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&reply));
    }
}
