//! Puts chunks into the tables of an open transaction.

use std::ops::Bound;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::Bucket;
use crate::buffer::Chunk;
use crate::schema::{self, Blob, ROW_KEY_BYTES, RowKey, SmallKey};

/// What the engine keeps per entry besides key and value, about: two offsets, its share of
/// branches and of free space in leaves.
const ENTRY_BYTES: usize = 24;

/// Whether a key of a bucket is to be written; rows are asked by their table key.
pub(crate) type Wanted<'a> = &'a dyn Fn(Bucket, &[u8]) -> bool;

/// Writes what is wanted of a chunk; returns by how much the live bytes changed.
pub(crate) fn write(
    txn: &WriteTransaction,
    chunk: &Chunk,
    wanted: Wanted<'_>,
) -> Result<i64, redb::Error> {
    let mut change = 0;
    if !chunk.rows.is_empty() || !chunk.removed.is_empty() {
        let mut table = txn.open_table(schema::ROWS)?;
        change += remove_rows(&mut table, chunk, wanted)?;
        change += put_rows(&mut table, chunk, wanted)?;
    }
    for bucket in schema::small_buckets() {
        let entries = &chunk.small[bucket.place()];
        if entries.is_empty() {
            continue;
        }
        let mut table: Table<'_, SmallKey, Blob> = txn.open_table(schema::small(bucket))?;
        for (key, value) in entries.iter().filter(|(key, _)| wanted(bucket, key)) {
            let old = match value {
                Some(value) => {
                    change += entry_bytes(key.len(), value.len());
                    table.insert(key.as_ref(), value.as_ref())?
                }
                None => table.remove(key.as_ref())?,
            };
            change -= old.map_or(0, |old| entry_bytes(key.len(), old.value().len()));
        }
    }
    Ok(change)
}

/// Whether anything of a chunk is wanted.
pub(crate) fn touches(chunk: &Chunk, wanted: Wanted<'_>) -> bool {
    let row = |key| wanted(Bucket::Key, &schema::row_key(key));
    chunk.rows.iter().any(|(key, _)| row(*key))
        || chunk.removed.iter().any(|key| row(*key))
        || schema::small_buckets()
            .any(|bucket| chunk.small[bucket.place()].keys().any(|key| wanted(bucket, key)))
}

/// Live bytes of an entry.
fn entry_bytes(key: usize, value: usize) -> i64 {
    i64::try_from(key + value + ENTRY_BYTES).unwrap_or(i64::MAX)
}

type RowTable<'txn> = Table<'txn, RowKey, Blob>;

fn remove_rows(
    table: &mut RowTable<'_>,
    chunk: &Chunk,
    wanted: Wanted<'_>,
) -> Result<i64, redb::Error> {
    let mut change = 0;
    for key in &chunk.removed {
        let key = schema::row_key(*key);
        if wanted(Bucket::Key, &key) {
            let old = table.remove(&key)?;
            change -= old.map_or(0, |old| entry_bytes(ROW_KEY_BYTES, old.value().len()));
        }
    }
    Ok(change)
}

/// Rows nearly always come after all others: then a cursor appends, at half the cost.
fn put_rows(
    table: &mut RowTable<'_>,
    chunk: &Chunk,
    wanted: Wanted<'_>,
) -> Result<i64, redb::Error> {
    let last = table.last()?.map(|(key, _)| *key.value());
    let rows = chunk.rows.iter().map(|(key, row)| (schema::row_key(*key), row));
    let mut rows = rows.filter(|(key, _)| wanted(Bucket::Key, key)).peekable();
    let mut change = 0;
    while let Some((key, row)) = rows.next_if(|(key, _)| last.is_some_and(|last| *key <= last)) {
        change += entry_bytes(ROW_KEY_BYTES, row.len());
        let old = table.insert(&key, row.as_ref())?;
        change -= old.map_or(0, |old| entry_bytes(ROW_KEY_BYTES, old.value().len()));
    }
    if rows.peek().is_none() {
        return Ok(change);
    }
    let mut end = table.upper_bound_mut(Bound::<&[u8; ROW_KEY_BYTES]>::Unbounded)?;
    for (key, row) in rows {
        change += entry_bytes(ROW_KEY_BYTES, row.len());
        end.insert_before(&key, row.as_ref())?;
    }
    end.close()?;
    Ok(change)
}
