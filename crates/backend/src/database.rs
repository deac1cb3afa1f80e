//! One redb database: made, opened, and its last commit as a thing to read from.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Index, RevisionKey, Term};
use ketch_env::{Disk, File, Open};
use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase};

use crate::checked_file::{CheckedFile, EngineFile};
use crate::error::{Error, OpenError};
use crate::origin::Origin;
use crate::page_sums::PAGE;
use crate::schema::{self, Blob, RowKey, SmallKey};
use crate::{Bucket, Durable};

/// An open database with its place.
pub(crate) struct Opened {
    pub(crate) origin: Arc<Origin>,
    pub(crate) database: Arc<Database>,
}

/// Makes an empty database at `path`, which must not exist, with all tables.
pub(crate) fn create(
    disk: &dyn Disk,
    path: &Path,
    lock: Arc<dyn File>,
    cache_bytes: usize,
) -> Result<Opened, Error> {
    let io = |source| Error::from_io(path, source);
    let file = disk.open(path, Open::CreateNew).map_err(io)?;
    let file = Arc::new(CheckedFile::create(file).map_err(io)?);
    let opened = start(path, file, lock, cache_bytes)?;
    let origin = &opened.origin;
    let txn = begin_write(&opened)?;
    txn.open_table(schema::ROWS).map_err(|e| origin.error(e))?;
    for bucket in schema::small_buckets() {
        txn.open_table(schema::small(bucket)).map_err(|e| origin.error(e))?;
    }
    put_own(origin, &txn, schema::FORMAT_KEY, schema::FORMAT)?;
    put_own(origin, &txn, schema::LIVE_BYTES_KEY, 0)?;
    txn.commit().map_err(|e| origin.error(e))?;
    Ok(opened)
}

/// Opens the database at `path`, which will be or is known as `name`, and checks that it is ours.
pub(crate) fn open(
    disk: &dyn Disk,
    path: &Path,
    name: &Path,
    lock: Arc<dyn File>,
    cache_bytes: usize,
) -> Result<Opened, OpenError> {
    let io = |source| Error::from_io(path, source);
    let file = disk.open(path, Open::Existing).map_err(io)?;
    let file = Arc::new(CheckedFile::open(file).map_err(io)?);
    let opened = start(name, file, lock, cache_bytes)?;
    let found = own(&opened, schema::FORMAT_KEY)?;
    if found != schema::FORMAT {
        return Err(OpenError::Version { path: path.into(), found });
    }
    Ok(opened)
}

fn start(
    path: &Path,
    file: Arc<CheckedFile>,
    lock: Arc<dyn File>,
    cache_bytes: usize,
) -> Result<Opened, Error> {
    let origin = Arc::new(Origin { path: path.into(), file: file.clone(), lock });
    let database = redb::Builder::new()
        .set_cache_size(cache_bytes)
        .create_with_backend(EngineFile(file))
        .map_err(|e| origin.error(e))?;
    Ok(Opened { origin, database: Arc::new(database) })
}

/// Begins a transaction whose commit is durable and quick to reopen.
pub(crate) fn begin_write(opened: &Opened) -> Result<redb::WriteTransaction, Error> {
    let mut txn = opened.database.begin_write().map_err(|e| opened.origin.error(e))?;
    txn.set_durability(redb::Durability::Immediate).map_err(|e| opened.origin.error(e))?;
    // Also commits in two phases: pages first, then the header, so that a torn commit is never
    // the current one.
    txn.set_quick_repair(true);
    Ok(txn)
}

/// Sets a number of our own table.
pub(crate) fn put_own(
    origin: &Origin,
    txn: &redb::WriteTransaction,
    key: &[u8],
    value: u64,
) -> Result<(), Error> {
    let mut table = txn.open_table(schema::OWN).map_err(|e| origin.error(e))?;
    table.insert(key, value.to_be_bytes().as_slice()).map_err(|e| origin.error(e))?;
    Ok(())
}

/// Reads a number of our own table.
pub(crate) fn own(opened: &Opened, key: &[u8]) -> Result<u64, Error> {
    let origin = &opened.origin;
    let txn = opened.database.begin_read().map_err(|e| origin.error(e))?;
    let table = txn.open_table(schema::OWN).map_err(|e| origin.error(e))?;
    let value = table.get(key).map_err(|e| origin.error(e))?;
    value
        .and_then(|value| schema::parse_u64(value.value()))
        .ok_or_else(|| origin.malformed("a number of the database's own table is missing"))
}

/// Values of this size have a page of their own, of which they fill half at least, and are not
/// copied out of it.
const LENT_BYTES: usize = PAGE;

/// A value and, with it, its page.
struct Lent(AccessGuard<'static, Blob>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

/// The state of the last commit. Holds its pages in the file as long as it lives.
pub(crate) struct Snapshot {
    rows: ReadOnlyTable<RowKey, Blob>,
    /// By [`Bucket::place`]; the place of rows is empty.
    small: Vec<Option<ReadOnlyTable<SmallKey, Blob>>>,
    // After the tables, which lean on it.
    _database: Arc<Database>,
    origin: Arc<Origin>,
}

impl Snapshot {
    pub(crate) fn take(opened: &Opened) -> Result<Self, Error> {
        let origin = opened.origin.clone();
        let txn = opened.database.begin_read().map_err(|e| origin.error(e))?;
        let rows = txn.open_table(schema::ROWS).map_err(|e| origin.error(e))?;
        let mut small = Vec::with_capacity(Bucket::ALL.len());
        for bucket in Bucket::ALL {
            small.push(match bucket {
                Bucket::Key => None,
                _ => Some(txn.open_table(schema::small(bucket)).map_err(|e| origin.error(e))?),
            });
        }
        Ok(Self { rows, small, _database: opened.database.clone(), origin })
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    pub(crate) fn row(&self, key: RevisionKey) -> Result<Option<Bytes>, Error> {
        let found = self.rows.get(&schema::row_key(key)).map_err(|e| self.origin.error(e))?;
        Ok(found.map(|value| match value.value().len() {
            LENT_BYTES.. => Bytes::from_owner(Lent(value)),
            _ => Bytes::copy_from_slice(value.value()),
        }))
    }

    /// Rows from `from` up to and without `to`.
    pub(crate) fn rows(
        &self,
        from: [u8; schema::ROW_KEY_BYTES],
        to: [u8; schema::ROW_KEY_BYTES],
    ) -> Result<redb::Range<'static, RowKey, Blob>, Error> {
        self.rows
            .range::<&[u8; schema::ROW_KEY_BYTES]>(&from..&to)
            .map_err(|e| self.origin.error(e))
    }

    pub(crate) fn get(&self, bucket: Bucket, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let Some(table) = &self.small[bucket.place()] else { return Ok(None) };
        let found = table.get(key).map_err(|e| self.origin.error(e))?;
        Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// All of a bucket other than [`Bucket::Key`].
    pub(crate) fn iter(
        &self,
        bucket: Bucket,
    ) -> Result<Option<redb::Range<'static, SmallKey, Blob>>, Error> {
        let Some(table) = &self.small[bucket.place()] else { return Ok(None) };
        table.range::<&[u8]>(..).map(Some).map_err(|e| self.origin.error(e))
    }

    /// How far this commit is in the log.
    pub(crate) fn durable(&self) -> Result<Durable, Error> {
        let number = |key: &[u8]| -> Result<u64, Error> {
            let Some(value) = self.get(Bucket::Meta, key)? else { return Ok(0) };
            schema::parse_u64(&value)
                .ok_or_else(|| self.origin.malformed("applied index or term is not 8 bytes"))
        };
        Ok(Durable {
            index: Index(number(Durable::INDEX_KEY)?),
            term: Term(number(Durable::TERM_KEY)?),
        })
    }
}
