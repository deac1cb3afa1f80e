//! Who sends, of which version, in which cluster: the headers between members.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use ketch_base::MemberId;

use crate::config::Config;

pub(crate) const SERVER_FROM: HeaderName = HeaderName::from_static("x-server-from");
pub(crate) const SERVER_VERSION: HeaderName = HeaderName::from_static("x-server-version");
const MIN_CLUSTER_VERSION: HeaderName = HeaderName::from_static("x-min-cluster-version");
pub(crate) const CLUSTER_ID: HeaderName = HeaderName::from_static("x-etcd-cluster-id");
pub(crate) const RAFT_TO: HeaderName = HeaderName::from_static("x-raft-to");
const PEER_URLS: HeaderName = HeaderName::from_static("x-peerurls");

/// What a member of a release before these headers would have sent.
const VERSION_OF_OLD: &str = "2.0.0";
/// Texts that etcd compares.
pub(crate) const INCOMPATIBLE_VERSION: &str = "incompatible version";
pub(crate) const CLUSTER_ID_MISMATCH: &str = "cluster ID mismatch";

/// Adds who we are.
pub(crate) fn put(config: &Config, headers: &mut HeaderMap) {
    put_text(headers, SERVER_FROM, &config.local.to_string());
    put_text(headers, SERVER_VERSION, &config.version);
    put_text(headers, MIN_CLUSTER_VERSION, &config.min_cluster_version);
    put_text(headers, CLUSTER_ID, &config.cluster.to_string());
    put_text(headers, PEER_URLS, &config.peer_urls.join(","));
}

/// Adds `text` unless it cannot be a header; such a name or URL was refused at start.
pub(crate) fn put_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Whether the sender and we may talk; else 412 and why.
pub(crate) fn check(config: &Config, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let refuse = |why: &str| Err((StatusCode::PRECONDITION_FAILED, why.to_owned()));
    let server = version(text(headers, &SERVER_VERSION).unwrap_or(VERSION_OF_OLD));
    let oldest = version(text(headers, &MIN_CLUSTER_VERSION).unwrap_or(VERSION_OF_OLD));
    let (Some(server), Some(oldest)) = (server, oldest) else {
        return refuse(INCOMPATIBLE_VERSION);
    };
    let (ours, our_oldest) = (version(&config.version), version(&config.min_cluster_version));
    if our_oldest.is_some_and(|bound| server < bound) || ours.is_some_and(|bound| oldest > bound) {
        return refuse(INCOMPATIBLE_VERSION);
    }
    if text(headers, &CLUSTER_ID) != Some(config.cluster.to_string().as_str()) {
        return refuse(CLUSTER_ID_MISMATCH);
    }
    Ok(())
}

/// The sender and its peer URLs, if both are there.
pub(crate) fn sender(headers: &HeaderMap) -> Option<(MemberId, Vec<String>)> {
    let from = member_id(text(headers, &SERVER_FROM)?)?;
    let urls = text(headers, &PEER_URLS)?;
    let urls: Vec<String> = urls.split(',').filter(|u| !u.is_empty()).map(str::to_owned).collect();
    (!urls.is_empty()).then_some((from, urls))
}

/// A member id as it stands in headers and paths: hexadecimal, no sign.
pub(crate) fn member_id(text: &str) -> Option<MemberId> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(MemberId)
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Major and minor of a version; patches are compatible.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use ketch_base::ClusterId;

    use super::*;

    #[test]
    fn versions_and_clusters_are_compared_as_etcd_does() {
        let config = Config::new(MemberId(1), ClusterId(0xab), vec![]);
        let verdict = |list: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                put_text(&mut headers, name.clone(), value);
            }
            check(&config, &headers).err().map(|(_, why)| why)
        };
        let version = Some(INCOMPATIBLE_VERSION.to_owned());
        let cluster = Some(CLUSTER_ID_MISMATCH.to_owned());
        assert_eq!(verdict(&[]), version);
        assert_eq!(verdict(&[(SERVER_VERSION, "2.9.0"), (CLUSTER_ID, "ab")]), version);
        assert_eq!(verdict(&[(SERVER_VERSION, "3.0.0"), (CLUSTER_ID, "ab")]), None);
        assert_eq!(verdict(&[(SERVER_VERSION, "3.7.1"), (CLUSTER_ID, "0ab")]), cluster);
        assert_eq!(verdict(&[(SERVER_VERSION, "x"), (CLUSTER_ID, "ab")]), version);
        let later = [(SERVER_VERSION, "3.9.0"), (MIN_CLUSTER_VERSION, "3.8.0"), (CLUSTER_ID, "ab")];
        assert_eq!(verdict(&later), version);
    }

    #[test]
    fn ids_are_unsigned_hexadecimal() {
        assert_eq!(member_id("dc50b8daae93b3e0"), Some(MemberId(0xdc50_b8da_ae93_b3e0)));
        assert_eq!(member_id("+5"), None);
        assert_eq!(member_id(""), None);
        assert_eq!(member_id("1dc50b8daae93b3e0"), None);
    }
}
