//! Queues are bounded by class: a member that does not read costs so much memory and no more, and
//! what does not fit is reported.

use ketch_base::MemberId;
use ketch_peer::limits;
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};
use tokio::net::TcpListener;

use crate::end::{End, eventually, message};
use crate::wire;

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
    let one = End::new(1).await;
    one.follow(&[(2, "http://127.0.0.1:1")]);
    // Dialed, and then never read.
    let _appends = wire::dial(&one.url, "msgapp").await;
    let mut messages = wire::dial(&one.url, "message").await;
    let count = 2 * limits::APPEND_BYTES / (4 << 20);
    for _ in 0..count {
        one.links.send(vec![append(4 << 20)]);
    }
    eventually("appends are dropped", || !one.story.unreachable.lock().is_empty()).await;
    one.links.send(vec![message(MessageType::MsgVote, 1, 2)]);
    wire::read_until(&mut messages, &[8, 5, 16, 2, 24, 1, 32, 1]).await;
}
