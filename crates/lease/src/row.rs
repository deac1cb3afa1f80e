//! Leases as the lease bucket holds them: eight big-endian bytes to a `leasepb.Lease`.

use bytes::Bytes;
use ketch_base::LeaseId;
use ketch_proto::leasepb;
use prost::Message;

/// Why the stored leases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A row of the lease bucket is not a lease, or not the one its key names.
    #[error("lease bucket: row {key:02x?} does not hold the lease of that id")]
    Row {
        /// The key of the row.
        key: Bytes,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Backend(#[from] ketch_backend::Error),
}

pub(crate) fn key(id: LeaseId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

pub(crate) fn value(id: LeaseId, ttl_s: i64, remaining_s: i64) -> Bytes {
    leasepb::Lease { id: id.0, ttl: ttl_s, remaining_ttl: remaining_s }.encode_to_vec().into()
}

/// Reads a row; refuses one whose value names another lease.
pub(crate) fn read(key: &Bytes, value: &[u8]) -> Result<leasepb::Lease, OpenError> {
    let refused = || OpenError::Row { key: key.clone() };
    let lease = leasepb::Lease::decode(value).map_err(|_| refused())?;
    if key.as_ref() == lease.id.to_be_bytes() { Ok(lease) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_strangers_are_refused() {
        let id = LeaseId(0x6a58_0000_0000_0001);
        let (key, value) = (key(id), value(id, 60, 0));
        let lease = read(&key, &value).expect("own row");
        assert_eq!((lease.id, lease.ttl, lease.remaining_ttl), (id.0, 60, 0));
        for (bad_key, bad_value) in [
            (Bytes::from_static(b"\0\0\0\0\0\0\0\x01"), value.clone()),
            (Bytes::from_static(b"short"), value.clone()),
            (key.clone(), Bytes::from_static(b"\xff\xff")),
        ] {
            assert!(read(&bad_key, &bad_value).is_err(), "{bad_key:?}");
        }
    }
}
