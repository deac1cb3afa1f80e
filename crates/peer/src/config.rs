//! Who we are to the other members, and how long we wait for them.

use std::time::Duration;

use ketch_base::{ClusterId, MemberId};

use crate::limits;
use crate::net::Dialer;

/// What every request to another member carries, and the time-outs.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub local: MemberId,
    /// The cluster; requests of another one are refused with 412.
    pub cluster: ClusterId,
    /// Our version, `X-Server-Version`.
    pub version: String,
    /// The oldest cluster we can be in, `X-Min-Cluster-Version`.
    pub min_cluster_version: String,
    /// Our own peer URLs, `X-PeerURLs`: a receiver that does not know us yet answers there.
    pub peer_urls: Vec<String>,
    /// The election time-out in milliseconds; a dial may take a second longer than it.
    pub election_ms: u64,
    /// Silence after which a stream or an idle connection is given up, in milliseconds
    /// (`--raft-read-timeout`).
    pub read_timeout_ms: u64,
    /// How long one socket write may stall, in milliseconds (`--raft-write-timeout`).
    pub write_timeout_ms: u64,
    /// How members are dialed whose URL says https.
    pub dialer: Dialer,
}

impl Config {
    /// etcd 3.7.1's defaults, and no certificates.
    pub fn new(local: MemberId, cluster: ClusterId, peer_urls: Vec<String>) -> Self {
        Self {
            local,
            cluster,
            version: "3.7.1".into(),
            min_cluster_version: "3.0.0".into(),
            peer_urls,
            election_ms: 1_000,
            read_timeout_ms: limits::READ_TIMEOUT_MS,
            write_timeout_ms: limits::WRITE_TIMEOUT_MS,
            dialer: Dialer::default(),
        }
    }

    pub(crate) fn dial_timeout(&self) -> Duration {
        Duration::from_millis(limits::DIAL_GRACE_MS + self.election_ms)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// Three beats fit into the other side's read time-out.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.read_timeout() / limits::HEARTBEATS_PER_READ_TIMEOUT
    }
}
