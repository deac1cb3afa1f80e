//! Goal: a restored directory holds the snapshot's rows, the new cluster's members and a log that
//! begins with them. Method: the program runs on a file made here; the directory is opened.

// A step that fails is a test that fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Bucket, Config, View};
use ketch_base::{Index, MemberId, Revision, RevisionKey};
use ketch_env::real::RealDisk;
use ketch_raft_proto::raftpb::HardState;
use ketch_snapshot::{BoxError, Export, Row, Source};
use ketch_wal::{Item, Reader};

#[derive(Clone)]
struct Rows(BTreeMap<&'static str, Pairs>);

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

impl Source for Rows {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        Ok(self.0.keys().map(|name| Bytes::from_static(name.as_bytes())).collect())
    }
    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        let rows = self.0[std::str::from_utf8(bucket).unwrap()].clone();
        Box::new(rows.into_iter().map(|(key, value)| Ok((key.into(), value.into()))))
    }
}

fn row_key(main: i64, tombstone: bool) -> Vec<u8> {
    let key = RevisionKey { revision: Revision { main, sub: 0 }, tombstone };
    key.encode(&mut [0; 18]).to_vec()
}

/// More rows than one batch, and rows of an old cluster.
fn snapshot() -> Rows {
    let number = |value: u64| value.to_be_bytes().to_vec();
    let text = |text: &str| text.as_bytes().to_vec();
    let keys = (2..25_002).map(|main| (row_key(main, main % 10 == 0), number(main as u64)));
    Rows(BTreeMap::from([
        ("key", keys.collect()),
        ("lease", vec![(number(7), text("lease 7"))]),
        ("members", vec![(text("abc"), text("{}"))]),
        ("members_removed", vec![(text("def"), text("removed"))]),
        (
            "meta",
            vec![
                (text("confState"), text("old")),
                (text("consistent_index"), number(99)),
                (text("storageVersion"), text("3.7.0")),
                (text("term"), number(9)),
            ],
        ),
    ]))
}

fn write_snapshot(path: &Path) {
    let mut export = Export::plan(snapshot()).unwrap();
    let mut file = fs::File::create(path).unwrap();
    while let Some(chunk) = export.next_chunk().unwrap() {
        file.write_all(&chunk).unwrap();
    }
    file.write_all(&export.digest().unwrap()).unwrap();
}

/// Runs `snapshot restore` with more flags.
fn restore(folder: &Path, flags: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketchutl"));
    command.args(["snapshot", "restore", "s.db", "--data-dir", "d", "--name", "b"]);
    command.args(["--initial-cluster", "a=http://127.0.0.1:1,b=http://127.0.0.1:2"]);
    command.args(["--initial-advertise-peer-urls", "http://127.0.0.1:2"]).args(flags);
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn open(folder: &Path) -> View {
    let path = folder.join("d/member/snap/ketch.redb");
    Backend::open(Arc::new(RealDisk), &path, Config::default()).unwrap().0.view()
}

fn get(view: &View, bucket: Bucket, key: &str) -> Option<Bytes> {
    view.get(bucket, key.as_bytes()).unwrap()
}

/// First eight bytes of the SHA-1 of `http://127.0.0.1:1etcd-cluster`.
const A: u64 = 0x58a8_8bf9_7839_8f80;
/// The same with port 2; smaller, so first in the log.
const B: u64 = 0x43cc_f13c_9d84_d8d2;

#[test]
fn rows_members_and_log_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_snapshot(&folder.join("s.db"));
    restore(folder, &[]);

    let view = open(folder);
    let rows: Vec<_> = view
        .rows(Revision::default(), Revision { main: i64::MAX, sub: 0 })
        .map(|item| item.map(|(at, row)| (at.encode(&mut [0; 18]).to_vec(), row.to_vec())).unwrap())
        .collect();
    assert!(rows == snapshot().0["key"]);
    assert_eq!(get(&view, Bucket::Lease, "\0\0\0\0\0\0\0\x07").unwrap(), "lease 7");
    assert_eq!(get(&view, Bucket::Meta, "storageVersion").unwrap(), "3.7.0");
    assert_eq!(get(&view, Bucket::Meta, "consistent_index").unwrap()[..], 2u64.to_be_bytes());
    assert_eq!(get(&view, Bucket::Meta, "term").unwrap()[..], 1u64.to_be_bytes());
    assert_eq!(view.iter(Bucket::MembersRemoved).count(), 0);
    let members: Vec<_> = view
        .iter(Bucket::Members)
        .map(|item| item.map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).unwrap())
        .collect();
    assert_eq!(members, [MemberId(B).to_string(), MemberId(A).to_string()]);

    let mut reader =
        Reader::open(Arc::new(RealDisk), &folder.join("d/member/wal"), Index(0)).unwrap();
    let mut items = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        items.push(match item {
            Item::Metadata(metadata) => format!("member {}", metadata.member),
            Item::Entry(entry) => {
                let data = String::from_utf8_lossy(entry.data()).into_owned();
                let json = data.split_once('{').map(|(_, rest)| rest.to_owned()).unwrap();
                format!("{} {} {json}", entry.term(), entry.index())
            }
            Item::HardState(HardState { term, vote, commit }) => {
                format!("{term:?} {vote:?} {commit:?}")
            }
            Item::Snapshot(mark) => format!("mark {} {}", mark.term(), mark.index()),
        });
    }
    assert_eq!(
        items,
        [
            format!("member {}", MemberId(B)),
            "mark 0 0".to_owned(),
            format!("1 1 \"id\":{B},\"peerURLs\":[\"http://127.0.0.1:2\"],\"name\":\"b\"}}"),
            format!("1 2 \"id\":{A},\"peerURLs\":[\"http://127.0.0.1:1\"],\"name\":\"a\"}}"),
            format!("Some(1) Some({B}) Some(2)"),
            "mark 1 2".to_owned(),
        ]
    );
}

#[test]
fn a_bump_leaves_a_row_and_a_compaction_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_snapshot(&folder.join("s.db"));
    restore(folder, &["--bump-revision", "1000", "--mark-compacted", "--wal-dir", "w/log"]);
    let view = open(folder);
    let revision = Revision { main: 26_001, sub: 0 };
    let row = view.row(RevisionKey { revision, tombstone: false }).unwrap();
    assert_eq!(row, Some(Bytes::new()));
    let mark = get(&view, Bucket::Meta, "scheduledCompactRev").unwrap();
    assert_eq!(mark[..], revision.to_bytes());
    assert!(folder.join("w/log").is_dir() && !folder.join("d/member/wal").exists());
}

#[test]
fn the_log_can_be_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_snapshot(&folder.join("s.db"));
    restore(folder, &[]);
    let dump = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ketchutl"));
        let output = command.args(["wal", "dump"]).args(args).current_dir(folder).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = dump(&["d/member/wal", "--start-index", "2"]);
    let expected = format!(
        "metadata member={B:x} cluster=3d93f952f49292c8\n\
         snapshot term=0 index=0\n\
         entry term=1 index=2 ConfChangeAddNode node={A:x} \
         {{\"id\":{A},\"peerURLs\":[\"http://127.0.0.1:1\"],\"name\":\"a\"}}\n\
         state term=1 vote={B:x} commit=2\n\
         snapshot term=1 index=2\n"
    );
    assert_eq!((code, text), (Some(0), expected));
    let (code, text) = dump(&["d"]);
    assert_eq!((code, text.as_str()), (Some(1), "Error: d: no log segment covers index 0\n"));
}
