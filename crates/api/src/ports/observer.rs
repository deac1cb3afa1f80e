//! Where calls are counted. The server keeps the counters; the edge only reports.

use std::time::Duration;

use super::Audit;
use crate::Method;

/// Told of every call. Called on the hot path: an implementer indexes an array by
/// [`Method::index`] and adds, no more.
pub trait Observer: Send + Sync + 'static {
    /// A call has begun.
    fn started(&self, method: Method);

    /// A call has ended with this gRPC status number (0 is OK).
    fn handled(&self, method: Method, status: u8);

    /// Whether [`Observer::took`] wants to be told.
    fn is_timed(&self) -> bool {
        false
    }

    /// A call took this long, from its beginning to its end.
    fn took(&self, _method: Method, _took: Duration) {}

    /// Where calls are noted by who made them; asked twice in every call. `None`: nowhere.
    fn audit(&self) -> Option<&dyn Audit> {
        None
    }

    /// A request message came, of so many bytes without the frame header.
    fn received(&self, method: Method, message_bytes: usize);

    /// So many response messages left, of so many bytes together without the frame headers.
    fn sent(&self, method: Method, messages: usize, bytes: usize);

    /// `/health` (with an empty check), or a check of `/livez` or `/readyz`, was asked for and came
    /// out so. `page` has no slash.
    fn checked(&self, _page: &'static str, _check: &'static str, _healthy: bool) {}

    /// A call carried this `client-api-version`, `unknown` when none.
    fn client_version(&self, method: Method, version: &str);

    /// The body of `/metrics`, in the Prometheus text format.
    fn render_metrics(&self) -> String;
}
