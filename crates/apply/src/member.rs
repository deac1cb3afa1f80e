//! One member of the cluster, and its JSON as etcd stores and proposes it.

use bytes::Bytes;
use ketch_base::MemberId;
use ketch_proto::etcdserverpb;
use serde::{Deserialize, Serialize};

/// What the cluster knows of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Derived from the peer URLs; see [`crate::member_id`].
    pub id: MemberId,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Receives the log but has no vote.
    pub is_learner: bool,
    /// Empty until the member has started and published itself.
    pub name: String,
    /// Where clients reach it; empty until published.
    pub client_urls: Vec<String>,
}

impl Member {
    /// The form clients see.
    pub fn to_proto(&self) -> etcdserverpb::Member {
        etcdserverpb::Member {
            id: self.id.0,
            name: self.name.clone(),
            peer_ur_ls: self.peer_urls.clone(),
            client_ur_ls: self.client_urls.clone(),
            is_learner: self.is_learner,
        }
    }

    /// Whether the member has ever published its name.
    pub fn is_started(&self) -> bool {
        !self.name.is_empty()
    }

    /// The context of a configuration change that adds or updates this member. Bootstrap entries
    /// carry no promotion mark (`None`), changes at run time always do.
    pub fn context_json(&self, is_promote: Option<bool>) -> Bytes {
        to_json(&Stored { is_promote, ..Stored::from(self) })
    }

    /// The value in the members bucket.
    pub(crate) fn row(&self) -> Bytes {
        to_json(&Stored::from(self))
    }

    /// Reads a members row or a change context; the flag tells a promotion.
    pub(crate) fn parse(json: &[u8]) -> Result<(Self, bool), serde_json::Error> {
        let stored: Stored = serde_json::from_slice(json)?;
        let promote = stored.is_promote.unwrap_or(false);
        let member = Self {
            id: MemberId(stored.id),
            peer_urls: stored.peer_urls.unwrap_or_default(),
            is_learner: stored.is_learner,
            name: stored.name,
            client_urls: stored.client_urls.unwrap_or_default(),
        };
        Ok((member, promote))
    }
}

/// The attributes a member publishes about itself, as JSON in requests up to 3.5.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, rename = "clientURLs")]
    pub(crate) client_urls: Option<Vec<String>>,
}

/// Field order and omissions are etcd's: the rows of both are compared byte for byte by
/// `Maintenance.Hash`.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    id: u64,
    #[serde(default, rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(default, rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, rename = "clientURLs", skip_serializing_if = "Option::is_none")]
    client_urls: Option<Vec<String>>,
    #[serde(default, rename = "isPromote", skip_serializing_if = "Option::is_none")]
    is_promote: Option<bool>,
}

impl From<&Member> for Stored {
    fn from(member: &Member) -> Self {
        let some = |urls: &Vec<String>| (!urls.is_empty()).then(|| urls.clone());
        Self {
            id: member.id.0,
            peer_urls: some(&member.peer_urls),
            is_learner: member.is_learner,
            name: member.name.clone(),
            client_urls: some(&member.client_urls),
            is_promote: None,
        }
    }
}

fn to_json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).expect("numbers and strings always have a JSON form").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(is_learner: bool, name: &str) -> Member {
        Member {
            id: MemberId(7),
            peer_urls: vec!["http://a:2380".into()],
            is_learner,
            name: name.into(),
            client_urls: if name.is_empty() { vec![] } else { vec!["http://a:2379".into()] },
        }
    }

    #[test]
    fn json_is_what_etcd_writes() {
        let check = |member: Member, promote: Option<bool>, expected: &str| {
            let json = member.context_json(promote);
            assert_eq!(std::str::from_utf8(&json).expect("text"), expected);
            let back = Member::parse(&json).expect("own output");
            assert_eq!(back, (member, promote == Some(true)));
        };
        check(member(false, ""), None, r#"{"id":7,"peerURLs":["http://a:2380"]}"#);
        check(
            member(true, "m"),
            Some(true),
            r#"{"id":7,"peerURLs":["http://a:2380"],"isLearner":true,"name":"m","clientURLs":["http://a:2379"],"isPromote":true}"#,
        );
        check(Member::default(), Some(false), r#"{"id":0,"peerURLs":null,"isPromote":false}"#);
    }

    #[test]
    fn garbage_is_refused() {
        for bad in ["", "{", r#"{"id":-1}"#, r#"{"id":"7"}"#, r#"{"peerURLs":3}"#] {
            assert!(Member::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
