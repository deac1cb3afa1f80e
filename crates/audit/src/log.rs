//! The log as others see it: told of entries, opened anew, stopped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use ketch_api::ports::{Audit, Entry};
use parking_lot::Mutex;

use crate::limits::STOP_PATIENCE;
use crate::queue::{Orders, Queue};
use crate::target::{self, Output, Target};
use crate::writer::Writer;

/// Whose log it is; every file begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The member's id.
    pub member: u64,
    /// The cluster's id.
    pub cluster: u64,
}

/// The log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the audit log {path}")]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// A running audit log.
pub struct Log {
    queue: Arc<Queue>,
    written: Arc<AtomicU64>,
    /// Closed when the writer has ended.
    end: Mutex<Option<Receiver<()>>>,
}

impl Log {
    /// Opens the file, which is made with mode 0600 if it is not there, and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread started.
    pub fn open(path: &Path, identity: Identity) -> Result<Self, OpenError> {
        let target = target::Path(path.to_owned());
        let told = |source| OpenError { path: path.to_owned(), source };
        Self::start(Box::new(target), identity).map_err(told)
    }

    pub(crate) fn start(target: Box<dyn Target>, identity: Identity) -> io::Result<Self> {
        let output = Output::open(target)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let queue = Arc::new(Queue::new(threads));
        let written = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(Arc::clone(&queue), output, identity, Arc::clone(&written));
        let (ended, end) = sync_channel(0);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            writer.run();
            drop(ended);
        })?;
        Ok(Self { queue, written, end: Mutex::new(Some(end)) })
    }

    /// Goes on in the file that now has the name: for after the old one was moved away. Returns
    /// at once.
    pub fn reopen(&self) {
        self.queue.order(Orders::REOPEN);
    }

    /// Writes what waits and ends, or gives up after `STOP_PATIENCE`. Later entries are dropped.
    pub fn stop(&self) {
        self.queue.order(Orders::STOP);
        if let Some(end) = self.end.lock().take() {
            // Nothing is ever sent: an error is the end, or that it took too long.
            let _ = end.recv_timeout(STOP_PATIENCE);
        }
    }

    /// Entries whose lines were written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Entries lost for want of room.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl Audit for Log {
    fn note(&self, entry: &Entry<'_>) {
        self.queue.push(entry);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, dropped) = (self.written(), self.dropped());
        f.debug_struct("Log").field("written", &written).field("dropped", &dropped).finish()
    }
}

#[cfg(test)]
mod tests;
