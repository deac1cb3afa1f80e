//! Tables of the engine: one per bucket, and one of our own.

use ketch_base::{Revision, RevisionKey};
use redb::TableDefinition;

use crate::Bucket;

/// Key of a row: main and sub big-endian, then 0 or `t`. Order equals revision order.
pub(crate) const ROW_KEY_BYTES: usize = 17;
pub(crate) type RowKey = &'static [u8; ROW_KEY_BYTES];
pub(crate) type SmallKey = &'static [u8];
pub(crate) type Blob = &'static [u8];

pub(crate) const ROWS: TableDefinition<'static, RowKey, Blob> =
    TableDefinition::new(Bucket::Key.name());

/// Facts about the database itself; never seen outside of this crate.
pub(crate) const OWN: TableDefinition<'static, SmallKey, Blob> = TableDefinition::new("ketch");
/// Key in [`OWN`]: the format of the tables, u64 big-endian.
pub(crate) const FORMAT_KEY: &[u8] = b"format";
/// The only format there is.
pub(crate) const FORMAT: u64 = 1;
/// Key in [`OWN`]: bytes of all keys and values in all buckets, u64 big-endian.
pub(crate) const LIVE_BYTES_KEY: &[u8] = b"live_bytes";

/// Every bucket but [`Bucket::Key`].
pub(crate) fn small_buckets() -> impl Iterator<Item = Bucket> {
    Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Key)
}

/// The table of a bucket other than [`Bucket::Key`].
pub(crate) fn small(bucket: Bucket) -> TableDefinition<'static, SmallKey, Blob> {
    TableDefinition::new(bucket.name())
}

pub(crate) fn row_key(key: RevisionKey) -> [u8; ROW_KEY_BYTES] {
    let mut out = [0; ROW_KEY_BYTES];
    out[..8].copy_from_slice(&key.revision.main.to_be_bytes());
    out[8..16].copy_from_slice(&key.revision.sub.to_be_bytes());
    out[16] = if key.tombstone { b't' } else { 0 };
    out
}

pub(crate) fn parse_row_key(bytes: &[u8; ROW_KEY_BYTES]) -> Option<RevisionKey> {
    let tombstone = match bytes[16] {
        0 => false,
        b't' => true,
        _ => return None,
    };
    let main = i64::from_be_bytes(bytes[..8].try_into().ok()?);
    let sub = i64::from_be_bytes(bytes[8..16].try_into().ok()?);
    Some(RevisionKey { revision: Revision { main, sub }, tombstone })
}

pub(crate) fn parse_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_keys_keep_their_order_and_return() {
        let key =
            |main, sub, tombstone| RevisionKey { revision: Revision { main, sub }, tombstone };
        let keys = [key(1, 0, false), key(1, 0, true), key(1, 255, true), key(2, 0, false)];
        for pair in keys.windows(2) {
            assert!(row_key(pair[0]) < row_key(pair[1]), "{pair:?}");
        }
        for k in keys {
            assert_eq!(parse_row_key(&row_key(k)), Some(k));
        }
        assert_eq!(parse_row_key(&[7; ROW_KEY_BYTES]), None);
    }
}
