//! Queues are bounded by class: a member that does not read costs so much memory and no more, and
//! what does not fit is reported.

use ketch_base::MemberId;
use ketch_peer::limits;
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};
use tokio::net::TcpListener;

use crate::end::{End, eventually, message};

fn append(bytes: usize) -> Message {
    let entry = Entry { data: Some(vec![0; bytes].into()), ..Entry::default() };
    let mut append = message(MessageType::MsgApp, 1, 2);
    append.entries = vec![entry];
    append
}

#[tokio::test]
async fn a_member_that_never_answers_costs_a_few_messages() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let one = End::new(1).await;
    one.follow(&[(2, &url)]);
    let sent = limits::PIPELINE_MESSAGES + limits::PIPELINE_CONNECTIONS + 10;
    one.links.send((0..sent).map(|_| append(10)).collect());
    eventually("the rest is reported", || one.story.unreachable.lock().len() >= 10).await;
    assert!(one.links.status()[0].send_failures >= 10);
    assert!(!one.links.is_active(MemberId(2)));
}

#[tokio::test]
async fn a_stuck_stream_drops_appends_and_keeps_votes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let one = End::new(1).await;
    one.follow(&[(2, "http://127.0.0.1:1")]);
    let dial = async |kind: &str| {
        let address = one.url.trim_start_matches("http://");
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let request = format!(
            "GET /raft/stream/{kind}/2 HTTP/1.1\r\nHost: x\r\nX-Server-From: 2\r\n\
             X-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\n\
             X-Etcd-Cluster-ID: c1\r\nX-Raft-To: 1\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.expect("it answers");
        assert_eq!(&head, b"HTTP/1.1 200");
        socket
    };
    // Dialed, and then never read.
    let _appends = dial("msgapp").await;
    let mut messages = dial("message").await;
    let count = 2 * limits::APPEND_BYTES / (4 << 20);
    for _ in 0..count {
        one.links.send(vec![append(4 << 20)]);
    }
    eventually("appends are dropped", || !one.story.unreachable.lock().is_empty()).await;
    one.links.send(vec![message(MessageType::MsgVote, 1, 2)]);
    let mut seen = Vec::new();
    let vote = [8, 5, 16, 2, 24, 1, 32, 1];
    while !seen.windows(vote.len()).any(|window| window == vote) {
        let byte = messages.read_u8().await.expect("the vote comes");
        seen.push(byte);
    }
}
