//! The lessor: the book of leases behind one lock, shared by apply and the lease task.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Batch, Bucket, View};
use ketch_base::{Code, LeaseId};
use parking_lot::Mutex;

use crate::book::Book;
use crate::lease::{Renewed, TimeToLive};
use crate::row::{self, OpenError};

/// What a lessor must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A grant of less is raised to this, in seconds: no lease may run out during one election.
    pub ttl_min_s: i64,
}

impl Config {
    /// One and a half elections, rounded up to whole seconds (etcd): 2 with 10 ticks of 100 ms.
    pub fn for_election(election_ticks: u64, heartbeat_ms: u64) -> Self {
        let span_ms = (election_ticks.saturating_mul(3) / 2).saturating_mul(heartbeat_ms);
        Self { ttl_min_s: i64::try_from(span_ms.div_ceil(1_000)).unwrap_or(i64::MAX) }
    }
}

/// All leases; clones share them.
#[derive(Clone, Debug)]
pub struct Lessor {
    book: Arc<Mutex<Book>>,
    config: Config,
}

impl Lessor {
    /// A lessor without leases.
    pub fn new(config: Config) -> Self {
        Self { book: Arc::default(), config }
    }

    /// Reads the stored leases. The keys attached follow by [`Lessor::restore_attachments`].
    pub fn open(view: &View, config: Config) -> Result<Self, OpenError> {
        let book = Arc::new(Mutex::new(stored(view, config)?));
        Ok(Self { book, config })
    }

    /// Takes up the leases of another database in place of all that were, with the keys attached
    /// there. Whether expiry runs here stays as it is.
    ///
    /// # Errors
    /// As [`Lessor::open`]; the member must stop.
    pub fn reload(
        &self,
        view: &View,
        attached: impl IntoIterator<Item = (Bytes, LeaseId)>,
    ) -> Result<(), OpenError> {
        let mut book = stored(view, self.config)?;
        for (key, id) in attached {
            book.attach(key, id);
        }
        let old = self.book.lock().replace(book);
        drop(old);
        Ok(())
    }

    /// Ties the live keys found at start to their leases; those of unknown leases stay untied.
    pub fn restore_attachments(&self, keys: impl IntoIterator<Item = (Bytes, LeaseId)>) {
        let mut book = self.book.lock();
        for (key, id) in keys {
            book.attach(key, id);
        }
    }

    /// Grants a lease and returns its time in seconds, raised to the minimum.
    ///
    /// # Errors
    /// [`Code::LeaseNotFound`] for id 0, [`Code::LeaseTTLTooLarge`], [`Code::LeaseExist`].
    pub fn grant(&self, id: LeaseId, ttl_s: i64, batch: &mut Batch) -> Result<i64, Code> {
        let ttl_s = self.book.lock().grant(id, ttl_s, self.config.ttl_min_s)?;
        batch.put(Bucket::Lease, row::key(id), row::value(id, ttl_s, 0));
        Ok(ttl_s)
    }

    /// Ends a lease and returns its keys in byte order, for the caller to delete in one revision.
    ///
    /// # Errors
    /// [`Code::LeaseNotFound`].
    pub fn revoke(&self, id: LeaseId, batch: &mut Batch) -> Result<Vec<Bytes>, Code> {
        let keys = self.book.lock().revoke(id)?;
        batch.delete(Bucket::Lease, row::key(id));
        Ok(keys)
    }

    /// Takes over how many seconds are left of a lease, 0 to forget; unknown leases are passed
    /// over.
    pub fn checkpoint(&self, id: LeaseId, remaining_s: i64, batch: &mut Batch) {
        let known = self.book.lock().checkpoint(id, remaining_s);
        if let Some(ttl_s) = known {
            batch.put(Bucket::Lease, row::key(id), row::value(id, ttl_s, remaining_s));
        }
    }

    /// Whether the lease was granted and not yet revoked.
    pub fn exists(&self, id: LeaseId) -> bool {
        self.book.lock().exists(id)
    }

    /// Number of leases.
    pub fn len(&self) -> usize {
        self.book.lock().len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lease a key is tied to.
    pub fn lease_of(&self, key: &[u8]) -> Option<LeaseId> {
        self.book.lock().lease_of(key)
    }

    /// Ties a key to a lease, leaving the one it had; lease 0 leaves only.
    pub fn attach(&self, key: &Bytes, id: LeaseId) {
        let mut book = self.book.lock();
        if id.0 == 0 { book.detach(key) } else { book.attach(key.clone(), id) }
    }

    /// Unties a deleted key.
    pub fn detach(&self, key: &[u8]) {
        self.book.lock().detach(key);
    }

    /// This member leads now: every lease starts afresh, `extend_ms` longer than granted because
    /// renewals may have been lost with the old leader.
    pub fn promote(&self, now_ms: u64, extend_ms: u64) {
        self.book.lock().promote(now_ms, extend_ms);
    }

    /// This member leads no more: nothing expires here.
    pub fn demote(&self) {
        self.book.lock().demote();
    }

    /// Whether expiry runs here.
    pub fn is_primary(&self) -> bool {
        self.book.lock().is_primary()
    }

    /// Starts the lease's time again. See [`Renewed::clear_checkpoint`] for what the caller may
    /// still have to do.
    ///
    /// # Errors
    /// [`Code::NotPrimary`] away from the leader; [`Code::LeaseNotFound`], also once it ran out.
    pub fn renew(&self, id: LeaseId, now_ms: u64) -> Result<Renewed, Code> {
        self.book.lock().renew(id, now_ms)
    }

    /// What is left of a lease; `None` if there is no such lease.
    pub fn time_to_live(&self, id: LeaseId, now_ms: u64, keys: bool) -> Option<TimeToLive> {
        self.book.lock().time_to_live(id, now_ms, keys)
    }

    /// The keys tied to a lease; none if there is no such lease. Does not look at the time, and
    /// starts no clock.
    pub fn keys(&self, id: LeaseId) -> Vec<Bytes> {
        self.book.lock().keys(id)
    }

    /// All leases, soonest to expire first.
    pub fn leases(&self) -> Vec<LeaseId> {
        self.book.lock().list()
    }

    /// At most `max` leases that ran out, for the leader to propose a revoke of each. One that is
    /// still there three seconds later is named again.
    pub fn expired(&self, now_ms: u64, max: usize) -> Vec<LeaseId> {
        self.book.lock().expired(now_ms, max)
    }

    /// At most `max` leases whose remaining seconds, rounded up, are worth a checkpoint: every
    /// 300 seconds that one runs (etcd). For the leader to propose at once; one whose checkpoint
    /// is not applied three seconds later is named again.
    pub fn checkpoints(&self, now_ms: u64, max: usize) -> Vec<(LeaseId, i64)> {
        self.book.lock().checkpoints(now_ms, max)
    }
}

fn stored(view: &View, config: Config) -> Result<Book, OpenError> {
    let mut book = Book::default();
    for entry in view.iter(Bucket::Lease) {
        let (key, value) = entry?;
        let lease = row::read(&key, &value)?;
        book.insert(LeaseId(lease.id), lease.ttl.max(config.ttl_min_s), lease.remaining_ttl);
    }
    Ok(book)
}
