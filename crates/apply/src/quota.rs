//! How much the database may hold, and what a request is reckoned to add.

use ketch_base::limits::QUOTA_BYTES_DEFAULT;
use ketch_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest, request_op::Request};

/// Bytes a put is reckoned to cost above key and value (etcd).
const PUT_OVERHEAD_BYTES: i64 = 256;
/// Bytes a lease is reckoned to cost (etcd).
const LEASE_BYTES: i64 = 64;

/// The limit on the database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit_bytes: i64,
}

impl Quota {
    /// Reads the flag: 0 is the default, below 0 is no limit.
    pub fn new(flag_bytes: i64) -> Self {
        let limit_bytes = match flag_bytes {
            0 => QUOTA_BYTES_DEFAULT,
            none if none < 0 => i64::MAX,
            limit => limit,
        };
        Self { limit_bytes }
    }

    /// The limit in bytes, `i64::MAX` where there is none.
    pub fn limit_bytes(&self) -> i64 {
        self.limit_bytes
    }

    /// Whether a request of this cost fits beside `used_bytes`; what costs nothing always does.
    pub fn available(&self, cost_bytes: i64, used_bytes: i64) -> bool {
        cost_bytes == 0
            || self.limit_bytes == i64::MAX
            || used_bytes.saturating_add(cost_bytes) < self.limit_bytes
    }
}

/// What a put is reckoned to add, in bytes.
pub fn cost_put(put: &PutRequest) -> i64 {
    let bytes = put.key.len().saturating_add(put.value.len());
    PUT_OVERHEAD_BYTES.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// What a transaction is reckoned to add: its dearer branch, and so for those nested in it.
pub fn cost_txn(txn: &TxnRequest) -> i64 {
    let branch = |ops: &[RequestOp]| ops.iter().map(cost_op).fold(0, i64::saturating_add);
    branch(&txn.success).max(branch(&txn.failure))
}

/// What a lease is reckoned to add, in bytes.
pub fn cost_lease_grant() -> i64 {
    LEASE_BYTES
}

fn cost_op(op: &RequestOp) -> i64 {
    match &op.request {
        Some(Request::RequestPut(put)) => cost_put(put),
        Some(Request::RequestTxn(txn)) => cost_txn(txn),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: usize) -> RequestOp {
        let put =
            PutRequest { key: "k".into(), value: vec![0; bytes].into(), ..Default::default() };
        RequestOp { request: Some(Request::RequestPut(put)) }
    }

    #[test]
    fn the_dearer_branch_counts() {
        let txn =
            TxnRequest { success: vec![put(9)], failure: vec![put(9), put(0)], compare: vec![] };
        assert_eq!(cost_txn(&txn), 266 + 257);
        assert_eq!(cost_txn(&TxnRequest::default()), 0);
        let nested = RequestOp { request: Some(Request::RequestTxn(txn)) };
        let outer = TxnRequest { success: vec![nested, put(0)], ..Default::default() };
        assert_eq!(cost_txn(&outer), 266 + 257 + 257);
    }

    #[test]
    fn the_flag_is_read_as_etcd_reads_it() {
        let check = |flag: i64, cost: i64, used: i64, expected: bool| {
            assert_eq!(Quota::new(flag).available(cost, used), expected, "{flag} {cost} {used}");
        };
        check(1000, 300, 699, true);
        check(1000, 300, 700, false);
        check(1000, 0, 5000, true);
        check(-1, i64::MAX, i64::MAX, true);
        check(0, 300, QUOTA_BYTES_DEFAULT - 300, false);
        check(0, 300, QUOTA_BYTES_DEFAULT - 301, true);
    }
}
