//! Members behind TLS: everything that goes in clear goes there as well; strangers stay out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ketch_peer::ask::{self, AskError};
use ketch_peer::{Dialer, Versions};
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules};
use tempfile::TempDir;

use crate::end::{End, acquaint};
use crate::snapshots::arrives_whole;
use crate::streams::arrive_in_order;

const PATIENCE: Duration = Duration::from_secs(20);

/// Certificates of one authority; it is the only one they trust.
fn identity(folder: &Path, name: &str, subject: &Subject) -> Arc<Identity> {
    let authority = Authority::new(name);
    let ca = folder.join(format!("{name}.ca"));
    std::fs::write(&ca, authority.pem()).expect("a test folder can be written");
    let (cert, key) = authority.issue(subject).write(folder, name);
    let files =
        Files { cert: Some(cert), key: Some(key), trusted_ca: Some(ca), ..Files::default() };
    Identity::load(files, Rules::default(), Alpn::Peers).expect("good certificates")
}

fn member() -> Subject {
    Subject::new("member", &["127.0.0.1"])
}

#[tokio::test]
async fn messages_and_snapshots() {
    let folder = TempDir::new().expect("a temporary folder");
    let ours = identity(folder.path(), "ours", &member());
    let pair = async || acquaint(End::secured(1, &ours).await, End::secured(2, &ours).await).await;
    arrive_in_order(pair().await).await;
    arrives_whole(pair().await).await;
}

#[tokio::test]
async fn questions_with_a_token() {
    let folder = TempDir::new().expect("a temporary folder");
    let ours = identity(folder.path(), "ours", &member());
    let end = End::secured(1, &ours).await;
    let dialer = Dialer::new(Some(ours));
    let token = Bytes::from_static(b"Bearer abc.5");
    let promoted = ask::promote(&dialer, &end.url, 9, Some(token.clone()), PATIENCE).await;
    promoted.expect("it promotes anything");
    assert_eq!(*end.story.token.lock(), Some(token));
    let _ = ask::promote(&dialer, &end.url, 9, None, PATIENCE).await;
    assert_eq!(*end.story.token.lock(), None);
}

#[tokio::test]
async fn strangers() {
    let folder = TempDir::new().expect("a temporary folder");
    let ours = identity(folder.path(), "ours", &member());
    let theirs = identity(folder.path(), "theirs", &member());
    let elsewhere = identity(folder.path(), "elsewhere", &Subject::new("member", &["127.0.0.9"]));
    let clear = End::new(3).await;
    let end = End::secured(1, &ours).await;
    let afar = End::secured(2, &elsewhere).await;
    let version = async |dialer: &Dialer, url: &str| {
        ask::version(dialer, url, PATIENCE).await.map_err(|error| match error {
            AskError::Unreachable { source, .. } => source.to_string(),
            other => panic!("{other}"),
        })
    };
    let unknown =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    let of = |identity: &Arc<Identity>| Dialer::new(Some(identity.clone()));
    let refused = async |dialer: &Dialer, url: &str| -> String {
        version(dialer, url).await.expect_err("a stranger")
    };
    assert_eq!(refused(&of(&theirs), &end.url).await, unknown);
    assert_eq!(refused(&Dialer::default(), &end.url).await, unknown);
    let named = refused(&of(&elsewhere), &afar.url).await;
    assert!(named.contains("x509: certificate is valid for 127.0.0.9, not 127.0.0.1"), "{named}");
    // In clear to a secured port, and the other way round.
    let (crossed, back) = (end.url.replace("https", "http"), clear.url.replace("http", "https"));
    let said = refused(&of(&ours), &crossed).await;
    assert!(said.starts_with("malformed HTTP response"), "{said}");
    let said = refused(&of(&ours), &back).await;
    assert_eq!(said, "tls: first record does not look like a TLS handshake");
    // Those who belong are not disturbed.
    let versions: Versions = version(&of(&ours), &end.url).await.expect("one of us");
    assert_eq!(versions.server, "3.7.1");
}

/// The server says that it does not like a certificate only after the client is done (TLS 1.3).
#[tokio::test]
async fn a_certificate_that_is_not_liked() {
    let folder = TempDir::new().expect("a temporary folder");
    let ours = identity(folder.path(), "ours", &member());
    let end = End::secured(1, &ours).await;
    let files = Files { trusted_ca: Some(folder.path().join("ours.ca")), ..Files::default() };
    let nobody = Identity::load(files, Rules::default(), Alpn::Peers).expect("a good authority");
    let error = ask::version(&Dialer::new(Some(nobody)), &end.url, PATIENCE).await;
    let said = error.expect_err("without a certificate").to_string();
    assert!(said.ends_with("remote error: tls: certificate required"), "{said}");
}
