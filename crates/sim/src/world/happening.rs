//! The kinds of things that happen in a world.

use bytes::Bytes;
use ketch_base::LeaseId;
use ketch_mvcc::watch::{Create, Output};

use super::faults::Trouble;
use super::member::snapshot::Parcel;
use super::member::{Errand, Next};
use crate::fact::{CallId, Outcome};

/// One life of a member: what is planned for it is void when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) life: u64,
}

/// Something a member does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A heartbeat interval has passed.
    Tick,
    /// The node takes what has come.
    Turn,
    /// The log worker is done with what it took.
    Log,
    /// The next segment of the log is made ready.
    Prepare,
    /// The apply worker is done with what it took.
    Apply,
    /// The storage moves what waits to the disk.
    Drain,
    /// The compactor looks for work.
    Compact,
    /// The watch hub does its jobs.
    Watch,
    /// Expired leases are looked for.
    Leases,
    /// Quiet watches are told how far they are.
    Progress,
    /// It was removed and ends.
    Leave,
}

/// What happens.
pub(crate) enum What {
    Work(Place, Work),
    /// A member is started, if it does not run.
    Start(usize),
    /// A message of Raft reaches a member, as bytes.
    Message {
        from: usize,
        to: usize,
        bytes: Bytes,
    },
    /// A host tells a member that nobody listens there.
    Refused {
        by: usize,
        to: usize,
    },
    /// A snapshot reaches a member.
    Snapshot {
        from: Place,
        to: usize,
        parcel: Box<Parcel>,
    },
    /// A client's call reaches a member.
    Ask {
        slot: usize,
        errand: Errand,
    },
    /// A member goes on with what it judged.
    Next(Place, Box<Next>),
    /// A renewal, passed on by another member, reaches a leader.
    Renew {
        slot: usize,
        call: CallId,
        lease: LeaseId,
    },
    /// The outcome of a call reaches its client.
    Answer {
        call: CallId,
        outcome: Outcome,
    },
    /// A client waits no longer.
    Patience(CallId),
    /// A client thinks of something.
    Client(usize),
    /// A request for a watch reaches a member.
    WatchOpen {
        slot: usize,
        watch: usize,
        epoch: u64,
        create: Create,
    },
    /// A response of a watch reaches its client.
    WatchTold {
        from: Place,
        watch: usize,
        epoch: u64,
        output: Output,
    },
    /// A client finds its watch broken, or leaves it for another member.
    WatchMove {
        watch: usize,
        epoch: u64,
    },
    /// Something fails, or mends.
    Trouble(Trouble),
    /// Whoever runs the cluster looks at it.
    Operator,
    /// The faults end.
    Calm,
    /// The clients end.
    Evening,
    /// Is everything still?
    Rest,
}
