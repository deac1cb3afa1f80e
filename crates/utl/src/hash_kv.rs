//! `hashkv`: the hash of history that members compare.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use ketch_backend::Bucket;
use ketch_base::{Revision, RevisionKey};
use ketch_proto::mvccpb::KeyValue;
use ketch_snapshot::bolt::{self, Value};
use prost::Message;

use crate::failure::Failure;
use crate::line::Line;
use crate::output::{self, Format};
use crate::snapshot_file::{open_database, read_failure};

/// Compact revision of a store that was never compacted.
const NEVER: i64 = -1;

#[derive(Debug)]
struct HashKv {
    hash: u32,
    revision: i64,
    compacted: i64,
}

/// The command. etcdutl opens the file for writing here and alters it; we only read it.
pub(crate) fn run(line: &Line) -> Result<(), Failure> {
    let [path] = line.words() else {
        let received = line.words().len();
        return Err(Failure::usage(format_args!("accepts 1 arg(s), received {received}")));
    };
    let format = Format::of(line)?;
    let hash = compute(&open_database(Path::new(path))?, line.int("rev"))?;
    output::say(&hash.text(format)?);
    Ok(())
}

/// Two walks: the first, only after a compaction, learns which old rows are still to be kept.
fn compute(file: &bolt::File, asked: i64) -> Result<HashKv, Failure> {
    let compacted = compact_revision(file)?;
    let current = current_revision(file, compacted)?;
    let revision = if asked == 0 { current } else { asked };
    if revision < compacted {
        return Err(Failure::error("mvcc: required revision has been compacted"));
    }
    if revision > current {
        return Err(Failure::error("mvcc: required revision is a future revision"));
    }
    let keep = if compacted == NEVER { BTreeSet::new() } else { keep_set(file, revision)? };
    let mut hash = crc32c::crc32c(Bucket::Key.name().as_bytes());
    for_each_row(file, |at, key, value| {
        let main = at.revision.main;
        let is_dropped = main <= compacted && !keep.is_empty() && !keep.contains(&at.revision);
        if main > revision || is_dropped || (main == compacted && at.tombstone) {
            return Ok(());
        }
        hash = crc32c::crc32c_append(hash, key);
        hash = crc32c::crc32c_append(hash, &value);
        Ok(())
    })?;
    Ok(HashKv { hash, revision, compacted })
}

/// A compaction that was begun counts as done: its rows may be there but are not seen.
fn compact_revision(file: &bolt::File) -> Result<i64, Failure> {
    let mut compacted = NEVER;
    let meta = file.bucket(Bucket::Meta.name().as_bytes()).map_err(read_failure)?;
    for item in meta.iter().flat_map(bolt::Bucket::walk) {
        let (key, value) = item.map_err(read_failure)?;
        let is_mark =
            key == b"scheduledCompactRev".as_slice() || key == b"finishedCompactRev".as_slice();
        if let (true, Value::Bytes(value)) = (is_mark, value) {
            let mark = Revision::from_bytes(&value)
                .ok_or_else(|| Failure::error(format_args!("{key:?} is no revision")))?;
            compacted = compacted.max(mark.main);
        }
    }
    Ok(compacted)
}

fn current_revision(file: &bolt::File, compacted: i64) -> Result<i64, Failure> {
    let mut current = compacted.max(1);
    for_each_row(file, |at, _, _| {
        current = current.max(at.revision.main);
        Ok(())
    })?;
    Ok(current)
}

/// The newest revision up to `revision` of every key that is alive there.
fn keep_set(file: &bolt::File, revision: i64) -> Result<BTreeSet<Revision>, Failure> {
    let mut newest = BTreeMap::new();
    for_each_row(file, |at, _, value| {
        if at.revision.main > revision {
            return Ok(());
        }
        let row = KeyValue::decode(value).map_err(|error| {
            Failure::error(format_args!("row {} is no key-value: {error}", at.revision))
        })?;
        if at.tombstone {
            newest.remove(&row.key);
        } else {
            newest.insert(row.key, at.revision);
        }
        Ok(())
    })?;
    Ok(newest.into_values().collect())
}

fn for_each_row(
    file: &bolt::File,
    mut visit: impl FnMut(RevisionKey, &[u8], Bytes) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let bucket = file.bucket(Bucket::Key.name().as_bytes()).map_err(read_failure)?;
    for item in bucket.iter().flat_map(bolt::Bucket::walk) {
        let (key, value) = item.map_err(read_failure)?;
        let at = RevisionKey::decode(&key)
            .ok_or_else(|| Failure::error(format_args!("row key {key:?} is no revision")))?;
        if let Value::Bytes(value) = value {
            visit(at, &key, value)?;
        }
    }
    Ok(())
}

impl HashKv {
    fn text(&self, format: Format) -> Result<String, Failure> {
        let Self { hash, revision, compacted } = self;
        Ok(match format {
            Format::Simple => format!("{hash}, {revision}, {compacted}\n"),
            Format::Json => format!(
                "{{\"hash\":{hash},\"hashRevision\":{revision},\"compactRevision\":{compacted}}}\n"
            ),
            Format::Fields => format!(
                "\"Hash\" : {hash}\n\"Hash revision\" : {revision}\n\
                 \"Compact revision\" : {compacted}\n"
            ),
            Format::Table => output::table(&[
                ("HASH", hash.to_string()),
                ("HASH REVISION", revision.to_string()),
                ("COMPACT REVISION", compacted.to_string()),
            ]),
            Format::Protobuf => return Err(Format::no_protobuf()),
        })
    }
}
