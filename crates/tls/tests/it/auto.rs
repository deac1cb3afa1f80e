//! The certificate that signs itself.

use std::os::unix::fs::PermissionsExt;

use ketch_tls::auto::self_signed;
use x509_parser::prelude::{FromDer, X509Certificate};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

#[test]
fn made_once_as_etcd_makes_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("fixtures/client");
    let hosts = ["0.0.0.0:2379", "127.0.0.1:2379", "[::1]:2379", "a.example:1", "127.0.0.1:1"];
    let hosts = hosts.map(str::to_owned);
    assert_eq!(
        self_signed(&at, &hosts, 0).unwrap_err().to_string(),
        "selfSignedCertValidity is invalid,it should be greater than 0"
    );
    let files = self_signed(&at, &hosts, 2).unwrap();
    let (cert, key) = (files.cert.clone().unwrap(), files.key.clone().unwrap());
    let der = CertificateDer::from_pem_file(&cert).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(parsed.subject().to_string(), "O=etcd");
    assert!(parsed.is_ca());
    let validity = parsed.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    assert_eq!(days, 730);
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    let names: Vec<_> = names.value.general_names.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    let key_bits = parsed.public_key().parsed().unwrap().key_size();
    assert!((521..=528).contains(&key_bits), "{key_bits}");

    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&key) & 0o777, 0o600);
    assert_eq!(mode(&at) & 0o777, 0o700);
    let before = std::fs::read(&cert).unwrap();
    assert_eq!(self_signed(&at, &hosts, 1).unwrap(), files);
    assert_eq!(std::fs::read(&cert).unwrap(), before);
    std::fs::remove_file(&key).unwrap();
    self_signed(&at, &hosts, 1).unwrap();
    assert_ne!(std::fs::read(&cert).unwrap(), before);
}
