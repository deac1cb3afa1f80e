//! etcd's rule for members: a certificate that names addresses or hosts must come from one of them.

use std::net::IpAddr;
use std::time::Duration;

use crate::PeerCertificate;
use crate::rules::quoted;

/// Longest wait for the names of an address; well below the limit of a handshake.
const REVERSE_LIMIT: Duration = Duration::from_secs(3);

/// Holds the names of a certificate against the address it came from. A certificate that names
/// nothing may come from anywhere. The error is etcd's sentence.
pub(crate) async fn check(peer: &PeerCertificate, remote: IpAddr) -> Result<(), String> {
    let remote = remote.to_canonical();
    if peer.ips.contains(&remote) || (peer.ips.is_empty() && peer.dns_names.is_empty()) {
        return Ok(());
    }
    if peer.dns_names.is_empty() {
        let ips: Vec<_> = peer.ips.iter().map(ToString::to_string).collect();
        return Err(format!("x509: certificate is valid for {}, not {remote}", ips.join(", ")));
    }
    for name in peer.dns_names.iter().filter(|name| !name.starts_with("*.")) {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        if found.is_ok_and(|mut found| found.any(|at| at.ip().to_canonical() == remote)) {
            return Ok(());
        }
    }
    let known = reverse(remote).await;
    if known.iter().any(|name| named(name, &peer.dns_names)) {
        return Ok(());
    }
    let names = quoted(&peer.dns_names);
    Err(format!("tls: \"{remote}\" does not match any of DNSNames [{names}]"))
}

/// Whether a name of the address is one of the certificate's, patterns included.
fn named(name: &str, patterns: &[String]) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(tail) if tail.starts_with('.') => name.ends_with(tail),
        _ => name == pattern,
    })
}

/// Names of an address; none when nobody knows it.
async fn reverse(remote: IpAddr) -> Vec<String> {
    let Ok(builder) = hickory_resolver::TokioResolver::builder_tokio() else { return Vec::new() };
    let Ok(resolver) = builder.build() else { return Vec::new() };
    match tokio::time::timeout(REVERSE_LIMIT, resolver.reverse_lookup(remote)).await {
        Ok(Ok(found)) => found.answers().iter().map(|record| record.data.to_string()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |name: &str, pattern: &str| named(name, &[pattern.to_owned()]);
        assert!(check("a.example.", "a.example"));
        assert!(check("a.example", "*.example"));
        assert!(!check("b.example", "a.example"));
        assert!(!check("aexample", "*.example"));
    }

    #[tokio::test]
    async fn addresses() {
        let peer = |ips: &[&str]| PeerCertificate {
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..PeerCertificate::default()
        };
        let at: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(check(&peer(&[]), at).await, Ok(()));
        assert_eq!(check(&peer(&["10.0.0.1"]), at).await, Ok(()));
        let refused = check(&peer(&["10.0.0.2", "::1"]), at).await;
        let text = "x509: certificate is valid for 10.0.0.2, ::1, not 10.0.0.1";
        assert_eq!(refused, Err(text.to_owned()));
    }
}
