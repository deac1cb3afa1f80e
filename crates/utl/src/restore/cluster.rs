//! The members of the new cluster, from the command line.

use std::collections::BTreeMap;

use ketch_apply::{Member, cluster_id, member_id};
use ketch_base::{ClusterId, MemberId};

use super::urls;
use crate::failure::Failure;

/// A cluster that is about to exist.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) id: ClusterId,
    /// The member whose directory is made.
    pub(super) local: MemberId,
    /// All members, by id.
    pub(super) members: Vec<Member>,
}

impl Cluster {
    /// Reads and checks `--name`, `--initial-cluster`, `--initial-advertise-peer-urls` and
    /// `--initial-cluster-token`.
    pub(super) fn parse(
        name: &str,
        initial_cluster: &str,
        advertised: &str,
        token: &str,
    ) -> Result<Self, Failure> {
        let advertised = urls::parse_all(advertised.split(','))?;
        let by_name = parse_initial_cluster(initial_cluster)?;
        check(name, &advertised, &by_name)?;
        let member = |(name, peer_urls): (&String, &Vec<String>)| Member {
            id: member_id(peer_urls, token),
            peer_urls: peer_urls.clone(),
            name: name.clone(),
            ..Member::default()
        };
        let mut members: Vec<_> = by_name.iter().map(member).collect();
        members.sort_by_key(|member| member.id);
        let ids: Vec<_> = members.iter().map(|member| member.id).collect();
        let local = by_name.get(name).map(|peer_urls| member_id(peer_urls, token));
        let local = local.ok_or_else(|| no_local_name(name))?;
        Ok(Self { id: cluster_id(&ids), local, members })
    }
}

fn parse_initial_cluster(text: &str) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, url) = part.split_once('=').unwrap_or((part, ""));
        texts.entry(name.to_owned()).or_default().push(url);
    }
    let parsed =
        texts.into_iter().map(|(name, list)| Ok((name, urls::parse_all(list.into_iter())?)));
    parsed.collect()
}

fn check(
    name: &str,
    advertised: &[String],
    by_name: &BTreeMap<String, Vec<String>>,
) -> Result<(), Failure> {
    let own = by_name.get(name).ok_or_else(|| no_local_name(name))?;
    let all: Vec<_> = by_name.values().flatten().collect();
    let mut distinct = all.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != all.len() {
        let cluster = cluster_text(by_name.iter());
        return Err(Failure::error(format_args!("initial cluster {cluster} has duplicate url")));
    }
    let Err(why) = urls::compare(advertised, own) else { return Ok(()) };
    let advertised_text = advertised.join(",");
    let missing: Vec<_> = own.iter().filter(|url| !advertised.contains(url)).cloned().collect();
    if !missing.is_empty() {
        let missing = cluster_text([(name, &missing)]);
        return Err(Failure::error(format_args!(
            "--initial-cluster has {missing} but missing from \
             --initial-advertise-peer-urls={advertised_text} ({why})"
        )));
    }
    let missing: Vec<_> = advertised.iter().filter(|url| !own.contains(url)).cloned().collect();
    // etcdutl shows the advertised URLs on both sides.
    let (missing, shown) = (missing.join(","), cluster_text([(name, advertised)]));
    Err(Failure::error(format_args!(
        "--initial-advertise-peer-urls has {missing} but missing from --initial-cluster={shown}"
    )))
}

fn no_local_name(name: &str) -> Failure {
    Failure::error(format_args!(
        "couldn't find local name {name:?} in the initial cluster configuration"
    ))
}

fn cluster_text<N: AsRef<str>>(
    members: impl IntoIterator<Item = (N, impl AsRef<[String]>)>,
) -> String {
    let mut pairs = Vec::new();
    for (name, urls) in members {
        pairs.extend(urls.as_ref().iter().map(|url| format!("{}={url}", name.as_ref())));
    }
    pairs.join(",")
}
