//! The account of one call: begun once, ended once, whatever happens to it.

use std::fmt;
use std::sync::Arc;

use ketch_base::GrpcCode;

use crate::method::Method;
use crate::ports::Observer;

/// Counts the messages of one call.
#[derive(Clone)]
pub(crate) struct Meter {
    observer: Arc<dyn Observer>,
    pub(crate) method: Method,
}

impl Meter {
    pub(crate) fn received(&self, message_bytes: usize) {
        self.observer.received(self.method, message_bytes);
    }

    pub(crate) fn sent(&self, message_bytes: usize) {
        self.observer.sent(self.method, message_bytes);
    }
}

/// Reports the beginning and the end of one call. Dropped before its end it was canceled.
pub(crate) struct Record {
    pub(crate) meter: Meter,
    ended: bool,
}

impl Record {
    pub(crate) fn begin(observer: &Arc<dyn Observer>, method: Method) -> Self {
        observer.started(method);
        Self { meter: Meter { observer: Arc::clone(observer), method }, ended: false }
    }

    /// The call's status is known. Only the first one counts.
    pub(crate) fn end(&mut self, status: u8) {
        if !std::mem::replace(&mut self.ended, true) {
            self.meter.observer.handled(self.meter.method, status);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(GrpcCode::Canceled as u8);
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?})", self.meter.method)
    }
}
