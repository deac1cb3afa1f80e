//! New files under a running listener: new handshakes use them, running connections go on, and a
//! bad file changes nothing.

use std::sync::Arc;
use std::time::Duration;

use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Files, Identity, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::handshake::{LIMIT, World, clients, meet, replace};

async fn lets_in(server: &Arc<Identity>, client: &Arc<Identity>) -> bool {
    let seen = meet(server, client, "localhost").await;
    assert_eq!(seen.server.is_ok(), seen.client == "ok", "{seen:?}");
    seen.server.is_ok()
}

fn load(files: Files) -> Arc<Identity> {
    clients(files, Rules::default())
}

#[tokio::test]
async fn authority_and_leaf_with_overlap() {
    let world = World::new();
    let server = load(world.mutual());
    let old_client = load(world.of("client"));
    assert!(lets_in(&server, &old_client).await);
    assert!(!server.reload().unwrap());

    // Both authorities are trusted, then the leaf changes, then the old authority goes.
    let new = Authority::new("new");
    let ca = world.path("ca.crt");
    let both = format!("{}{}", world.authority.pem(), new.pem());
    new.issue(&Subject::new("bob", &[])).write(world.directory.path(), "fresh");
    replace(&ca, &both);
    let new_client = load(world.of("fresh"));
    assert!(!lets_in(&server, &new_client).await);
    assert!(server.reload().unwrap());
    assert!(lets_in(&server, &new_client).await);
    assert!(lets_in(&server, &old_client).await);

    let leaf = new.issue(&Subject::new("server", &["localhost"]));
    replace(&world.path("server.crt"), &leaf.cert);
    let mismatch = server.reload().unwrap_err().to_string();
    assert!(mismatch.contains("private key does not match public key"), "{mismatch}");
    assert!(lets_in(&server, &old_client).await);
    replace(&world.path("server.key"), &leaf.key);
    assert!(server.reload().unwrap());
    assert!(lets_in(&server, &new_client).await);
    assert!(!lets_in(&server, &old_client).await, "it does not know the new authority yet");
    assert!(old_client.reload().unwrap());
    assert!(lets_in(&server, &old_client).await);

    replace(&ca, new.pem());
    assert!(server.reload().unwrap());
    assert!(lets_in(&server, &new_client).await);
    assert!(!lets_in(&server, &old_client).await, "its authority is gone");
}

#[tokio::test]
async fn a_list_grows_and_a_bad_one_changes_nothing() {
    let world = World::new();
    let list = world.put("list.crl", &world.authority.revoke(&[99]));
    let server = load(Files { crl: Some(list.clone()), ..world.mutual() });
    let client = load(world.of("client"));
    assert!(lets_in(&server, &client).await);
    replace(&list, "damaged");
    assert!(server.reload().is_err());
    assert!(lets_in(&server, &client).await);
    std::fs::remove_file(&list).unwrap();
    assert!(server.reload().is_err());
    assert!(lets_in(&server, &client).await);
    replace(&list, &world.authority.revoke(&[99, 7]));
    assert!(server.reload().unwrap());
    assert!(!lets_in(&server, &client).await);
}

#[tokio::test]
async fn a_running_connection_goes_on() {
    let world = World::new();
    let list = world.put("list.crl", &world.authority.revoke(&[]));
    let server = load(Files { crl: Some(list.clone()), ..world.mutual() });
    let client = load(world.of("client"));
    let (near, far) = duplex(4096);
    let (acceptor, connector) = (server.acceptor().unwrap(), client.connector());
    let (accepted, dialled) = tokio::join!(
        acceptor.accept(far, None, LIMIT),
        connector.connect("localhost", near, LIMIT)
    );
    let (mut accepted, mut dialled) = (accepted.unwrap(), dialled.unwrap());
    assert!(accepted.http2);
    replace(&list, &world.authority.revoke(&[7]));
    assert!(server.reload().unwrap());
    dialled.write_all(b"still here").await.unwrap();
    dialled.flush().await.unwrap();
    let mut read = [0; 10];
    accepted.stream.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"still here");
    assert!(!lets_in(&server, &client).await);
}

#[tokio::test]
async fn watched_files_need_no_call() {
    let world = World::new();
    let list = world.put("list.crl", &world.authority.revoke(&[]));
    let server = load(Files { crl: Some(list.clone()), ..world.mutual() });
    let client = load(world.of("client"));
    let watching = tokio::spawn(server.clone().watch(Duration::from_millis(5)));
    assert!(lets_in(&server, &client).await);
    replace(&list, "damaged");
    replace(&list, &world.authority.revoke(&[7]));
    while lets_in(&server, &client).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watching.abort();
}
