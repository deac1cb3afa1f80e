//! The machine: dispatch, and what belongs to every entry.

use std::sync::Arc;

use bytes::Bytes;
use ketch_auth::AuthStore;
use ketch_backend::{Backend, Batch, Bucket};
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, Index, MemberId, RequestId, Term};
use ketch_lease::Lessor;
use ketch_mvcc::{Committed, Reader, Store};
use ketch_raft_proto::raftpb::{ConfState, Entry, EntryType};

use crate::answer::{Answer, Applied, Change};
use crate::error::{Error, OpenError};
use crate::quota::Quota;
use crate::request::Request;
use crate::restore;
use crate::shared::Shared;

pub(crate) const INDEX_KEY: &[u8] = b"consistent_index";
pub(crate) const TERM_KEY: &[u8] = b"term";

/// What a machine must know.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// This member.
    pub local: MemberId,
    /// The quota flag in bytes: 0 is the default, below 0 none.
    pub quota_bytes: i64,
    /// For the lessor.
    pub lease: ketch_lease::Config,
    /// Most learners a cluster may have.
    pub learners_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        let lease = ketch_lease::Config::for_election(10, 100);
        Self { local: MemberId(0), quota_bytes: 0, lease, learners_max: 1 }
    }
}

/// The state of one member, moved on by one entry after the other.
pub struct Machine {
    pub(crate) backend: Backend,
    pub(crate) store: Store,
    pub(crate) lessor: Lessor,
    pub(crate) auth: AuthStore,
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Config,
    pub(crate) applied: Index,
    pub(crate) term: Term,
    pub(crate) conf_state: ConfState,
}

/// What a handler made of a request.
pub(crate) struct Outcome {
    pub(crate) result: Result<Answer, Code>,
    pub(crate) committed: Option<Committed>,
}

impl Outcome {
    /// A change of history.
    pub(crate) fn committed(answer: Answer, committed: Committed) -> Self {
        let committed = (!committed.events.is_empty()).then_some(committed);
        Self { result: Ok(answer), committed }
    }
}

impl From<Result<Answer, Code>> for Outcome {
    fn from(result: Result<Answer, Code>) -> Self {
        Self { result, committed: None }
    }
}

/// What the history or the client's request refused; the caller knows the entry.
pub(crate) type Handled = Result<Outcome, ketch_mvcc::Error>;

impl Machine {
    /// Takes up the state of a database, new or not.
    ///
    /// # Errors
    /// The database cannot be read, or a row is not what its bucket holds.
    pub fn open(backend: Backend, config: Config) -> Result<Self, OpenError> {
        let mut store = Store::open(backend.clone())?;
        let view = backend.view();
        let lessor = Lessor::open(&view, config.lease)?;
        let leased = store.take_leased().into_iter();
        if !planted::is(Bug::KeysUntied) {
            lessor.restore_attachments(leased.map(|(key, lease)| (key, lease.into())));
        }
        let auth = AuthStore::open(&view)?;
        let (applied, term) = restore::progress(&view)?;
        let membership = restore::membership(&view)?;
        let conf_state = restore::conf_state(&view)?;
        let alarms = restore::alarms(&view)?;
        let shared = Shared::new(membership, alarms, Quota::new(config.quota_bytes));
        let shared = Arc::new(shared);
        Ok(Self { backend, store, lessor, auth, shared, config, applied, term, conf_state })
    }

    /// Takes up the state of a database that was installed in place of the one before. Whoever
    /// reads this machine from other threads goes on, and sees the new state as soon as it
    /// stands; watches are moved on by [`ketch_mvcc::watch::Hub::reloaded`].
    ///
    /// # Errors
    /// As [`Machine::open`]; the member must stop.
    pub fn reload(&mut self) -> Result<(), OpenError> {
        self.store.reload()?;
        let view = self.backend.view();
        let leased = self.store.take_leased().into_iter();
        self.lessor.reload(&view, leased.map(|(key, lease)| (key, lease.into())))?;
        if !planted::is(Bug::SnapshotWithoutRights) {
            self.auth.reload(&view)?;
        }
        let (membership, alarms) = (restore::membership(&view)?, restore::alarms(&view)?);
        (self.applied, self.term) = restore::progress(&view)?;
        self.conf_state = restore::conf_state(&view)?;
        self.shared.edit_membership(|current| *current = membership);
        self.shared.edit_alarms(|current| *current = alarms);
        Ok(())
    }

    /// Applies one entry. The next must have the next index; one that was applied before is
    /// passed over.
    ///
    /// # Errors
    /// The member must stop.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, Error> {
        let index = Index(entry.index());
        if index <= self.applied {
            return Ok(applied(entry, None, Ok(Answer::Skipped).into()));
        }
        if index.0 != self.applied.0 + 1 {
            return Err(Error::Gap { index, applied: self.applied });
        }
        let batch = self.begin(entry);
        let done = match entry.r#type() {
            EntryType::EntryNormal => self.normal(entry, batch)?,
            EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                self.configure(entry, batch)?
            }
        };
        self.applied = index;
        self.term = Term(entry.term());
        Ok(done)
    }

    /// The last entry applied and its term.
    pub fn applied(&self) -> (Index, Term) {
        (self.applied, self.term)
    }

    /// The configuration as of the last applied entry.
    pub fn conf_state(&self) -> &ConfState {
        &self.conf_state
    }

    /// The read side of the history.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// The leases.
    pub fn lessor(&self) -> Lessor {
        self.lessor.clone()
    }

    /// Users, roles and tokens.
    pub fn auth(&self) -> AuthStore {
        self.auth.clone()
    }

    /// Membership, alarms and quota for other threads.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The batch of an entry, with its index and term.
    fn begin(&self, entry: &Entry) -> Batch {
        let number = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
        let mut batch = Batch::new();
        let stored = entry.index() - u64::from(planted::is(Bug::AppliedAgain));
        batch.put(Bucket::Meta, Bytes::from_static(INDEX_KEY), number(stored));
        if self.term.0 != entry.term() {
            batch.put(Bucket::Meta, Bytes::from_static(TERM_KEY), number(entry.term()));
        }
        self.auth.found(&mut batch);
        batch
    }

    fn normal(&mut self, entry: &Entry, mut batch: Batch) -> Result<Applied, Error> {
        let index = Index(entry.index());
        let data = entry.data.clone().unwrap_or_default();
        let request = Request::decode(data).ok_or(Error::Undecodable { index })?;
        let (id, op) = (request.id(), request.op());
        let refused = self.guard(&request).and_then(|()| self.pass(&request)).err();
        let over_quota = refused.is_none() && !self.fits(&request);
        let handled = match refused {
            Some(code) => Err(code.into()),
            None => self.handle(request, &mut batch),
        };
        let mut outcome = match handled {
            Ok(outcome) => outcome,
            Err(ketch_mvcc::Error::Refused(code)) => Err(code).into(),
            Err(source) => return Err(Error::Store { index, source }),
        };
        // A change of history took the batch with it.
        if !batch.is_empty() {
            self.backend.append(batch);
        }
        let over_quota = over_quota && outcome.result.is_ok();
        if over_quota {
            outcome.result = Err(Code::NoSpace);
        }
        Ok(Applied { op, over_quota, ..applied(entry, id, outcome) })
    }

    fn configure(&mut self, entry: &Entry, mut batch: Batch) -> Result<Applied, Error> {
        let (id, result, change) = self.change_members(entry, &mut batch)?;
        self.backend.append(batch);
        Ok(Applied { change: Some(change), ..applied(entry, id, result.into()) })
    }
}

fn applied(entry: &Entry, request: Option<RequestId>, outcome: Outcome) -> Applied {
    Applied {
        index: Index(entry.index()),
        term: Term(entry.term()),
        request,
        op: crate::request::OP_UNKNOWN,
        result: outcome.result,
        committed: outcome.committed,
        change: None::<Change>,
        over_quota: false,
    }
}
