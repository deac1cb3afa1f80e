//! What is no protocol ends a connection and nothing else.

use ketch_base::MemberId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use ketch_raft_proto::raftpb::MessageType;

use crate::end::{End, eventually, message, pair};

/// Bodies no stream begins with.
const BODIES: [&[u8]; 4] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x07",
    b"\0\0\0\0\0\0\0\x03\xff\xff\xff",
    b"\x01\xff\xff\xff\xff\xff\xff\xff\xff",
];

#[tokio::test]
async fn on_the_streams_we_read() {
    let liar = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let url = format!("http://{}", liar.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut socket, _)) = liar.accept().await {
            let body = BODIES[turn % BODIES.len()];
            turn += 1;
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            // The other end may be gone already.
            let _ = socket.write_all(&[&head[..], body].concat()).await;
            let _ = socket.read(&mut [0; 1024]).await;
        }
    });
    let one = End::new(1).await;
    one.follow(&[(2, &url)]);
    eventually("it is refused again and again", || one.links.status()[0].receive_failures > 4)
        .await;
    assert!(one.story.inbox.lock().is_empty());
    assert!(!one.story.told_removed.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn on_the_port_we_serve() {
    let (one, two) = pair().await;
    let address = one.url.trim_start_matches("http://");
    let inputs: [&[u8]; 4] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET /members HTTP/9.9\r\n\r\n",
        b"POST /raft HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /raft HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for input in inputs {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        socket.write_all(input).await.expect("it reads");
        let mut reply = Vec::new();
        // A reset is an end as well.
        let _ = socket.read_to_end(&mut reply).await;
        assert!(!reply.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&reply));
    }
    two.links.send(vec![message(MessageType::MsgVote, 2, 1)]);
    eventually("others are served", || !one.received(MessageType::MsgVote).is_empty()).await;
    assert!(one.links.is_active(MemberId(2)));
}
