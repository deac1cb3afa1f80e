//! `snapshot restore`: a data directory of a new cluster, made from a snapshot file.
//!
//! ```text
//! check the cluster's URLs -> digest -> rows into member/snap/ketch.redb -> log
//! ```
//! The log comes last: a directory without one is never taken for a member.

mod cluster;
mod directory;
mod import;
mod log_dir;
mod urls;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Failure;
use crate::line::{Flag, Kind, Line};
use crate::log;
use crate::snapshot_file;

use cluster::Cluster;

/// Flags of the command.
pub(crate) const FLAGS: &[Flag] = &[
    Flag::new("bump-revision", Kind::Uint, "0", "how far to move the latest revision ahead"),
    Flag::new("data-dir", Kind::Text, "", "directory to make"),
    Flag::new(
        "initial-advertise-peer-urls",
        Kind::Text,
        "http://localhost:2380",
        "peer URLs of this member",
    ),
    Flag::new(
        "initial-cluster",
        Kind::Text,
        "default=http://localhost:2380",
        "members of the new cluster, NAME=URL separated by commas",
    ),
    Flag::new("initial-cluster-token", Kind::Text, "etcd-cluster", "token of the new cluster"),
    Flag::new(
        "initial-memory-map-size",
        Kind::Uint,
        "10737418240",
        "accepted for etcdutl's sake; nothing is mapped",
    ),
    Flag::new(
        "mark-compacted",
        Kind::Bool,
        "",
        "compact up to the latest revision (needed with --bump-revision, refused without)",
    ),
    Flag::new("name", Kind::Text, "default", "name of this member"),
    Flag::new(
        "skip-hash-check",
        Kind::Bool,
        "",
        "take a file without or with a wrong digest (needed for one copied from a data directory)",
    ),
    Flag::new("wal-dir", Kind::Text, "", "directory of the log, if not inside the data directory"),
];

/// Where everything goes.
struct Target {
    snapshot: PathBuf,
    data_dir: PathBuf,
    wal_dir: PathBuf,
}

/// What happens to the latest revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bump {
    by: i64,
    mark_compacted: bool,
}

/// The command.
pub(crate) fn run(line: &Line) -> Result<(), Failure> {
    let [snapshot] = line.words() else {
        return Err(Failure::bad_args("snapshot restore requires exactly one argument"));
    };
    let bump = bump(line)?;
    let cluster = Cluster::parse(
        line.text("name"),
        line.text("initial-cluster"),
        line.text("initial-advertise-peer-urls"),
        line.text("initial-cluster-token"),
    )?;
    let target = target(line, snapshot);
    directory::check_free(&target.data_dir, wal_dir_given(line))?;
    target.announce(line, "restoring snapshot");
    check_digest(&target.snapshot, line.is_set("skip-hash-check"))?;
    import::run(&target.snapshot, &target.data_dir, &cluster, bump)?;
    log_dir::create(&target.wal_dir, &cluster)?;
    target.announce(line, "restored snapshot");
    Ok(())
}

fn bump(line: &Line) -> Result<Bump, Failure> {
    let (by, mark_compacted) = (line.uint("bump-revision"), line.is_set("mark-compacted"));
    if (by > 0) != mark_compacted {
        return Err(Failure::bad_args("--mark-compacted required if --revision-bump > 0"));
    }
    let by = i64::try_from(by)
        .map_err(|_| Failure::bad_args(format_args!("--bump-revision {by} is out of range")))?;
    Ok(Bump { by, mark_compacted })
}

fn wal_dir_given(line: &Line) -> Option<&Path> {
    Some(line.text("wal-dir")).filter(|dir| !dir.is_empty()).map(Path::new)
}

fn target(line: &Line, snapshot: &str) -> Target {
    let data_dir = match line.text("data-dir") {
        "" => PathBuf::from(format!("{}.etcd", line.text("name"))),
        given => PathBuf::from(given),
    };
    let inside = data_dir.join("member").join("wal");
    let wal_dir = wal_dir_given(line).map_or(inside, Path::to_path_buf);
    Target { snapshot: snapshot.into(), data_dir, wal_dir }
}

impl Target {
    fn announce(&self, line: &Line, message: &str) {
        let text = |path: &Path| json!(path.to_string_lossy());
        let fields = [
            ("path", text(&self.snapshot)),
            ("wal-dir", text(&self.wal_dir)),
            ("data-dir", text(&self.data_dir)),
            ("snap-dir", text(&self.data_dir.join("member").join("snap"))),
            ("initial-memory-map-size", json!(line.uint("initial-memory-map-size"))),
        ];
        log::info("snapshot/restore", message, &fields);
    }
}

/// The file must carry its digest and match it.
fn check_digest(path: &Path, skip: bool) -> Result<(), Failure> {
    let file = snapshot_file::open_raw(path)?;
    if skip {
        return Ok(());
    }
    let seal = ketch_snapshot::verify(file.as_ref(), path).map_err(snapshot_file::read_failure)?;
    if seal.db_bytes < ketch_snapshot::DIGEST_BYTES as u64 {
        let path = path.display();
        return Err(Failure::error(format_args!("seek {path}: invalid argument")));
    }
    let Some(stored) = seal.stored else {
        return Err(Failure::error("snapshot missing hash but --skip-hash-check=false"));
    };
    if stored != seal.computed {
        let words = |digest: [u8; 32]| digest.map(|byte| byte.to_string()).join(" ");
        let (expected, got) = (words(stored), words(seal.computed));
        return Err(Failure::error(format_args!("expected sha256 [{expected}], got [{got}]")));
    }
    Ok(())
}
