//! Who is let in: each row is a server, a client, and what both sides say.

use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules, Version};

use crate::handshake::{World, babble, clients, meet, meet_from};

struct Row {
    what: &'static str,
    server: (Files, Rules),
    client: (Files, Rules),
    /// Common name that the server sees, or its error.
    server_says: &'static str,
    client_says: &'static str,
}

async fn judge(rows: Vec<Row>) {
    for row in rows {
        let server = clients(row.server.0, row.server.1);
        let client = clients(row.client.0, row.client.1);
        let seen = meet(&server, &client, "localhost:2379").await;
        let server_says = match seen.server {
            Ok(Some(peer)) => peer.common_name,
            Ok(None) => "-".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(server_says, row.server_says, "{}: server", row.what);
        assert!(seen.client.contains(row.client_says), "{}: {}", row.what, seen.client);
    }
}

fn plain() -> Rules {
    Rules::default()
}

#[tokio::test]
async fn certificates_of_clients() {
    let world = World::new();
    world.issue("old", &Subject::new("alice", &[]).days(-9, -2));
    world.issue("early", &Subject::new("alice", &[]).days(2, 9));
    world.put("list.crl", &world.authority.revoke(&[7, 300]));
    let stranger = Authority::new("stranger");
    stranger.issue(&Subject::new("alice", &[])).write(world.directory.path(), "stranger");
    let mutual = || (world.mutual(), plain());
    let revoking = || (Files { crl: Some(world.path("list.crl")), ..world.mutual() }, plain());
    let names = |names: &[&str]| {
        let allowed_cn = names.iter().map(|name| (*name).to_owned()).collect();
        (world.mutual(), Rules { allowed_cn, ..Rules::default() })
    };
    let hosts = |host: &str| {
        let rules = Rules { allowed_hostname: vec![host.to_owned()], ..Rules::default() };
        (world.mutual(), rules)
    };
    let of = |name: &str| (world.of(name), plain());
    let row = |what, server, client, server_says, client_says| Row {
        what,
        server,
        client,
        server_says,
        client_says,
    };
    let unknown =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    let expired = "tls: failed to verify certificate: x509: certificate has expired or is not yet \
                   valid: it has expired";
    let early = "tls: failed to verify certificate: x509: certificate has expired or is not yet \
                 valid: it is not yet valid";
    let missing = "tls: client didn't provide a certificate";
    let refused = "client certificate authentication failed";
    let revoked = "transport: certificate serial revoked";
    let unasked = (world.pair("server"), plain());
    let asked = (world.pair("server"), Rules { require_client_cert: true, ..Rules::default() });
    judge(vec![
        row("good", mutual(), of("client"), "alice", "ok"),
        row("nobody asked", unasked, of("client"), "-", "ok"),
        row("asked, but nobody trusted", asked, of("client"), unknown, "UnknownCA"),
        row(
            "no certificate",
            mutual(),
            (world.trusting(), plain()),
            missing,
            "CertificateRequired",
        ),
        row("stranger", mutual(), of("stranger"), unknown, "UnknownCA"),
        row("expired", mutual(), of("old"), expired, "CertificateExpired"),
        row("too early", mutual(), of("early"), early, "CertificateExpired"),
        row("revoked", revoking(), of("client"), revoked, "CertificateRevoked"),
        row("not revoked", revoking(), of("server"), "server", "ok"),
        row("name", names(&["bob", "alice"]), of("client"), "alice", "ok"),
        row("other name", names(&["bob"]), of("client"), refused, "AccessDenied"),
        row("host", hosts("client.example"), of("client"), "alice", "ok"),
        row("other host", hosts("other.example"), of("client"), refused, "AccessDenied"),
    ])
    .await;
}

#[tokio::test]
async fn certificates_of_servers() {
    let world = World::new();
    world.issue("elsewhere", &Subject::new("localhost", &["elsewhere.example"]));
    world.issue("old", &Subject::new("server", &["localhost"]).days(-9, -2));
    let other = Authority::new("other");
    world.put("other.crt", other.pem());
    let trusting = || (world.trusting(), plain());
    let distrusting =
        (Files { trusted_ca: Some(world.path("other.crt")), ..Files::default() }, plain());
    let believing = || (Files::default(), Rules { insecure_skip_verify: true, ..Rules::default() });
    let named = Rules { server_name: Some("elsewhere.example".to_owned()), ..Rules::default() };
    world.put("list.crl", &world.authority.revoke(&[1]));
    let revoking = (Files { crl: Some(world.path("list.crl")), ..world.trusting() }, plain());
    let revoked = "transport: certificate serial revoked";
    let serves = |name: &str| (world.pair(name), plain());
    let row = |what, name, client, server_says, client_says| Row {
        what,
        server: serves(name),
        client,
        server_says,
        client_says,
    };
    let bad = "remote error: tls: bad certificate";
    let old = "remote error: tls: expired certificate";
    let stranger = "remote error: tls: unknown certificate authority";
    judge(vec![
        row("good", "server", trusting(), "-", "ok"),
        row(
            "wrong host",
            "elsewhere",
            trusting(),
            bad,
            "valid for elsewhere.example, not localhost",
        ),
        row("told host", "elsewhere", (world.trusting(), named), "-", "ok"),
        row("expired", "old", trusting(), old, "it has expired"),
        row("stranger", "server", distrusting, stranger, "signed by unknown authority"),
        row("believing", "old", believing(), "-", "ok"),
        row("revoked", "server", revoking, "remote error: tls: revoked certificate", revoked),
    ])
    .await;
}

#[tokio::test]
async fn versions_and_suites() {
    let world = World::new();
    let only = |version| Rules { min: Some(version), max: Some(version), ..Rules::default() };
    let suites = |suite: &str| Rules {
        max: Some(Version::Tls12),
        cipher_suites: vec![suite.to_owned()],
        ..Rules::default()
    };
    let row = |what, server, client, server_says, client_says| Row {
        what,
        server: (world.pair("server"), server),
        client: (world.trusting(), client),
        server_says,
        client_says,
    };
    let no_version = "tls: no protocol version supported by both client and server";
    let no_suite = "tls: no cipher suite supported by both client and server";
    let (aes, chacha) =
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    judge(vec![
        row("1.2", only(Version::Tls12), plain(), "-", "ok"),
        row("1.3", only(Version::Tls13), plain(), "-", "ok"),
        row("versions", only(Version::Tls13), only(Version::Tls12), no_version, "protocol version"),
        row("suite", suites(aes), plain(), "-", "ok"),
        row("suites", suites(aes), suites(chacha), no_suite, "handshake failure"),
    ])
    .await;
}

#[tokio::test]
async fn a_trusted_certificate_that_signed_itself() {
    let world = World::new();
    let made = ketch_tls::auto::self_signed(&world.path("auto"), &["localhost:1".to_owned()], 1);
    let made = made.unwrap();
    let server = clients(made.clone(), plain());
    let client = clients(Files { trusted_ca: made.cert, ..Files::default() }, Rules::default());
    assert_eq!(meet(&server, &client, "localhost").await.client, "ok");
    let elsewhere = meet(&server, &client, "elsewhere.example").await.client;
    assert!(elsewhere.contains("not elsewhere.example"), "{elsewhere}");
}

#[tokio::test]
async fn members_must_come_from_where_they_say() {
    let world = World::new();
    world.issue("far", &Subject::new("far", &["10.9.9.9"]));
    world.issue("near", &Subject::new("near", &["10.9.9.9", "localhost"]));
    world.issue("anywhere", &Subject::new("anywhere", &[]));
    let from = Some("127.0.0.1:5".parse().unwrap());
    let load =
        |name: &str, rules: Rules| Identity::load(world.of(name), rules, Alpn::Peers).unwrap();
    let strict = load("server", plain());
    let lax = load("server", Rules { skip_client_san: true, ..Rules::default() });
    for (server, name, says) in [
        (&strict, "server", "server"),
        (&strict, "far", "x509: certificate is valid for 10.9.9.9, not 127.0.0.1"),
        (&strict, "near", "near"),
        (&strict, "anywhere", "anywhere"),
        (&lax, "far", "far"),
    ] {
        let seen = meet_from(server, &load(name, plain()), "localhost", from).await;
        let said = match seen.server {
            Ok(peer) => peer.unwrap().common_name,
            Err(error) => error.to_string(),
        };
        assert_eq!(said, says, "{name}");
    }
}

#[tokio::test]
async fn no_tls_at_all() {
    let world = World::new();
    let server = clients(world.mutual(), plain());
    let not_tls = "tls: first record does not look like a TLS handshake";
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        &[0xff; 600],
    ] {
        assert_eq!(babble(&server, bytes).await, not_tls);
    }
    assert_eq!(babble(&server, b"").await, "EOF");
    assert_eq!(babble(&server, &[0x16, 3, 1, 0, 200, 1]).await, "EOF");
}
