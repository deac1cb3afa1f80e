//! How many calls are under way, and when one more would only make all of them late.
//!
//! A server that takes more than it can finish finishes nothing in time, and holds all of it in
//! memory. Above the bound a call is refused before its message is looked at, which costs a
//! fraction of serving it, in the words etcd has for writes that run ahead of their application.
//! So is a call that waited for long before it was read, as long as there are others to work on:
//! where reading is what the server cannot keep up with, calls wait in the sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use ketch_base::Code;

use crate::limits::{CALLS_AT_LEAST, CALLS_UNDER_WAY, CALLS_UNDER_WAY_BYTES};
use crate::method::Method;

/// The calls of all connections that were begun and are not answered yet, without those that wait
/// for their client.
#[derive(Clone, Default)]
pub(crate) struct Load(Arc<UnderWay>);

#[derive(Default)]
struct UnderWay {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// One call's part of the load; given back when dropped.
pub(crate) struct Share {
    load: Load,
    bytes: usize,
}

impl Load {
    /// Refuses a call of this kind while too many are under way; one that is late already while
    /// there are enough.
    pub(crate) fn check(&self, method: Method, is_late: bool) -> Result<(), Code> {
        let calls_max = if is_late { CALLS_AT_LEAST } else { CALLS_UNDER_WAY };
        let is_full = || {
            self.0.calls.load(Ordering::Relaxed) >= calls_max
                || self.0.bytes.load(Ordering::Relaxed) >= CALLS_UNDER_WAY_BYTES
        };
        if is_counted(method) && is_full() { Err(Code::RequestTooManyRequests) } else { Ok(()) }
    }

    /// Counts a call.
    pub(super) fn take(&self, method: Method) -> Option<Share> {
        if !is_counted(method) {
            return None;
        }
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Some(Share { load: self.clone(), bytes: 0 })
    }
}

impl Share {
    /// Counts the bytes of its message, too.
    pub(super) fn of(mut self, message_bytes: usize) -> Self {
        self.load.0.bytes.fetch_add(message_bytes, Ordering::Relaxed);
        self.bytes += message_bytes;
        self
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.load.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.load.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Lets the message of a refused call come, and go. An answer before its end would have the HTTP/2
/// library reset the stream, and count what still comes for it as a fault of the client's: a
/// connection with many of them is ended. A message that is longer than any may be is not heard
/// to its end.
pub(super) async fn drain<B>(body: &mut B, max_bytes: usize)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut bytes = 0;
    while !body.is_end_stream() && bytes <= max_bytes {
        let Some(Ok(frame)) = body.frame().await else { return };
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Calls that end by the server's own doing. Those that wait for somebody else (a lock, a campaign)
/// would hold their share for ever; those that operate the cluster must get through when it is
/// under water; logins have a bound of their own.
fn is_counted(method: Method) -> bool {
    matches!(
        method,
        Method::Range
            | Method::Put
            | Method::DeleteRange
            | Method::Txn
            | Method::LeaseGrant
            | Method::LeaseRevoke
            | Method::LeaseTimeToLive
            | Method::LeaseLeases
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Result<(), Code> = Err(Code::RequestTooManyRequests);

    #[test]
    fn calls_have_a_bound() {
        let load = Load::default();
        let mut shares: Vec<_> =
            (0..CALLS_UNDER_WAY).map(|_| load.take(Method::Put).expect("counted").of(10)).collect();
        assert_eq!(load.check(Method::Range, false), REFUSED);
        assert_eq!(load.check(Method::MemberList, false), Ok(()));
        assert!(load.take(Method::Lock).is_none());
        shares.pop();
        assert_eq!(load.check(Method::Range, false), Ok(()));
        assert_eq!(load.check(Method::Range, true), REFUSED, "late");
        shares.truncate(CALLS_AT_LEAST - 1);
        assert_eq!(load.check(Method::Range, true), Ok(()), "late, but there is little to do");
        drop(shares);
        assert_eq!(load.0.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn so_have_their_bytes() {
        let load = Load::default();
        let share = load.take(Method::Txn).expect("counted").of(CALLS_UNDER_WAY_BYTES);
        assert_eq!(load.check(Method::Put, false), REFUSED);
        drop(share);
        assert_eq!(load.check(Method::Put, false), Ok(()));
    }
}
