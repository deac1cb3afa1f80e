//! The account of one call: begun once, ended once, whatever happens to it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

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
    /// Only where durations are asked for.
    began: Option<Instant>,
    ended: bool,
}

impl Record {
    pub(crate) fn begin(observer: &Arc<dyn Observer>, method: Method) -> Self {
        observer.started(method);
        let began = observer.is_timed().then(Instant::now);
        Self { meter: Meter { observer: Arc::clone(observer), method }, began, ended: false }
    }

    /// The call's status is known. Only the first one counts.
    pub(crate) fn end(&mut self, status: u8) {
        if !std::mem::replace(&mut self.ended, true) {
            let Meter { observer, method } = &self.meter;
            observer.handled(*method, status);
            if let Some(began) = self.began {
                observer.took(*method, began.elapsed());
            }
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
