//! `snapshot status`: what a snapshot file holds.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use ketch_backend::Bucket;
use ketch_base::RevisionKey;
use ketch_proto::mvccpb::KeyValue;
use ketch_snapshot::{bolt, read_out};
use prost::Message;
use serde_json::json;

use crate::failure::Failure;
use crate::line::Line;
use crate::output::{self, Format};
use crate::snapshot_file;

/// Key of the storage version in the meta bucket.
const STORAGE_VERSION: &[u8] = b"storageVersion";

#[derive(Debug, Default)]
struct Status {
    /// CRC-32C over bucket names, keys and values, in order.
    hash: u32,
    revision: i64,
    keys: usize,
    size_bytes: u64,
    /// Empty if the file does not say.
    version: String,
}

/// The command.
pub(crate) fn run(line: &Line) -> Result<(), Failure> {
    let [path] = line.words() else {
        return Err(Failure::bad_args("snapshot status requires exactly one argument"));
    };
    let format = Format::of(line)?;
    let status = read(Path::new(path))?;
    output::say(&status.text(format)?);
    Ok(())
}

fn read(path: &Path) -> Result<Status, Failure> {
    let file = snapshot_file::open_database(path)?;
    file.check().map_err(|error| match error {
        damage @ bolt::Error::Corrupt { .. } => Failure::error(format_args!(
            "snapshot file integrity check failed. 1 errors found.\n{damage}"
        )),
        other => snapshot_file::read_failure(other),
    })?;
    let mut status = Status { size_bytes: file.size_bytes(), ..Status::default() };
    // Names of all buckets count, those of empty ones too, which read_out does not visit.
    let mut names = Vec::new();
    for item in file.buckets() {
        names.push(item.map_err(snapshot_file::read_failure)?.0);
    }
    let mut names = names.into_iter().peekable();
    let mut live = BTreeSet::new();
    read_out(&file, |bucket, key, value| {
        while let Some(name) = names.next_if(|name| name <= bucket) {
            status.add(&name);
        }
        status.add(&key);
        status.add(&value);
        if bucket == Bucket::Key.name().as_bytes() {
            status.count_row(&key, value, &mut live)?;
        } else if bucket == Bucket::Meta.name().as_bytes() && key == STORAGE_VERSION {
            status.version = String::from_utf8_lossy(&value).into_owned();
        }
        Ok::<(), String>(())
    })
    .map_err(Failure::error)?;
    names.for_each(|name| status.add(&name));
    status.keys = live.len();
    Ok(status)
}

impl Status {
    fn add(&mut self, bytes: &[u8]) {
        self.hash = crc32c::crc32c_append(self.hash, bytes);
    }

    fn count_row(
        &mut self,
        key: &[u8],
        value: Bytes,
        live: &mut BTreeSet<Bytes>,
    ) -> Result<(), String> {
        let at =
            RevisionKey::decode(key).ok_or_else(|| format!("row key {key:?} is no revision"))?;
        let row = KeyValue::decode(value)
            .map_err(|error| format!("row {} is no key-value: {error}", at.revision))?;
        self.revision = at.revision.main;
        if at.tombstone {
            live.remove(&row.key);
        } else {
            live.insert(row.key);
        }
        Ok(())
    }

    fn text(&self, format: Format) -> Result<String, Failure> {
        let Self { hash, revision, keys, size_bytes, version } = self;
        let size = output::human_bytes(*size_bytes);
        Ok(match format {
            Format::Simple => format!("{hash:x}, {revision}, {keys}, {size}, {version}\n"),
            Format::Json => {
                let version = json!(version);
                format!(
                    "{{\"hash\":{hash},\"revision\":{revision},\"totalKey\":{keys},\
                     \"totalSize\":{size_bytes},\"version\":{version}}}\n"
                )
            }
            Format::Fields => format!(
                "\"Hash\" : {hash}\n\"Revision\" : {revision}\n\"Keys\" : {keys}\n\
                 \"Size\" : {size_bytes}\n\"Version\" : {version}\n"
            ),
            Format::Table => output::table(&[
                ("HASH", format!("{hash:x}")),
                ("REVISION", revision.to_string()),
                ("TOTAL KEYS", keys.to_string()),
                ("TOTAL SIZE", size),
                ("VERSION", version.clone()),
            ]),
            Format::Protobuf => return Err(Format::no_protobuf()),
        })
    }
}
