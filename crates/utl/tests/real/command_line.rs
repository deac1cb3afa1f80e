//! Goal: whatever is typed, ketchutl answers as etcdutl: output, errors, exit code.
//! Method: each line goes to both, in copies of one folder; texts of our own (usage, log places,
//! time) are left out.

use std::process::Output;

use crate::fixture;

/// Lines whose whole answer is compared.
const LINES: &[&str] = &[
    "version",
    "version -w json",
    "snapshot status small.db",
    "snapshot status small.db -w json",
    "snapshot status small.db -w fields",
    "snapshot status small.db --write-out=table",
    "-w table snap stat big.db",
    "snapshot status big.db",
    "snapshot status raw.db -w json",
    "snapshot status no-digest.db",
    "snapshot status small.db -w protobuf",
    "snapshot status small.db -w bogus",
    "snapshot status small.db -w",
    "snapshot status",
    "snapshot status a b",
    "snapshot status missing.db",
    "snapshot status garbage.db",
    "snapshot status zero.db",
    "snapshot status small.db --bogus",
    "snapshot status small.db -x",
    "snapshot status small.db --timeout 3x",
    "bogus",
    "hashkv",
    "hashkv missing.db",
    "hashkv small.db",
    "hashkv small.db --rev 2",
    "hashkv small.db --rev 1",
    "hashkv small.db --rev 999",
    "hashkv small.db --rev x",
    "hashkv small.db -w json",
    "hashkv small.db -w fields",
    "hashkv small.db -w table",
    "hashkv small.db -w protobuf",
    "hashkv big.db",
    "hashkv big.db --rev 200",
    "hashkv big.db --rev 201",
    "hashkv big.db --rev 300",
    "hashkv big.db --rev 199",
    "defrag",
    "migrate --target-version 3.6",
    "snapshot restore",
    "snapshot restore a b",
    "snapshot restore missing.db --data-dir d",
    "snapshot restore garbage.db --data-dir d",
    "snapshot restore zero.db --data-dir d",
    "snapshot restore no-digest.db --data-dir d",
    "snapshot restore flipped.db --data-dir d",
    "snapshot restore small.db --data-dir d",
    "snapshot restore small.db",
    "snapshot restore small.db --data-dir .",
    "snapshot restore small.db --data-dir small.db",
    "snapshot restore small.db --data-dir d --wal-dir .",
    "snapshot restore small.db --data-dir d --wal-dir w",
    "snapshot restore no-digest.db --data-dir d --skip-hash-check",
    "snapshot restore raw.db --data-dir d --skip-hash-check=true",
    "snapshot restore small.db --data-dir d --bump-revision 1000 --mark-compacted",
    "snapshot restore small.db --data-dir d --bump-revision 1000",
    "snapshot restore small.db --data-dir d --mark-compacted",
    "snapshot restore small.db --data-dir d --bump-revision x",
    "snapshot restore small.db --data-dir d --initial-memory-map-size=abc",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m2=http://127.0.0.1:1",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1=http://127.0.0.1:1",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1=http://a",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1=http://a:1/x",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1=127.0.0.1:1",
    "snapshot restore small.db --data-dir d --initial-advertise-peer-urls http://[::1]:2380",
    "snapshot restore small.db --data-dir d --initial-advertise-peer-urls http://%zz:9",
    "snapshot restore small.db --data-dir d --name m1 \
     --initial-advertise-peer-urls http://127.0.0.1:1 \
     --initial-cluster m1=http://127.0.0.1:1,m2=http://127.0.0.1:1",
    "snapshot restore small.db --data-dir d --name m1 \
     --initial-advertise-peer-urls http://127.0.0.1:1 \
     --initial-cluster m1=http://127.0.0.1:1,m1=http://127.0.0.1:2",
    "snapshot restore small.db --data-dir d --name m1 --initial-cluster m1=http://127.0.0.1:1 \
     --initial-advertise-peer-urls http://127.0.0.1:1,http://127.0.0.1:3",
    "snapshot restore small.db --data-dir d --name m1 \
     --initial-advertise-peer-urls http://127.0.0.1:1 \
     --initial-cluster m2=http://127.0.0.1:2,m1=http://127.0.0.1:1,m3=http://127.0.0.1:3 \
     --initial-cluster-token other",
];

#[test]
fn answers_are_those_of_etcdutl() {
    let Some(folder) = fixture::folder() else { return };
    let mut wrong = Vec::new();
    for line in LINES {
        let args: Vec<_> = line.split_whitespace().collect();
        let (theirs, ours) = (fixture::copy(folder), fixture::copy(folder));
        let theirs = comparable(fixture::etcdutl(theirs.path(), &args));
        let ours = comparable(fixture::ketchutl(ours.path(), &args));
        if theirs != ours {
            wrong.push(format!("{line}\n--- etcdutl\n{theirs}\n--- ketchutl\n{ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Exit code, standard output, errors, and messages with their fields.
fn comparable(output: Output) -> String {
    let mut text = format!("exit {:?}\n", output.status.code());
    text += &String::from_utf8(output.stdout).unwrap();
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let parts: Vec<_> = line.split('\t').collect();
        let is_of_a_library = line.contains("bbolt") || line.contains("resolved URL Host");
        if line.starts_with("Error: ") || line.starts_with("Run '") {
            text += &line.replace("etcdutl", "ketchutl");
            text.push('\n');
        } else if parts.len() >= 4 && !is_of_a_library {
            // time, level, place, message, fields
            text += &format!("{} {}\n", parts[1], parts[3..].join(" "));
        }
    }
    text
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for line in
        ["defrag --data-dir d", "migrate --data-dir d --target-version 3.6", "completion bash"]
    {
        let args: Vec<_> = line.split_whitespace().collect();
        let output = fixture::ketchutl(folder.path(), &args);
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("Error: command {:?} is not implemented by ketchutl yet\n", args[0]);
        assert_eq!((output.status.code(), error), (Some(1), expected), "{line}");
    }
}
