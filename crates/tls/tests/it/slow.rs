//! The other side that says nothing, or stops half way.

use std::time::Duration;

use ketch_tls::limits::HALF_OPEN_MAX_HANDSHAKES;
use ketch_tls::{HandshakeError, Rules};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::task::JoinSet;

use crate::handshake::{LIMIT, World, clients, meet};

#[tokio::test]
async fn silence_ends() {
    let world = World::new();
    let server = clients(world.mutual(), Rules::default());
    let limit = Duration::from_millis(20);
    let timeout = HandshakeError::Timeout { after_ms: 20 };
    for said in [&b""[..], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0, 1]] {
        let (mut near, far) = duplex(1024);
        near.write_all(said).await.unwrap();
        let ended = server.acceptor().unwrap().accept(far, None, limit).await;
        assert_eq!(ended.map(|_| ()), Err(timeout.clone()));
    }
    let (near, _far) = duplex(1024);
    let client = clients(world.trusting(), Rules::default());
    let ended = client.connector().connect("localhost", near, limit).await;
    assert_eq!(ended.map(|_| ()), Err(timeout));
}

#[tokio::test]
async fn silent_ones_do_not_keep_others_out() {
    let world = World::new();
    let server = clients(world.mutual(), Rules::default());
    let client = clients(world.of("client"), Rules::default());
    let mut silent = JoinSet::new();
    let mut ends = Vec::new();
    for _ in 0..HALF_OPEN_MAX_HANDSHAKES + 500 {
        let (near, far) = duplex(64);
        ends.push(near);
        let acceptor = server.acceptor().unwrap();
        let limit = Duration::from_secs(600);
        silent.spawn(async move { acceptor.accept(far, None, limit).await.map(|_| ()) });
    }
    let seen = tokio::time::timeout(LIMIT, meet(&server, &client, "localhost")).await;
    assert_eq!(seen.unwrap().client, "ok");
    let ended = silent.join_next().await.unwrap().unwrap();
    let gave_way = HandshakeError::GaveWay { max: HALF_OPEN_MAX_HANDSHAKES };
    assert_eq!(ended, Err(gave_way));
}
