//! Authorities for tests: certificates good and bad, and revocation lists (feature `testing`).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList,
    CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A signer of certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Common name.
    pub common_name: String,
    /// Host names and addresses.
    pub hosts: Vec<String>,
    /// Serial number.
    pub serial: u64,
    /// First day, counted from now.
    pub first_day: i32,
    /// Last day, counted from now.
    pub last_day: i32,
}

/// Certificate and key, PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The chain.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Subject {
    /// Valid from yesterday for a month, for servers and clients.
    pub fn new(common_name: &str, hosts: &[&str]) -> Self {
        Self {
            common_name: common_name.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            serial: 1,
            first_day: -1,
            last_day: 30,
        }
    }

    /// The same with another serial number.
    #[must_use]
    pub fn serial(self, serial: u64) -> Self {
        Self { serial, ..self }
    }

    /// The same with other days, counted from now.
    #[must_use]
    pub fn days(self, first_day: i32, last_day: i32) -> Self {
        Self { first_day, last_day, ..self }
    }
}

impl Authority {
    /// A fresh authority.
    ///
    /// # Panics
    /// No key can be made.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a plain authority can be signed");
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate with a fresh key.
    ///
    /// # Panics
    /// A host is no name.
    pub fn issue(&self, subject: &Subject) -> Issued {
        let key = KeyPair::generate().expect("a key can be made");
        let params = CertificateParams::new(subject.hosts.clone());
        let mut params = params.expect("hosts of a test are names");
        params.distinguished_name.push(DnType::CommonName, subject.common_name.as_str());
        params.serial_number = Some(SerialNumber::from(subject.serial));
        params.not_before = day(subject.first_day).into();
        params.not_after = day(subject.last_day).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority can sign");
        Issued { cert: certificate.pem(), key: key.serialize_pem() }
    }

    /// A list that revokes these serial numbers.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn revoke(&self, serials: &[u64]) -> String {
        self.list(serials).pem().expect("a list has a PEM form")
    }

    /// The same as DER, the only form etcd reads.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn revoke_der(&self, serials: &[u64]) -> Vec<u8> {
        self.list(serials).der().to_vec()
    }

    fn list(&self, serials: &[u64]) -> CertificateRevocationList {
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: day(-1).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: day(-1).into(),
            next_update: day(30).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("an authority can sign")
    }
}

impl Issued {
    /// Writes `<name>.crt` and `<name>.key` and says where they are.
    ///
    /// # Panics
    /// The directory cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let cert = directory.join(format!("{name}.crt"));
        let key = directory.join(format!("{name}.key"));
        std::fs::write(&cert, &self.cert).expect("a test directory can be written");
        std::fs::write(&key, &self.key).expect("a test directory can be written");
        (cert, key)
    }
}

fn day(offset: i32) -> SystemTime {
    let now = SystemTime::now();
    let distance = DAY * offset.unsigned_abs();
    if offset < 0 { now - distance } else { now + distance }
}
