//! Snapshot files a real etcd wrote, and running programs on copies of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use tempfile::TempDir;

/// A folder with `small.db` (two puts), `big.db` (overwrites, deletes, a lease, a compaction, big
/// values), `raw.db` (the database of a stopped member), and damaged copies; `None` without the
/// real programs.
pub(crate) fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    peers::find("etcd")?;
    Some(FOLDER.get_or_init(make).path())
}

fn make() -> TempDir {
    let folder = TempDir::with_prefix("ketch-utl-").unwrap();
    let mut member = Member::start(Program::Etcd, Options::default()).unwrap();
    let ctl = |args: &[&str]| etcdctl(&member, args);
    let save = |name: &str| ctl(&["snapshot", "save", folder.path().join(name).to_str().unwrap()]);
    ctl(&["put", "a", "1"]);
    ctl(&["put", "b", "2"]);
    save("small.db");
    let mut txn = Command::new(peers::find("etcdctl").unwrap());
    txn.args(["--endpoints", &member.endpoint(), "lease", "grant", "1000"]);
    assert!(txn.status().unwrap().success());
    for round in 0..6 {
        let value = "v".repeat(200 + round * 31);
        for i in 0..60 {
            ctl(&["put", &format!("key{:03}", i * 7 % 100), &value]);
        }
    }
    ctl(&["put", "large", &"L".repeat(100_000)]);
    ctl(&["put", "large2", &"M".repeat(5_000)]);
    ctl(&["del", "key003"]);
    ctl(&["del", "key01", "--prefix"]);
    ctl(&["compact", "200"]);
    ctl(&["del", "key02", "--prefix"]);
    ctl(&["user", "add", "alice", "--no-password"]);
    ctl(&["role", "add", "reader"]);
    save("big.db");
    member.terminate().unwrap();
    fs::copy(member.data_dir().join("member/snap/db"), folder.path().join("raw.db")).unwrap();
    damage(folder.path());
    folder
}

fn damage(folder: &Path) {
    let good = fs::read(folder.join("small.db")).unwrap();
    let mut flipped = good.clone();
    flipped[13_000] ^= 0x55;
    fs::write(folder.join("flipped.db"), flipped).unwrap();
    fs::write(folder.join("zero.db"), vec![0; 20_480]).unwrap();
    fs::write(folder.join("garbage.db"), "garbage").unwrap();
    fs::write(folder.join("no-digest.db"), &good[..good.len() - 32]).unwrap();
}

/// Runs etcdctl, which must succeed; gives its output.
pub(crate) fn etcdctl(member: &Member, args: &[&str]) -> String {
    let mut command = Command::new(peers::find("etcdctl").unwrap());
    command.args(["--endpoints", &member.endpoint()]).args(args);
    success(command.output().unwrap(), args)
}

/// Runs etcdutl in `folder`.
pub(crate) fn etcdutl(folder: &Path, args: &[&str]) -> Output {
    let program = peers::find("etcdutl").unwrap();
    Command::new(program).args(args).current_dir(folder).output().unwrap()
}

/// Runs ketchutl in `folder`.
pub(crate) fn ketchutl(folder: &Path, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ketchutl");
    Command::new(program).args(args).current_dir(folder).output().unwrap()
}

/// Standard output of a run that must succeed.
pub(crate) fn success(output: Output, args: &[&str]) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A copy of the fixture, for programs that alter files.
pub(crate) fn copy(folder: &Path) -> TempDir {
    let copy = TempDir::with_prefix("ketch-utl-").unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}
