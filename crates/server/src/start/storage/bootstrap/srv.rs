//! The first members from SRV records, as etcd names them: `_etcd-server-ssl._tcp.DOMAIN` for
//! peers that speak TLS, `_etcd-server._tcp.DOMAIN` for those that do not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use url::Url;

use super::Outside;
use crate::config::initial_cluster::{self, Named, urls_of};

/// The member that looks for its companions; it knows itself by the address of its peer URLs.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) name: &'a str,
    pub(super) peer_urls: &'a [String],
}

/// Looks up both kinds of records; either alone will do.
///
/// # Errors
/// Neither kind is there, or none of the records is this member.
pub(super) fn members(
    outside: &impl Outside,
    own: Own<'_>,
    domain: &str,
    suffix: &str,
) -> Result<Named, String> {
    let dash = if suffix.is_empty() { "" } else { "-" };
    let service = |kind: &str| format!("{kind}{dash}{suffix}");
    let kinds = [("https", service("etcd-server-ssl")), ("http", service("etcd-server"))];
    let mut pairs = Vec::new();
    let mut errors = Vec::new();
    for (scheme, service) in &kinds {
        let found = pairs_of(outside, own, domain, service, scheme);
        tracing::info!(service, domain, found = ?found, "get cluster from SRV records");
        match found {
            Ok(found) => pairs.extend(found),
            Err(why) => errors.push(why),
        }
    }
    if pairs.is_empty() {
        return Err(errors.join("\n"));
    }
    let named = initial_cluster::parse(&pairs.join(","))?;
    if urls_of(&named, own.name).is_none() {
        return Err(format!("cannot find local etcd member {:?} in SRV records", own.name));
    }
    Ok(named)
}

/// `name=url` of each record of one kind. Others have numbers for names until they publish theirs.
fn pairs_of(
    outside: &impl Outside,
    own: Own<'_>,
    domain: &str,
    service: &str,
    scheme: &str,
) -> Result<Vec<String>, String> {
    let own_places = places(outside, own)?;
    let failed = |why: String| format!("error querying DNS SRV records for _{service} {why}");
    let records = outside.srv(service, domain).map_err(failed)?;
    let mut pairs = Vec::new();
    let mut error = None;
    let mut number = 0;
    for (target, port) in records {
        let host = target.trim_end_matches('.');
        let place = match outside.address(host, port) {
            Ok(place) => place,
            Err(why) => {
                error = Some(why);
                continue;
            }
        };
        let own_url = own_places.get(&place);
        if let Some(url) = own_url.filter(|url| url.scheme() != scheme) {
            let url = url.as_str().trim_end_matches('/');
            error = Some(format!(
                "bootstrap at {scheme}://{host}:{port} from DNS for {service} has scheme mismatch \
                 with expected peer {url}"
            ));
            continue;
        }
        let name = match own_url {
            Some(_) => own.name.to_owned(),
            None => {
                number += 1;
                (number - 1).to_string()
            }
        };
        pairs.push(format!("{name}={scheme}://{host}:{port}"));
    }
    match (pairs.is_empty(), error) {
        (true, Some(why)) => Err(failed(why)),
        _ => Ok(pairs),
    }
}

fn places(outside: &impl Outside, own: Own<'_>) -> Result<BTreeMap<SocketAddr, Url>, String> {
    let mut places = BTreeMap::new();
    for text in own.peer_urls {
        let Ok(url) = Url::parse(text) else { continue };
        let host = url.host_str().unwrap_or_default();
        let place = outside.address(host, url.port_or_known_default().unwrap_or_default())?;
        places.insert(place, url);
    }
    Ok(places)
}
