//! Goal: a database file written by ketch is one to etcd's tools and to etcd itself.
//! Method: a real snapshot is read, written anew by our writer, and given to etcdutl, which runs
//! bbolt's own check, then to a real etcd, which changes it a lot, then to bbolt's check again.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_env::{Disk, Open, real::RealDisk};
use ketch_snapshot::bolt::{self, Value};
use ketch_snapshot::{BoxError, Export, Row, Source};
use ketch_tests::process::{Member, Options, Program};

use crate::fixture::{self, etcdctl, etcdutl, success};

struct Copied(bolt::File);

impl Source for Copied {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        self.0.buckets().map(|item| Ok(item?.0)).collect()
    }
    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        let bucket = self.0.bucket(bucket).unwrap().unwrap();
        Box::new(bucket.walk().map(|item| match item? {
            (key, Value::Bytes(value)) => Ok((key, value)),
            (key, Value::Bucket(_)) => Err(format!("{key:?} is a bucket").into()),
        }))
    }
}

fn open(path: &Path) -> bolt::File {
    let file = RealDisk.open(path, Open::Read).unwrap();
    bolt::File::open(Arc::clone(&file), path).unwrap()
}

/// Writes the database anew, with its digest.
fn rebuild(from: &Path, to: &Path) {
    let mut export = Export::plan(Copied(open(from))).unwrap();
    let mut file = fs::File::create(to).unwrap();
    while let Some(chunk) = export.next_chunk().unwrap() {
        file.write_all(&chunk).unwrap();
    }
    file.write_all(&export.digest().unwrap()).unwrap();
}

#[test]
fn files_of_etcd_pass_our_check() {
    let Some(folder) = fixture::folder() else { return };
    for name in ["small.db", "big.db", "raw.db"] {
        open(&folder.join(name)).check().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn etcd_lives_on_a_file_of_ours() {
    let Some(folder) = fixture::folder() else { return };
    let folder = fixture::copy(folder);
    let folder = folder.path();
    rebuild(&folder.join("big.db"), &folder.join("ours.db"));
    let status = |file: &str| {
        let args = ["snapshot", "status", file, "-w", "json"];
        let text = success(etcdutl(folder, &args), &args);
        // Sizes may differ: nothing else may.
        let (before, after) = text.split_once("\"totalSize\":").unwrap();
        format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
    };
    assert_eq!(status("ours.db"), status("big.db"));

    let members: Vec<_> = ["big.db", "ours.db"].iter().map(|file| restored(folder, file)).collect();
    let answers = |args: &[&str]| {
        let [theirs, ours] = [&members[0], &members[1]].map(|member| etcdctl(member, args));
        assert!(theirs == ours, "{args:?}");
        theirs
    };
    assert!(answers(&["get", "", "--from-key"]).contains("LLLL"));
    let delete_most = ["del", "key03", "key09"];
    for args in [["get", "key04", "--prefix"], delete_most, ["get", "a", "z"]] {
        answers(&args);
    }
    for member in members {
        for i in 0..300 {
            etcdctl(&member, &["put", &format!("new{i}"), &"n".repeat(i * 5)]);
        }
        etcdctl(&member, &["compact", "600"]);
        etcdctl(&member, &["snapshot", "save", folder.join("after.db").to_str().unwrap()]);
        let args = ["snapshot", "status", "after.db"];
        success(etcdutl(folder, &args), &args);
    }
}

/// A real etcd on what the real etcdutl restored.
fn restored(folder: &Path, file: &str) -> Member {
    let data_dir = folder.join(format!("{file}.etcd"));
    let member = "http://127.0.0.1:23800";
    let cluster = format!("s1={member}");
    let args = [
        "snapshot",
        "restore",
        file,
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--name",
        "s1",
        "--initial-cluster",
        &cluster,
        "--initial-advertise-peer-urls",
        member,
        "--initial-cluster-token",
        "tok",
    ];
    success(etcdutl(folder, &args), &args);
    let options = Options { data_dir: Some(data_dir), ..Options::default() };
    Member::start(Program::Etcd, options).unwrap()
}
