//! While a member has dialed the message stream alone, appends go there as well.

use ketch_raft_proto::raftpb::MessageType;

use crate::end::{End, eventually, message};
use crate::wire;

/// An append from 1 to 2 in term 1, as a message frame.
const FRAME: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 8, 8, 3, 16, 2, 24, 1, 32, 1];

#[tokio::test]
async fn appends_go_there() {
    let one = End::new(1).await;
    one.follow(&[(2, "http://127.0.0.1:1")]);
    let out = |streams| {
        let links = one.links.clone();
        move || links.status()[0].streams_out == streams
    };
    let mut messages = wire::dial(&one.url, "message").await;
    eventually("it stands", out(1)).await;
    one.links.send(vec![message(MessageType::MsgApp, 1, 2)]);
    wire::read_until(&mut messages, &FRAME).await;

    let mut appends = wire::dial(&one.url, "msgapp").await;
    eventually("both stand", out(2)).await;
    one.links.send(vec![message(MessageType::MsgApp, 1, 2)]);
    // Type 2, then the same message: a stream begins with a whole one.
    let mut whole = FRAME;
    wire::read_until(&mut appends, &[&[2], &whole[..]].concat()).await;
    drop(appends);
    eventually("one stands", out(1)).await;
    one.links.send(vec![message(MessageType::MsgApp, 1, 2), message(MessageType::MsgVote, 1, 2)]);
    whole[9] = 5;
    // A vote goes before an append, whatever came first.
    wire::read_until(&mut messages, &[&whole[..], &FRAME[..]].concat()).await;
}
