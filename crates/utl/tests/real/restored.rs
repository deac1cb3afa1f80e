//! Goal: ketchutl restores what etcdutl restores. Method: both restore one file with one set of
//! flags; rows and logs of the two directories are compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Bucket, Config};
use ketch_base::{Index, Revision};
use ketch_env::{Disk, Open, real::RealDisk};
use ketch_snapshot::{bolt, read_out};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_wal::{Item, Reader};

use crate::fixture::{self, etcdctl, etcdutl, ketchutl, success};

type Rows = BTreeMap<(Bytes, Bytes), Bytes>;

const CASES: &[&str] = &[
    "small.db",
    "big.db --name b --initial-advertise-peer-urls http://127.0.0.1:2 --initial-cluster \
     a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3 --initial-cluster-token t",
    "big.db --bump-revision 1000000 --mark-compacted",
];

#[test]
fn directories_hold_the_same() {
    let Some(folder) = fixture::folder() else { return };
    for case in CASES {
        let folder = fixture::copy(folder);
        let folder = folder.path();
        for (run, dir) in [(etcdutl as fn(&Path, &[&str]) -> _, "etcd"), (ketchutl, "ketch")] {
            let mut args = vec!["snapshot", "restore", "--data-dir", dir];
            args.extend(case.split_whitespace());
            success(run(folder, &args), &args);
        }
        assert_eq!(log(&folder.join("ketch")), log(&folder.join("etcd")), "{case}");
        let mut theirs = bolt_rows(&folder.join("etcd/member/snap/db"));
        let ours = redb_rows(&folder.join("ketch/member/snap/ketch.redb"));
        // etcd leaves the old cluster's voters; ours starts from this row.
        let voters = ("meta".into(), "confState".into());
        theirs.insert(voters.clone(), ours[&voters].clone());
        let differ: Vec<_> = theirs
            .keys()
            .chain(ours.keys())
            .filter(|key| theirs.get(*key) != ours.get(*key))
            .map(|key| (key, theirs.get(key), ours.get(key)))
            .collect();
        assert!(differ.is_empty(), "{case}: {differ:?}");
    }
}

/// Flags that suit the members the drivers start.
const MEMBER: &[&str] = &[
    "--name",
    "s1",
    "--initial-cluster",
    "s1=http://127.0.0.1:23800",
    "--initial-advertise-peer-urls",
    "http://127.0.0.1:23800",
    "--initial-cluster-token",
    "tok",
];

#[test]
fn ketch_serves_what_etcd_serves() {
    let Some(folder) = fixture::folder() else { return };
    for case in ["small.db", "big.db", "big.db --bump-revision 1000000 --mark-compacted"] {
        let folder = fixture::copy(folder);
        let folder = folder.path();
        let start = |program: Program, run: fn(&Path, &[&str]) -> Output, dir: &str| {
            let mut args = vec!["snapshot", "restore", "--data-dir", dir];
            args.extend(case.split_whitespace().chain(MEMBER.iter().copied()));
            success(run(folder, &args), &args);
            let options = Options { data_dir: Some(folder.join(dir)), ..Options::default() };
            Member::start(program, options).unwrap()
        };
        let members =
            [start(Program::Etcd, etcdutl, "etcd"), start(Program::Ketch, ketchutl, "ketch")];
        for args in [
            "get a --from-key -w json",
            "put after restore -w json",
            "get after -w json",
            "watch a --prefix --rev 2",
            "lease list",
            "del key --prefix",
            "endpoint hashkv",
            "member list",
        ] {
            let args: Vec<_> = args.split_whitespace().collect();
            let [theirs, ours] = [0, 1].map(|i| answer(&members[i], &args));
            assert!(theirs == ours, "{case}: {args:?}\n{theirs}\n{ours}");
        }
    }
}

#[test]
fn etcd_restores_what_ketch_streams() {
    let Some(folder) = fixture::folder() else { return };
    let folder = fixture::copy(folder);
    let folder = folder.path();
    let restore = |run: fn(&Path, &[&str]) -> Output, file: &str, dir: &str, program: Program| {
        let mut args = vec!["snapshot", "restore", "--data-dir", dir, file];
        args.extend(MEMBER);
        success(run(folder, &args), &args);
        let options = Options { data_dir: Some(folder.join(dir)), ..Options::default() };
        Member::start(program, options).unwrap()
    };
    let ketch = restore(ketchutl, "big.db", "ketch", Program::Ketch);
    for i in 0..200 {
        etcdctl(&ketch, &["put", &format!("more{i}"), &"m".repeat(i * 20)]);
    }
    etcdctl(&ketch, &["snapshot", "save", folder.join("streamed.db").to_str().unwrap()]);
    let args = ["snapshot", "status", "streamed.db", "-w", "json"];
    let [theirs, ours] = [etcdutl, ketchutl].map(|run| success(run(folder, &args), &args));
    assert_eq!(ours, theirs);
    let etcd = restore(etcdutl, "streamed.db", "etcd", Program::Etcd);
    for args in [["endpoint", "hashkv"].as_slice(), &["get", "", "--from-key"], &["lease", "list"]]
    {
        assert_eq!(answer(&ketch, args), answer(&etcd, args), "{args:?}");
    }
}

/// What etcdctl prints, without what tells members and their ports apart.
fn answer(member: &Member, args: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg(if args[0] == "watch" { "1" } else { "10" });
    command.arg(peers::find("etcdctl").unwrap()).args(["--endpoints", &member.endpoint()]);
    let output = command.args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).replace(&member.address(), "ADDRESS");
    // Terms differ: ketch needs no election to lead alone.
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    text.split("\"raft_term\":")
        .enumerate()
        .map(|(i, rest)| if i == 0 { rest } else { &rest[end(rest)..] })
        .collect()
}

fn log(data_dir: &Path) -> Vec<Item> {
    let disk = Arc::new(RealDisk);
    let mut reader = Reader::open(disk, &data_dir.join("member/wal"), Index(0)).unwrap();
    let mut items = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        items.push(item);
    }
    items
}

fn bolt_rows(path: &Path) -> Rows {
    let file = bolt::File::open(RealDisk.open(path, Open::Read).unwrap(), path).unwrap();
    let mut rows = Rows::new();
    read_out(&file, |bucket, key, value| {
        rows.insert((bucket.clone(), key), value);
        Ok::<(), String>(())
    })
    .unwrap();
    rows
}

fn redb_rows(path: &Path) -> Rows {
    let (backend, _) = Backend::open(Arc::new(RealDisk), path, Config::default()).unwrap();
    let view = backend.view();
    let mut rows = Rows::new();
    let name = |bucket: Bucket| Bytes::from_static(bucket.name().as_bytes());
    for bucket in Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Key) {
        for item in view.iter(bucket) {
            let (key, value) = item.unwrap();
            rows.insert((name(bucket), key), value);
        }
    }
    for item in view.rows(Revision::default(), Revision { main: i64::MAX, sub: 0 }) {
        let (at, row) = item.unwrap();
        let key = Bytes::copy_from_slice(at.encode(&mut [0; 18]));
        rows.insert((name(Bucket::Key), key), row);
    }
    rows
}
