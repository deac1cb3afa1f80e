//! How much of unfinished request messages all calls may hold together.
//!
//! A client may open any number of calls and leave each a byte short of its message; without a
//! common bound that would be memory for the asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ketch_base::GrpcCode;

use crate::limits::UNFINISHED_BYTES;
use crate::status::Status;

/// The bytes all calls hold now.
pub(crate) type Total = Arc<AtomicUsize>;

/// The bytes one call holds; given back when dropped.
pub(super) struct Unfinished {
    total: Total,
    held_bytes: usize,
}

impl Unfinished {
    pub(super) fn new(total: &Total) -> Self {
        Self { total: Arc::clone(total), held_bytes: 0 }
    }

    /// Says how much the call holds now.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Status> {
        let before = std::mem::replace(&mut self.held_bytes, bytes);
        let total = if bytes >= before {
            self.total.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before)
        } else {
            self.total.fetch_sub(before - bytes, Ordering::Relaxed) - (before - bytes)
        };
        if bytes > before && total > UNFINISHED_BYTES {
            return Err(Status::new(
                GrpcCode::ResourceExhausted,
                "too many bytes of unfinished requests",
            ));
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.total.fetch_sub(self.held_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_share_one_bound() {
        let total = Total::default();
        let mut calls = [Unfinished::new(&total), Unfinished::new(&total)];
        assert!(calls[0].hold(UNFINISHED_BYTES - 10).is_ok());
        assert!(calls[1].hold(10).is_ok());
        assert!(calls[1].hold(11).is_err());
        assert!(calls[0].hold(0).is_ok());
        assert!(calls[1].hold(UNFINISHED_BYTES).is_ok());
        drop(calls);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
