//! The membership as a store of the v2 API, which etcd keeps writing into raft snapshots: members
//! up to 3.6 read it from there (`disk.md` 4).
//!
//! Every node of that tree has the index of the change that made it. Nobody compares them, so they
//! are numbered as if the tree had just been made: members by id, the removed ones, the version.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_backend::{Bucket, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ExportError, unreadable};

/// Key of the cluster version in [`Bucket::Cluster`].
const VERSION_KEY: &[u8] = b"clusterVersion";
/// What a node that never expires carries.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// Slots of the event history. The reader keeps them, and writes into them, so they are there.
const HISTORY_EVENTS: usize = 1000;

/// A row of the members bucket, as far as it is wanted here.
#[derive(Deserialize)]
struct Member {
    #[serde(default, rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(default, rename = "isLearner")]
    is_learner: bool,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
}

#[derive(Serialize)]
struct RaftAttributes {
    #[serde(rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
}

#[derive(Serialize)]
struct Attributes {
    name: String,
    #[serde(rename = "clientURLs", skip_serializing_if = "Option::is_none")]
    client_urls: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    expire_time: &'static str,
    value: String,
    /// `None` for a leaf.
    children: Option<BTreeMap<String, Node>>,
}

/// The tree being made, and the changes that made it so far.
struct Tree {
    root: Node,
    changes: u64,
    creations: u64,
}

/// The membership of a view as JSON of the v2 store.
///
/// # Errors
/// The database, or a row of it that is no member.
pub fn v2_json(view: &View) -> Result<Bytes, ExportError> {
    let mut tree = Tree::new();
    for row in view.iter(Bucket::Members) {
        let (key, value) = row?;
        let member = serde_json::from_slice(&value);
        let member: Member = member.map_err(|_| unreadable(Bucket::Members, &key))?;
        let id = std::str::from_utf8(&key).map_err(|_| unreadable(Bucket::Members, &key))?;
        tree.add_member(id, member);
    }
    for row in view.iter(Bucket::MembersRemoved) {
        let (key, _) = row?;
        let id = std::str::from_utf8(&key);
        let id = id.map_err(|_| unreadable(Bucket::MembersRemoved, &key))?;
        tree.create(&["removed_members", id], String::new());
    }
    if let Some(version) = view.get(Bucket::Cluster, VERSION_KEY)? {
        let version = String::from_utf8(version.to_vec());
        tree.set(&["version"], version.map_err(|_| unreadable(Bucket::Cluster, VERSION_KEY))?);
    }
    Ok(tree.finish())
}

impl Tree {
    fn new() -> Self {
        let folder = |path: &str| (path[1..].to_owned(), Node::folder(path.to_owned(), 0));
        let mut root = Node::folder("/".to_owned(), 0);
        // The second is where keys of clients were.
        root.children = Some(BTreeMap::from([folder("/0"), folder("/1")]));
        Self { root, changes: 0, creations: 0 }
    }

    fn add_member(&mut self, id: &str, member: Member) {
        let Member { peer_urls, is_learner, name, client_urls } = member;
        self.create(
            &["members", id, "raftAttributes"],
            to_json(&RaftAttributes { peer_urls, is_learner }),
        );
        // A member that never ran has not told its name.
        if !name.is_empty() {
            let attributes = to_json(&Attributes { name, client_urls });
            self.set(&["members", id, "attributes"], attributes);
        }
    }

    fn create(&mut self, path: &[&str], value: String) {
        self.creations += 1;
        self.set(path, value);
    }

    /// Puts a leaf below `/0`, with the folders on the way.
    fn set(&mut self, path: &[&str], value: String) {
        self.changes += 1;
        let mut at = &mut self.root;
        let last = path.len();
        for (depth, name) in std::iter::once(&"0").chain(path).enumerate() {
            let below =
                if at.path == "/" { format!("/{name}") } else { format!("{}/{name}", at.path) };
            let children = at.children.get_or_insert_default();
            let index = self.changes;
            at = children.entry((*name).to_owned()).or_insert_with(|| Node::folder(below, index));
            if depth == last {
                at.children = None;
            }
        }
        at.value = value;
    }

    fn finish(self) -> Bytes {
        let index = self.changes;
        let store = json!({
            "Root": self.root,
            "WatcherHub": { "EventHistory": {
                "Queue": {
                    "Events": vec![Value::Null; HISTORY_EVENTS],
                    "Size": 0,
                    "Front": 0,
                    "Back": 0,
                    "Capacity": HISTORY_EVENTS,
                },
                "StartIndex": 0,
                "LastIndex": index,
            } },
            "CurrentIndex": index,
            "Stats": stats(self.creations, index - self.creations),
            "CurrentVersion": 2,
        });
        store.to_string().into()
    }
}

impl Node {
    fn folder(path: String, index: u64) -> Self {
        let children = Some(BTreeMap::new());
        let (created_index, modified_index) = (index, index);
        Self {
            path,
            created_index,
            modified_index,
            expire_time: NEVER,
            value: String::new(),
            children,
        }
    }
}

fn stats(creations: u64, sets: u64) -> Value {
    json!({
        "getsSuccess": 0,
        "getsFail": 0,
        "setsSuccess": sets,
        "setsFail": 0,
        "deleteSuccess": 0,
        "deleteFail": 0,
        "updateSuccess": 0,
        "updateFail": 0,
        "createSuccess": creations,
        "createFail": 0,
        "compareAndSwapSuccess": 0,
        "compareAndSwapFail": 0,
        "compareAndDeleteSuccess": 0,
        "compareAndDeleteFail": 0,
        "expireCount": 0,
        "watchers": 0,
    })
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("text always has a JSON form")
}
