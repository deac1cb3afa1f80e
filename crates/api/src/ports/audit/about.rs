//! What a request is about: its keys, leases, names; bounded in count.

use bytes::Bytes;

use crate::limits::AUDIT_FACTS_MAX;

/// What a request is about, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Most requests have one fact: no allocation for those.
    first: Option<Fact>,
    rest: Vec<Fact>,
    cut: bool,
}

/// One thing that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A key or a range of keys.
    Range {
        /// What for.
        op: Op,
        /// The key, or the first of the range.
        key: Bytes,
        /// As in the request: empty for one key, one zero byte for all from the key on.
        end: Bytes,
        /// The lease it is put with; 0 for none.
        lease: i64,
    },
    /// A lease.
    Lease(i64),
    /// A user that is looked at or changed, or who logs in.
    User(String),
    /// A role.
    Role(String),
    /// A member.
    Member(u64),
    /// A peer URL, without user and password.
    Url(String),
    /// A revision.
    Revision(i64),
    /// What is to be done, where the RPC does not say it.
    Action(&'static str),
    /// Which alarm.
    Alarm(&'static str),
    /// A version, as the client wrote it.
    Version(String),
}

/// What a range of keys is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// What the RPC says.
    Call,
    /// To be read, in a transaction.
    Range,
    /// To be written, in a transaction.
    Put,
    /// To be deleted, in a transaction.
    Delete,
    /// To be compared, in a transaction.
    Compare,
    /// The right to read is given.
    Read,
    /// The right to write is given.
    Write,
    /// Both rights are given.
    ReadWrite,
}

impl About {
    /// About one thing.
    pub fn one(fact: Fact) -> Self {
        Self { first: Some(fact), ..Self::default() }
    }

    /// Adds a fact, if there is room for it.
    pub fn push(&mut self, fact: Fact) {
        if self.first.is_none() {
            self.first = Some(fact);
        } else if self.rest.len() + 1 < AUDIT_FACTS_MAX {
            self.rest.push(fact);
        } else {
            self.cut = true;
        }
    }

    /// As [`About::push`], to be written in a row.
    #[must_use]
    pub fn and(mut self, fact: Fact) -> Self {
        self.push(fact);
        self
    }

    /// The facts, in order.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.first.iter().chain(&self.rest)
    }

    /// Whether there was more than is kept.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}
