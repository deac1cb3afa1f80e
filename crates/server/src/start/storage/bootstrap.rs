//! The first start of a member: founding a cluster with others, or joining one that runs.
//!
//! Everything that must be asked of the outside goes through [`Outside`], so that the decisions
//! can be tried without a network. Texts of refusals are etcd's.

mod discovery;
mod join;
mod network;
mod resolver;
mod same_urls;
mod srv;
mod verify;

use std::time::Duration;

use ketch_apply::{Member, cluster_id, member_id};
use ketch_base::{ClusterId, MemberId};
use ketch_node::recover::{Begin, Founder, Founding};
use ketch_proto::etcdserverpb;

use crate::config::initial_cluster::{self, Named, Written};
use crate::config::{Config, Discovery, DiscoveryService};
pub(super) use discovery::DiscoveryError;
pub(super) use network::Network;
pub(super) use same_urls::Lookup;

/// How long members of the same name are asked whether they know this one.
const IS_BOOTSTRAPPED_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a member cannot begin. Display is the text etcd prints.
#[derive(Debug, thiserror::Error)]
pub(super) enum BootstrapError {
    /// The list of members leaves this one out.
    #[error("couldn't find local name {0:?} in the initial cluster configuration")]
    NameMissing(String),
    /// Own URLs differ from those in the list.
    #[error("{0}")]
    Mismatch(String),
    /// Two members of one URL.
    #[error("initial cluster {0} has duplicate url")]
    DuplicateUrl(String),
    /// Two members of one URL, as discovered.
    #[error("discovery cluster {0} has duplicate url")]
    DuplicateDiscovered(String),
    /// A cluster that runs needs not be discovered.
    #[error("discovery URL should not be set when joining existing initial cluster")]
    DiscoveryWithJoin,
    /// The cluster this member would found runs, and has had this member.
    #[error("member {0} has already been bootstrapped")]
    Bootstrapped(MemberId),
    /// No member of the cluster answered.
    #[error("cannot fetch cluster info from peer urls: {0}")]
    NoAnswer(String),
    /// The cluster is not as the list says.
    #[error("error validating peerURLs {cluster}: {why}")]
    Unequal {
        /// As it runs.
        cluster: String,
        /// The difference.
        why: String,
    },
    /// The cluster's version is not one this release can serve.
    #[error("incompatible with current running cluster")]
    Incompatible,
    /// More learners than allowed.
    #[error("membership: too many learner members in cluster")]
    TooManyLearners,
    /// SRV records could not be had, or do not name this member.
    #[error("error setting up initial cluster: {0}")]
    Srv(String),
    /// The discovery service refused.
    #[error("failed to join discovery cluster ({0})")]
    Discovery(DiscoveryError),
}

/// A cluster as one of its members tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Running {
    pub(super) cluster: ClusterId,
    pub(super) members: Vec<etcdserverpb::Member>,
}

/// What can be asked before there is a member; calls block.
pub(super) trait Outside: Lookup {
    /// The members that the first of `urls` to answer knows.
    fn cluster(&self, urls: &[String], timeout: Duration) -> Result<Running, String>;
    /// The cluster version that a member at one of `urls` tells.
    fn cluster_version(&self, urls: &[String], timeout: Duration) -> Option<String>;
    /// Registers this member and waits for the others; all of them as `--initial-cluster` has it.
    fn discover(
        &self,
        service: &DiscoveryService,
        id: MemberId,
        own: &str,
    ) -> Result<String, DiscoveryError>;
    /// Targets and ports of the SRV records of `_service._tcp.domain`.
    fn srv(&self, service: &str, domain: &str) -> Result<Vec<(String, u16)>, String>;
}

/// What a member without a log begins as.
#[derive(Debug, PartialEq)]
pub(super) struct Beginning {
    pub(super) begin: Begin,
    /// The other members with their peer URLs.
    pub(super) others: Vec<(MemberId, Vec<String>)>,
}

/// Decides what a member without a log begins as, asking others where that is needed.
pub(super) fn decide(config: &Config, outside: &impl Outside) -> Result<Beginning, BootstrapError> {
    let named = match &config.discovery {
        Some(Discovery::Srv { domain, service }) => {
            let own = srv::Own { name: &config.name, peer_urls: &config.peer_urls };
            srv::members(outside, own, domain, service).map_err(BootstrapError::Srv)?
        }
        _ => config.initial_cluster.clone(),
    };
    let list = verify::List { name: &config.name, members: &named };
    if config.initial_cluster_existing {
        list.check_to_join(matches!(config.discovery, Some(Discovery::Service(_))))?;
        return join::join(config, list, outside);
    }
    list.check_to_found(&config.peer_urls, outside)?;
    let founding = Founders::new(config, &named)?;
    if founding.is_bootstrapped(outside) {
        return Err(BootstrapError::Bootstrapped(founding.local));
    }
    let Some(Discovery::Service(service)) = &config.discovery else {
        return Ok(founding.beginning());
    };
    let own = Written(&named).to_string();
    let all = outside.discover(service, founding.local, &own).map_err(BootstrapError::Discovery)?;
    let named = initial_cluster::parse(&all)
        .map_err(|_| BootstrapError::Discovery(DiscoveryError::InvalidUrl))?;
    if verify::has_duplicate_url(&named) {
        return Err(BootstrapError::DuplicateDiscovered(Written(&named).to_string()));
    }
    Ok(Founders::new(config, &named)?.beginning())
}

/// What this member begins as again if its founding was cut short: only where that needs nobody.
pub(super) fn again(config: &Config) -> Option<Begin> {
    if config.initial_cluster_existing || config.discovery.is_some() {
        return None;
    }
    let founders = Founders::new(config, &config.initial_cluster).ok()?;
    Some(founders.beginning().begin)
}

/// The first members with their ids, and which of them this one is.
struct Founders {
    local: MemberId,
    members: Vec<Member>,
}

impl Founders {
    fn new(config: &Config, named: &Named) -> Result<Self, BootstrapError> {
        let member = |(name, peer_urls): &(String, Vec<String>)| Member {
            id: member_id(peer_urls, &config.initial_cluster_token),
            peer_urls: peer_urls.clone(),
            is_learner: false,
            name: name.clone(),
            client_urls: Vec::new(),
        };
        let members: Vec<Member> = named.iter().map(member).collect();
        let local = members.iter().find(|member| member.name == config.name);
        let missing = || BootstrapError::NameMissing(config.name.clone());
        Ok(Self { local: local.ok_or_else(missing)?.id, members })
    }

    fn others(&self) -> Vec<(MemberId, Vec<String>)> {
        let others = self.members.iter().filter(|member| member.id != self.local);
        others.map(|member| (member.id, member.peer_urls.clone())).collect()
    }

    /// Whether a cluster runs already in which this member had told its client URLs.
    fn is_bootstrapped(&self, outside: &impl Outside) -> bool {
        let urls = sorted_urls(self.others().into_iter().map(|(_, urls)| urls));
        let Ok(running) = outside.cluster(&urls, IS_BOOTSTRAPPED_TIMEOUT) else { return false };
        let same = |member: &&etcdserverpb::Member| member.id == self.local.0;
        running.members.iter().find(same).is_some_and(|member| !member.client_ur_ls.is_empty())
    }

    fn beginning(&self) -> Beginning {
        let ids: Vec<MemberId> = self.members.iter().map(|member| member.id).collect();
        let founder =
            |member: &Member| Founder { id: member.id, context: member.context_json(None) };
        let begin = Begin::Found(Founding {
            member: self.local,
            cluster: cluster_id(&ids),
            founders: self.members.iter().map(founder).collect(),
        });
        Beginning { begin, others: self.others() }
    }
}

fn sorted_urls(urls: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut urls: Vec<String> = urls.flatten().collect();
    urls.sort();
    urls
}

#[cfg(test)]
mod tests;
