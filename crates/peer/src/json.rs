//! The JSON between members, with etcd's field names and order.

use ketch_proto::etcdserverpb::Member;
use serde::{Deserialize, Serialize};

use crate::ports::{HashAnswer, Versions};

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Deserialize)]
struct MemberJson {
    id: u64,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", default, skip_serializing_if = "is_false")]
    is_learner: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "clientURLs", default, skip_serializing_if = "Vec::is_empty")]
    client_urls: Vec<String>,
}

/// The list of members, with the newline that ends it.
pub(crate) fn members(members: Vec<Member>) -> serde_json::Result<Vec<u8>> {
    let list: Vec<MemberJson> = members
        .into_iter()
        .map(|member| MemberJson {
            id: member.id,
            peer_urls: Some(member.peer_ur_ls),
            is_learner: member.is_learner,
            name: member.name,
            client_urls: member.client_ur_ls,
        })
        .collect();
    let mut bytes = serde_json::to_vec(&list)?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub(crate) fn parse_members(bytes: &[u8]) -> serde_json::Result<Vec<Member>> {
    let list: Vec<MemberJson> = serde_json::from_slice(bytes)?;
    let member = |json: MemberJson| Member {
        id: json.id,
        name: json.name,
        peer_ur_ls: json.peer_urls.unwrap_or_default(),
        client_ur_ls: json.client_urls,
        is_learner: json.is_learner,
    };
    Ok(list.into_iter().map(member).collect())
}

#[derive(Serialize, Deserialize)]
struct VersionsJson {
    etcdserver: String,
    etcdcluster: String,
    #[serde(default)]
    storage: String,
}

pub(crate) fn versions(versions: Versions) -> serde_json::Result<Vec<u8>> {
    let Versions { server, cluster, storage } = versions;
    serde_json::to_vec(&VersionsJson { etcdserver: server, etcdcluster: cluster, storage })
}

pub(crate) fn parse_versions(bytes: &[u8]) -> serde_json::Result<Versions> {
    let json: VersionsJson = serde_json::from_slice(bytes)?;
    Ok(Versions { server: json.etcdserver, cluster: json.etcdcluster, storage: json.storage })
}

#[derive(Serialize, Deserialize)]
struct HashRequestJson {
    #[serde(default)]
    revision: i64,
}

pub(crate) fn hash_request(revision: i64) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&HashRequestJson { revision })
}

pub(crate) fn parse_hash_request(bytes: &[u8]) -> serde_json::Result<i64> {
    Ok(serde_json::from_slice::<HashRequestJson>(bytes)?.revision)
}

#[derive(Default, Serialize, Deserialize)]
struct HashHeaderJson {
    #[serde(default, skip_serializing_if = "is_zero")]
    revision: i64,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[derive(Serialize, Deserialize)]
struct HashJson {
    #[serde(default)]
    header: HashHeaderJson,
    #[serde(default)]
    hash: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    compact_revision: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    hash_revision: i64,
}

pub(crate) fn hash(answer: HashAnswer) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&HashJson {
        header: HashHeaderJson { revision: answer.header_revision },
        hash: answer.hash,
        compact_revision: answer.compact_revision,
        hash_revision: answer.hash_revision,
    })
}

pub(crate) fn parse_hash(bytes: &[u8]) -> serde_json::Result<HashAnswer> {
    let json: HashJson = serde_json::from_slice(bytes)?;
    Ok(HashAnswer {
        header_revision: json.header.revision,
        hash: json.hash,
        compact_revision: json.compact_revision,
        hash_revision: json.hash_revision,
    })
}
