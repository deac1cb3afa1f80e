//! How etcd derives identifiers: members and clusters by hash, requests by counting.

use std::sync::atomic::{AtomicU64, Ordering};

use ketch_base::{ClusterId, MemberId, RequestId};
use sha1::{Digest, Sha1};

/// Bits of a request id below the member prefix.
const SUFFIX_BITS: u32 = 48;
/// Bits of the start time kept in a request id.
const TIME_BITS: u32 = 40;
/// Bits left to count within the millisecond of the start.
const COUNTER_BITS: u32 = 8;

/// The id of a member known at bootstrap: SHA-1 over its sorted peer URLs and the cluster token.
pub fn member_id(peer_urls: &[String], token: &str) -> MemberId {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let mut hash = Sha1::new();
    for url in urls {
        hash.update(url.as_bytes());
    }
    hash.update(token.as_bytes());
    MemberId(leading_u64(&hash.finalize()))
}

/// The id of a member added at run time: the token gives way to the decimal unix seconds.
pub fn member_id_at(peer_urls: &[String], unix_s: i64) -> MemberId {
    member_id(peer_urls, &unix_s.to_string())
}

/// The id of a cluster: SHA-1 over the ids of its first members, ascending.
pub fn cluster_id(members: &[MemberId]) -> ClusterId {
    let mut ids: Vec<u64> = members.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in ids {
        hash.update(id.to_be_bytes());
    }
    ClusterId(leading_u64(&hash.finalize()))
}

fn leading_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Hands out request ids that no other member and no earlier run of this one hands out: 16 bits of
/// the member id, 40 bits of the start time in milliseconds, then one more for each.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u64,
    suffix: AtomicU64,
}

impl RequestIds {
    /// Starts counting for `member` at a wall clock time given in milliseconds since 1970.
    pub fn new(member: MemberId, start_unix_ms: u64) -> Self {
        let time = start_unix_ms & ((1 << TIME_BITS) - 1);
        Self { prefix: member.0 << SUFFIX_BITS, suffix: AtomicU64::new(time << COUNTER_BITS) }
    }

    /// The next id. Callable from any thread.
    pub fn next(&self) -> RequestId {
        let suffix = self.suffix.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        RequestId(self.prefix | suffix & ((1 << SUFFIX_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(list: &[&str]) -> Vec<String> {
        list.iter().map(|url| (*url).to_owned()).collect()
    }

    #[test]
    fn hashes_match_the_vectors_of_etcd() {
        let check = |url: &str, token: &str, member: &str, cluster: u64| {
            let id = member_id(&urls(&[url]), token);
            assert_eq!((id.to_string().as_str(), cluster_id(&[id]).0), (member, cluster));
        };
        check("http://127.0.0.1:24800", "tok", "926ecc1f78366a58", 9_878_925_065_471_870_057);
        check("http://localhost:2380", "etcd-cluster", "8e9e05c52164694d", 0xcdf8_1819_4e3a_8c32);
    }

    #[test]
    fn order_of_urls_and_members_does_not_matter() {
        let (a, b) = ("http://a:1", "http://b:1");
        assert_eq!(member_id(&urls(&[a, b]), "t"), member_id(&urls(&[b, a]), "t"));
        let (one, two) = (MemberId(1), MemberId(2));
        assert_eq!(cluster_id(&[one, two]), cluster_id(&[two, one]));
    }

    #[test]
    fn request_ids_carry_member_and_time() {
        let ids = RequestIds::new(MemberId(0x926e_cc1f_7836_6a58), 0x1ff_0123_4567_89ab);
        assert_eq!(ids.next().0, 0x6a58_2345_6789_ab01);
        assert_eq!(ids.next().0, 0x6a58_2345_6789_ab02);
    }
}
