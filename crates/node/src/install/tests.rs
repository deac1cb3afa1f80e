//! A database file of a real etcd becomes ours and goes out again; a crash leaves all or nothing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use ketch_apply::{Config as MachineConfig, Machine};
use ketch_backend::{Bucket, View};
use ketch_base::{Index, Term};
use ketch_env::sim::SimDisk;
use ketch_raft_proto::raftpb::ConfState;
use ketch_snapshot::{Export, Source};

use super::*;
use crate::export::{Buckets, point, v2_json};

/// `member/snap/db` of a stopped etcd 3.7.1: two voters, a learner, a removed member, a lease,
/// 45 revisions of which 40 are compacted.
const ETCD: &[u8] = include_bytes!("../../fixtures/etcd-3.7.1.db");
/// What `etcdutl hashkv` says of it.
const HASH: u32 = 3_534_815_934;
const SNAP: &str = "/member/snap";

fn metadata() -> SnapshotMetadata {
    let conf_state = ConfState {
        voters: vec![2_153_012_361_009_272_853, 7_383_792_418_829_112_008],
        learners: vec![8_167_442_220_298_910_391],
        auto_leave: Some(false),
        ..ConfState::default()
    };
    SnapshotMetadata { conf_state: Some(conf_state), index: Some(55), term: Some(2) }
}

fn received(disk: &Arc<dyn Disk>, bytes: &[u8]) -> PathBuf {
    let path = Path::new(SNAP).join(received_name(Index(55)));
    let file = disk.open(&path, Open::Create).expect("memory");
    file.write_at(bytes, 0).expect("memory");
    file.sync_all().expect("memory");
    disk.sync_dir(Path::new(SNAP)).expect("memory");
    path
}

fn sim(seed: u64) -> (SimDisk, Arc<dyn Disk>) {
    let sim = SimDisk::new(seed);
    sim.create_dir_all(Path::new(SNAP)).expect("memory");
    (sim.clone(), Arc::new(sim))
}

fn prepared() -> PathBuf {
    Path::new(SNAP).join(prepared_name(Index(55)))
}

type Rows = BTreeMap<(Bytes, Bytes), Bytes>;

fn rows_of_file(disk: &Arc<dyn Disk>, path: &Path) -> Rows {
    let file = disk.open(path, Open::Read).expect("is there");
    let file = bolt::File::open(file, path).expect("sound");
    let mut rows = Rows::new();
    ketch_snapshot::read_out(&file, |bucket, key, value| {
        rows.insert((bucket.clone(), key), value);
        Ok::<(), std::convert::Infallible>(())
    })
    .expect("sound");
    rows
}

fn export(disk: &Arc<dyn Disk>, view: View) -> PathBuf {
    let path = Path::new(SNAP).join("out.db");
    let file = disk.open(&path, Open::Create).expect("memory");
    let mut export = Export::plan(Buckets(view)).expect("sound");
    let mut offset = 0;
    while let Some(chunk) = export.next_chunk().expect("sound") {
        file.write_at(&chunk, offset).expect("memory");
        offset += chunk.len() as u64;
    }
    path
}

#[test]
fn an_etcd_database_becomes_ours_and_goes_out_again() {
    let (_, disk) = sim(1);
    let from = received(&disk, ETCD);
    let before = rows_of_file(&disk, &from);
    prepare(&disk, &from, &prepared(), &metadata()).expect("a sound snapshot");
    assert_eq!(disk.list(Path::new(SNAP)).expect("there"), [prepared_name(Index(55))]);
    assert_eq!(pending(&*disk, Path::new(SNAP)), Some((Index(55), prepared())));

    let (backend, _drain) =
        Backend::open(Arc::clone(&disk), &prepared(), Config::default()).expect("whole");
    let place = point(&backend.view()).expect("sound");
    assert_eq!(place, metadata());
    let machine = Machine::open(backend.clone(), MachineConfig::default()).expect("sound");
    assert_eq!(machine.applied(), (Index(55), Term(2)));
    let hash = machine.reader().hash_kv(0).expect("not compacted");
    assert_eq!((hash.hash, hash.revision, hash.compact_revision), (HASH, 45, 40));
    let out = export(&disk, backend.view());
    assert_eq!(rows_of_file(&disk, &out), before);
}

#[test]
fn the_membership_is_told_once_more() {
    let (_, disk) = sim(1);
    let from = received(&disk, ETCD);
    prepare(&disk, &from, &prepared(), &metadata()).expect("a sound snapshot");
    let (backend, _drain) =
        Backend::open(Arc::clone(&disk), &prepared(), Config::default()).expect("whole");
    let json = v2_json(&backend.view()).expect("sound");
    let store: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let check = |path: &str, want: &str| {
        let steps = path.split('/').filter(|step| !step.is_empty());
        let node = steps.fold(&store["Root"], |node, step| &node["Children"][step]);
        assert_eq!(node["Path"], path);
        assert_eq!(node["Value"], want, "{path}");
    };
    check("/1", "");
    check("/0/version", "3.7.0");
    check("/0/removed_members/60499e5b05cad9d9", "");
    check("/0/members/667880157b8812c8", "");
    check(
        "/0/members/667880157b8812c8/attributes",
        r#"{"name":"a","clientURLs":["http://127.0.0.1:42379"]}"#,
    );
    check(
        "/0/members/667880157b8812c8/raftAttributes",
        r#"{"peerURLs":["http://127.0.0.1:42380"]}"#,
    );
    check(
        "/0/members/7158956d2871bab7/raftAttributes",
        r#"{"peerURLs":["http://127.0.0.1:42383"],"isLearner":true}"#,
    );
    // One that never ran has no name; what etcd counts as changes are seven.
    let unnamed = &store["Root"]["Children"]["0"]["Children"]["members"]["Children"];
    assert!(unnamed["7158956d2871bab7"]["Children"]["attributes"].is_null());
    assert_eq!(store["CurrentIndex"], 7);
    let queue = &store["WatcherHub"]["EventHistory"]["Queue"];
    assert_eq!(queue["Events"].as_array().map(Vec::len), Some(1000));
    assert!(json.starts_with(br#"{"Root":{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"#));
    assert!(json.ends_with(br#""watchers":0},"CurrentVersion":2}"#));
}

#[test]
fn what_is_not_a_snapshot_is_refused_and_stays() {
    let check = |bytes: &[u8], index: u64, want: &str| {
        let (_, disk) = sim(1);
        let from = received(&disk, bytes);
        let metadata = SnapshotMetadata { index: Some(index), ..metadata() };
        let error = prepare(&disk, &from, &prepared(), &metadata).expect_err(want);
        assert!(error.to_string().contains(want), "{error}");
        assert!(disk.exists(&from));
        assert_eq!(pending(&*disk, Path::new(SNAP)), None);
        sweep(&*disk, Path::new(SNAP)).expect("memory");
        assert_eq!(disk.list(Path::new(SNAP)).expect("there"), [""; 0]);
    };
    check(ETCD, 54, "state is at entry 55, announced as 54");
    check(ETCD, 0, "names no place");
    check(&ETCD[..12_288], 55, "ends before its last page");
    check(&[7; 40_000], 55, "received snapshot");
    check(b"", 55, "received snapshot");
}

#[test]
fn a_crash_leaves_all_or_nothing() {
    let mut whole = 0;
    for seed in 0..60 {
        let (sim, disk) = sim(seed);
        let from = received(&disk, ETCD);
        sim.fail_write_after(seed * 4, ketch_env::sim::Fault::Io);
        let done = prepare(&disk, &from, &prepared(), &metadata()).is_ok();
        sim.crash();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let found = pending(&*disk, Path::new(SNAP));
        assert!(found.is_some() || !done, "seed {seed}: durable at return");
        let Some((index, path)) = found else { continue };
        whole += 1;
        assert_eq!(index, Index(55));
        let (backend, drain) =
            Backend::open(Arc::clone(&disk), &path, Config::default()).expect("whole");
        assert_eq!(point(&backend.view()).expect("sound"), metadata(), "seed {seed}");
        let rows = backend.view().iter(Bucket::Key).count();
        assert_eq!(rows, Buckets(backend.view()).rows(b"key").count());
        drop((backend, drain));
        sweep(&*disk, Path::new(SNAP)).expect("memory");
        assert_eq!(disk.list(Path::new(SNAP)).expect("there"), [""; 0]);
    }
    assert!((1..60).contains(&whole), "both outcomes were seen");
}

#[test]
fn newer_snapshots_survive_the_sweep() {
    let (_, disk) = sim(1);
    let put = |name: &str| drop(disk.open(&Path::new(SNAP).join(name), Open::Create));
    let (old, new) = (prepared_name(Index(5)), prepared_name(Index(9)));
    let received = received_name(Index(5));
    let part = format!("{}.tmp", received_name(Index(4)));
    for name in [&old, &new, &received, &part, &"ketch.redb".to_owned(), &"db".to_owned()] {
        put(name);
    }
    assert_eq!(pending(&*disk, Path::new(SNAP)).map(|found| found.0), Some(Index(9)));
    sweep_through(&*disk, Path::new(SNAP), Index(5)).expect("memory");
    assert_eq!(disk.list(Path::new(SNAP)).expect("there"), ["db", &new, "ketch.redb"]);
    sweep(&*disk, Path::new(SNAP)).expect("memory");
    assert_eq!(disk.list(Path::new(SNAP)).expect("there"), ["db", "ketch.redb"]);
}
