//! Configurations that are refused, in etcd's words where it has them.

use std::str::FromStr;

use ketch_tls::{Alpn, Files, Identity, Rules, Version};

use crate::handshake::World;

#[test]
fn rules() {
    let suites = |names: &[&str]| Rules {
        cipher_suites: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Rules::default()
    };
    let both = Rules {
        allowed_cn: vec!["x".into()],
        allowed_hostname: vec!["y".into(), "z".into()],
        ..Rules::default()
    };
    let order = Rules { min: Some(Version::Tls13), max: Some(Version::Tls12), ..Rules::default() };
    let only13 =
        Rules { min: Some(Version::Tls13), ..suites(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]) };
    let cbc = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256";
    let http2 = "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 \
                 cipher (need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or \
                 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)";
    let (clients, peers) = (Alpn::Clients, Alpn::Peers);
    for (rules, alpn, says) in [
        (suites(&["FOO"]), clients, "unexpected TLS cipher suite \"FOO\""),
        (suites(&[cbc]), clients, http2),
        (
            suites(&[cbc]),
            peers,
            "none of the TLS cipher suites is supported: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        ),
        (suites(&["TLS_AES_128_GCM_SHA256"]), peers, ""),
        (suites(&[cbc, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]), clients, ""),
        (only13, clients, "cipher suites cannot be configured when only TLS1.3 is enabled"),
        (order, clients, "min version (TLS1.3) is greater than max version (TLS1.2)"),
        (
            both,
            peers,
            "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[\"x\"], \
             hostnames=[\"y\" \"z\"])",
        ),
    ] {
        let said = rules.check(alpn).map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(said, says);
    }
    let version = Version::from_str("TLS1.0").unwrap_err().to_string();
    assert_eq!(version, "unexpected TLS version \"TLS1.0\" (must be one of: TLS1.2, TLS1.3)");
}

#[test]
fn files() {
    let world = World::new();
    let bad = Some(world.put("bad.pem", "no certificate"));
    let gone = Some("/nonexistent".into());
    let server = || world.pair("server");
    let load = |files: Files| match Identity::load(files, Rules::default(), Alpn::Clients) {
        Ok(identity) => identity.acceptor().map_or_else(|e| e.to_string(), |_| "ok".to_owned()),
        Err(error) => error.in_etcds_words(),
    };
    for (files, says) in [
        (server(), "ok"),
        (Files::default(), "KeyFile and CertFile are not presented"),
        (Files { cert: gone.clone(), ..server() }, "open /nonexistent: no such file or directory"),
        (Files { trusted_ca: gone, ..server() }, "open /nonexistent: no such file or directory"),
        (
            Files { cert: bad.clone(), ..server() },
            "tls: failed to find any PEM data in certificate input",
        ),
        (Files { key: bad.clone(), ..server() }, "tls: failed to find any PEM data in key input"),
        (
            Files { key: server().cert, ..server() },
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input",
        ),
        (
            Files { key: world.pair("client").key, ..server() },
            "tls: private key does not match public key",
        ),
        (
            Files { trusted_ca: bad.clone(), ..server() },
            "tls: failed to find any PEM data in certificate input",
        ),
        (
            Files { crl: bad, ..server() },
            "x509: malformed crl: neither PEM nor DER of a revocation list",
        ),
    ] {
        assert_eq!(load(files.clone()), says, "{files:?}");
    }
    let half = Files { key: Some("k".into()), ..Files::default() };
    assert_eq!(load(half), "KeyFile and CertFile must both be present[key: k, cert: ]");
    let half = Files { client_cert: Some("c".into()), ..server() };
    let says = "ClientKeyFile and ClientCertFile must both be present or both absent: key: , \
                cert: c]";
    assert_eq!(load(half), says);
}

#[test]
fn the_text_of_an_error_names_the_file() {
    let world = World::new();
    let key = world
        .put("secret.key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    let files = Files { key: Some(key.clone()), ..world.pair("server") };
    let error = Identity::load(files, Rules::default(), Alpn::Peers).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains(&key.display().to_string()), "{text}");
    assert!(!text.contains("c2Vj") && !text.contains("secret,"), "{text}");
}
