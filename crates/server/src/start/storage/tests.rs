//! What a data directory becomes at a start: founded, joined, gone on with, alone.

use std::net::SocketAddr;
use std::time::Duration;

use ketch_backend::{Batch, Bucket, Durable};
use ketch_proto::etcdserverpb;
use ketch_raft_proto::raftpb::ConfChange;
use prost::Message;

use super::bootstrap::{DiscoveryError, Lookup, Running};
use super::*;
use crate::config::DiscoveryService;

const TWO: &str = "--initial-cluster a=http://127.0.0.1:1,b=http://127.0.0.1:2";
const ID: &str = "--name a --initial-advertise-peer-urls http://127.0.0.1:1";

/// The cluster that `b` knows, if it runs.
#[derive(Clone, Default)]
struct Outer(Option<Running>);

impl Lookup for Outer {
    fn address(&self, host: &str, _: u16) -> Result<SocketAddr, String> {
        Err(format!("lookup {host}: no such host"))
    }
    fn rest(&self, _: Duration) {}
}

impl Outside for Outer {
    fn cluster(&self, _: &[String], _: Duration) -> Result<Running, String> {
        self.0.clone().ok_or_else(|| "nobody".to_owned())
    }
    fn cluster_version(&self, _: &[String], _: Duration) -> Option<String> {
        Some("3.7.0".to_owned())
    }
    fn discover(
        &self,
        _: &DiscoveryService,
        _: MemberId,
        _: &str,
    ) -> Result<String, DiscoveryError> {
        Err(DiscoveryError::SizeNotFound)
    }
    fn srv(&self, _: &str, _: &str) -> Result<Vec<(String, u16)>, String> {
        Err("no records".to_owned())
    }
}

fn cluster() -> Outer {
    let member = |id: u64, url: &str| etcdserverpb::Member {
        id,
        peer_ur_ls: vec![url.to_owned()],
        ..Default::default()
    };
    let members = vec![member(7, "http://127.0.0.1:1"), member(5, "http://127.0.0.1:2")];
    Outer(Some(Running { cluster: ClusterId(0xabc), members }))
}

/// A data directory, opened again and again.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn open(&self, words: &str, outside: &Outer) -> Result<Storage> {
        let path = self.0.path().display();
        let words = format!("--data-dir {path} {ID} {words}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let config = Config::load(&words, [])?;
        Storage::open_with(&config, Arc::new(RealDisk), || Ok(outside.clone()))
    }

    /// `member cluster | peers | changes in the log`
    fn shows(&self, words: &str, outside: &Outer) -> String {
        let storage = match self.open(words, outside) {
            Ok(storage) => storage,
            Err(error) => return format!("{error:#}"),
        };
        let peers: Vec<String> = storage.first_peers.iter().map(|(id, _)| id.to_string()).collect();
        let change = |data: Option<&Bytes>| {
            let change = ConfChange::decode(data.cloned().unwrap_or_default()).expect("a change");
            let verb = if change.r#type() as i32 == 0 { "add" } else { "remove" };
            format!("{verb} {:x}", change.node_id())
        };
        let entries = storage.started.restored.entries.iter();
        let changes: Vec<String> = entries.map(|entry| change(entry.data.as_ref())).collect();
        format!(
            "{} {} | {} | {}",
            storage.member,
            storage.cluster,
            peers.join(" "),
            changes.join(", ")
        )
    }
}

#[test]
fn founded_then_gone_on_with() {
    let folder = Folder::new();
    let nobody = Outer(None);
    let founded = folder.shows(TWO, &nobody);
    let own = founded.split(' ').next().expect("an id").to_owned();
    assert_eq!(founded.matches("add ").count(), 2, "{founded}");
    assert!(founded.contains(&format!("add {own}")), "{founded}");
    // What is said of the cluster is not looked at again.
    for words in ["", "--initial-cluster-state existing", "--initial-cluster x", "--name z"] {
        let again = folder.shows(words, &nobody);
        let ends = |text: &str| {
            let (ids, rest) = text.split_once(" | ").expect("ids and peers");
            (ids.to_owned(), rest.split_once(" | ").expect("peers and changes").1.to_owned())
        };
        assert_eq!(ends(&again), ends(&founded), "{words}");
    }
}

#[test]
fn joined_then_waiting() {
    let folder = Folder::new();
    let words = format!("{TWO} --initial-cluster-state existing");
    assert_eq!(
        folder.shows(&words, &Outer(None)),
        "cannot fetch cluster info from peer urls: nobody"
    );
    assert_eq!(folder.shows(&words, &cluster()), "7 abc | 5 | ");
    // The cluster does not run now; the state is said to be new; it stays what it is.
    assert_eq!(folder.shows(&words, &Outer(None)), "7 abc |  | ");
    assert_eq!(folder.shows(TWO, &Outer(None)), "7 abc |  | ");
}

#[test]
fn alone_by_force() {
    let folder = Folder::new();
    let founded = folder.shows(TWO, &Outer(None));
    let alone = folder.shows("--force-new-cluster", &Outer(None));
    assert_eq!(alone.matches("add ").count(), 2, "{alone}");
    assert_eq!(alone.matches("remove ").count(), 1, "{alone}");
    let own = founded.split(' ').next().expect("an id");
    assert!(!alone.contains(&format!("remove {own}")), "{alone}");
    assert!(alone.contains(" |  | "), "{alone}");
}

#[test]
fn a_directory_of_etcd_is_refused() {
    let folder = Folder::new();
    let snap = folder.0.path().join("member/snap");
    std::fs::create_dir_all(&snap).expect("folders");
    std::fs::write(snap.join("db"), b"").expect("a file");
    let refused = folder.shows("", &Outer(None));
    assert!(refused.contains("is the data directory of an etcd member"), "{refused}");
}

#[test]
fn left_overs_are_swept() {
    let folder = Folder::new();
    let snap = folder.0.path().join("member/snap");
    std::fs::create_dir_all(&snap).expect("folders");
    let left = snap.join(install::received_name(Index(9)));
    std::fs::write(&left, b"half").expect("a file");
    folder.open("", &Outer(None)).expect("a member");
    assert!(!left.exists());
}

#[test]
fn a_prepared_snapshot_is_taken_up() {
    let folder = Folder::new();
    drop(folder.open("", &Outer(None)).expect("a member"));
    let snap = folder.0.path().join("member/snap");
    let prepared = snap.join(install::prepared_name(Index(50)));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (backend, mut drain) =
        Backend::open(disk, &prepared, BackendConfig::default()).expect("a database");
    let mut batch = Batch::new();
    let number = |value: u64| Bytes::copy_from_slice(&value.to_be_bytes());
    batch.put(Bucket::Meta, Bytes::from_static(Durable::INDEX_KEY), number(50));
    batch.put(Bucket::Meta, Bytes::from_static(Durable::TERM_KEY), number(3));
    backend.append(batch);
    while drain.step().expect("a write").more {}
    drop((backend, drain));
    let storage = folder.open("", &Outer(None)).expect("a member");
    assert_eq!(storage.backend.durable().index, Index(50));
    assert_eq!(storage.started.restored.applied, Index(50));
    assert!(!prepared.exists());
    drop(storage);
    // An older one is not.
    let older = snap.join(install::prepared_name(Index(40)));
    std::fs::write(&older, b"").expect("a file");
    let storage = folder.open("", &Outer(None)).expect("a member");
    assert_eq!(storage.backend.durable().index, Index(50));
    assert!(!older.exists());
}
