//! The account of one call: begun once, ended once, whatever happens to it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trail::{Scribe, Trail, is_told};
use crate::method::Method;
use crate::ports::{Credentials, Observer, Origin};
use crate::status::{self, Status};

/// Counts the messages of one call.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(super) observer: Arc<dyn Observer>,
    pub(crate) method: Method,
}

impl Meter {
    pub(crate) fn received(&self, message_bytes: usize) {
        self.observer.received(self.method, message_bytes);
    }

    pub(crate) fn sent(&self, messages: usize, bytes: usize) {
        self.observer.sent(self.method, messages, bytes);
    }
}

/// Counts a call that is refused as soon as it is seen.
pub(crate) fn count_refused(observer: &Arc<dyn Observer>, method: Method, status: &Status) {
    observer.started(method);
    observer.handled(method, status.number);
    if observer.is_timed() {
        observer.took(method, Duration::ZERO);
    }
}

/// Reports the beginning and the end of one call. Dropped before its end it was canceled.
pub(crate) struct Record {
    pub(crate) meter: Meter,
    /// Only where an audit log is kept.
    pub(crate) trail: Option<Box<Trail>>,
    /// Only where durations are asked for.
    began: Option<Instant>,
    ended: bool,
}

impl Record {
    pub(crate) fn begin(
        observer: &Arc<dyn Observer>,
        method: Method,
        origin: &Origin,
        credentials: &Credentials,
    ) -> Self {
        observer.started(method);
        let began = observer.is_timed().then(Instant::now);
        let told = observer.audit().is_some() && is_told(method);
        let trail = told.then(|| Trail::begin(origin, credentials));
        Self { meter: Meter { observer: Arc::clone(observer), method }, trail, began, ended: false }
    }

    /// The call went well.
    pub(crate) fn succeed(&mut self) {
        self.end(Ok(()));
    }

    /// The call is refused, or broke.
    pub(crate) fn fail(&mut self, status: &Status) {
        self.end(Err(status));
    }

    /// Leaves what is to be told to the function of a stream; where an audit log is kept.
    pub(super) fn scribe(&mut self) -> Option<Scribe> {
        let trail = self.trail.take()?;
        Some(trail.into_scribe(&self.meter))
    }

    /// Only the first end counts.
    fn end(&mut self, end: Result<(), &Status>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let Meter { observer, method } = &self.meter;
        observer.handled(*method, end.map_or_else(|status| status.number, |()| status::OK));
        if let Some(began) = self.began {
            observer.took(*method, began.elapsed());
        }
        if let (Some(trail), Some(audit)) = (&self.trail, observer.audit()) {
            trail.tell(audit, *method, end);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.fail(&Status::canceled());
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?})", self.meter.method)
    }
}
