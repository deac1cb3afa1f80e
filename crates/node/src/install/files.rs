//! Names in `member/snap` of snapshots on their way in.

use std::path::{Path, PathBuf};

use ketch_base::Index;
use ketch_env::Disk;

use super::InstallError;

const PREPARED_PREFIX: &str = "ketch-";
const PREPARED_SUFFIX: &str = ".redb";
const RECEIVED_SUFFIX: &str = ".snap.db";
/// A received file that is not whole yet bears this behind its name.
const PART_SUFFIX: &str = ".tmp";

/// The name of a database made from a received snapshot.
pub fn prepared_name(index: Index) -> String {
    format!("{PREPARED_PREFIX}{:016x}{PREPARED_SUFFIX}", index.0)
}

/// The name of a received snapshot file, as etcd's.
pub fn received_name(index: Index) -> String {
    format!("{:016x}{RECEIVED_SUFFIX}", index.0)
}

/// The newest prepared database in `snap_dir`, with the place in the log it stands at.
pub fn pending(disk: &dyn Disk, snap_dir: &Path) -> Option<(Index, PathBuf)> {
    // A folder that cannot be read is told by whoever opens the database in it.
    let names = disk.list(snap_dir).unwrap_or_default();
    let whole = names.iter().filter_map(|name| {
        let index = index_of_prepared(name)?;
        (prepared_name(index) == *name).then_some((index, name))
    });
    whole.max().map(|(index, name)| (index, snap_dir.join(name)))
}

/// Removes every snapshot on its way in, whole or not. For the start, once [`pending`] was taken
/// up.
///
/// # Errors
/// The folder cannot be read or changed.
pub fn sweep(disk: &dyn Disk, snap_dir: &Path) -> Result<(), InstallError> {
    remove_where(disk, snap_dir, |_| true)
}

/// Removes what is of no use once the state stands at `index`: snapshots on their way in up to
/// there. Newer ones may be wanted yet.
///
/// # Errors
/// The folder cannot be read or changed.
pub fn sweep_through(disk: &dyn Disk, snap_dir: &Path, index: Index) -> Result<(), InstallError> {
    remove_where(disk, snap_dir, |found| found <= index)
}

fn remove_where(
    disk: &dyn Disk,
    snap_dir: &Path,
    is_useless: impl Fn(Index) -> bool,
) -> Result<(), InstallError> {
    let mut any = false;
    for name in disk.list(snap_dir).map_err(InstallError::io(snap_dir))? {
        let index = index_of_prepared(&name).or_else(|| index_of_received(&name));
        if index.is_some_and(&is_useless) {
            remove(disk, &snap_dir.join(name))?;
            any = true;
        }
    }
    if any { disk.sync_dir(snap_dir).map_err(InstallError::io(snap_dir)) } else { Ok(()) }
}

/// Of a prepared database or anything beside it (its lock, one being built).
fn index_of_prepared(name: &str) -> Option<Index> {
    let rest = name.strip_prefix(PREPARED_PREFIX)?;
    let (digits, rest) = rest.split_at_checked(16)?;
    rest.starts_with(PREPARED_SUFFIX).then(|| number(digits)).flatten()
}

fn index_of_received(name: &str) -> Option<Index> {
    let whole = name.strip_suffix(PART_SUFFIX).unwrap_or(name);
    whole.strip_suffix(RECEIVED_SUFFIX).and_then(number)
}

fn number(digits: &str) -> Option<Index> {
    let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok().map(Index)).flatten()
}

/// A database that is not whole yet.
pub(super) fn building(to: &Path) -> PathBuf {
    to.with_added_extension("building")
}

/// The lock that the database engine keeps beside its file.
pub(super) fn lock(path: &Path) -> PathBuf {
    path.with_added_extension("lock")
}

pub(super) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), InstallError> {
    if disk.exists(path) {
        disk.remove_file(path).map_err(InstallError::io(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let check = |name: &str, prepared: Option<u64>, received: Option<u64>| {
            assert_eq!(index_of_prepared(name), prepared.map(Index), "{name}");
            assert_eq!(index_of_received(name), received.map(Index), "{name}");
        };
        check(&prepared_name(Index(0x1f)), Some(0x1f), None);
        check(&received_name(Index(0x1f)), None, Some(0x1f));
        check("ketch-000000000000001f.redb.building", Some(0x1f), None);
        check("ketch-000000000000001f.redb.building.lock", Some(0x1f), None);
        check("000000000000001f.snap.db.tmp", None, Some(0x1f));
        check("ketch.redb", None, None);
        check("ketch.redb.lock", None, None);
        check("ketch-1f.redb", None, None);
        check("ketch-+00000000000001f.redb", None, None);
        check("1f.snap.db", None, None);
        check("0000000000000002-000000000000000b.snap", None, None);
        check("db", None, None);
    }
}
