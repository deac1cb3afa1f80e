//! The certificate of `--auto-tls`: made once, signed by itself, kept in the data directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P521_SHA512, SanType,
};

use crate::connect::bare;
use crate::{Error, Files};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The longest validity: beyond it the date no longer fits a certificate.
const VALIDITY_MAX_YEARS: u32 = 7_000;

/// Certificate and key in `directory` (etcd: `<data-dir>/fixtures/client` and `/peer`); those that
/// stand there are used as they are, else both are made: P-521, organisation `etcd`, valid from
/// now for `validity_years` years of 365 days, for the hosts (ports are left out) of the listen
/// addresses.
///
/// Others cannot verify such a certificate unless they are given it as their authority; who dials
/// with it must set [`crate::Rules::insecure_skip_verify`], as etcd does between members.
///
/// # Errors
/// No validity, or a directory that cannot be written.
pub fn self_signed(
    directory: &Path,
    hosts: &[String],
    validity_years: u32,
) -> Result<Files, Error> {
    if validity_years == 0 {
        return Err(Error::Validity);
    }
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    if !(cert.exists() && key.exists()) {
        let (certificate, pair) = make(hosts, validity_years)?;
        let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        created.map_err(|cause| Error::Write { path: directory.to_owned(), cause })?;
        write(&cert, 0o644, &certificate)?;
        write(&key, 0o600, &pair)?;
        tracing::warn!(path = %cert.display(), validity_years, "made a self-signed certificate");
    }
    let files = Files { cert: Some(cert), key: Some(key), ..Files::default() };
    Ok(files)
}

/// Certificate and key as PEM.
fn make(hosts: &[String], validity_years: u32) -> Result<(String, String), Error> {
    let failed = |error: rcgen::Error| Error::SelfSigned(error.to_string());
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).map_err(failed)?;
    let mut names = Vec::new();
    for host in hosts {
        let host = bare(host);
        let name = match host.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(host.try_into().map_err(failed)?),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut params = CertificateParams::default();
    let now = SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + YEAR * validity_years.min(VALIDITY_MAX_YEARS)).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "etcd");
    params.subject_alt_names = names;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::CrlSign,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&pair).map_err(failed)?;
    Ok((certificate.pem(), pair.serialize_pem()))
}

/// Writes beside and renames, so that a stop in between leaves no half file.
fn write(path: &PathBuf, mode: u32, text: &str) -> Result<(), Error> {
    let fresh = path.with_extension("tmp");
    let written = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    written().map_err(|cause| Error::Write { path: path.clone(), cause })
}
