//! What the checks may see: everything that happens in a run, in order.

use bytes::Bytes;
use ketch_base::{Index, LeaseId, MemberId, Term};
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};
use ketch_proto::mvccpb;
use ketch_raft_proto::raftpb::Entry;

/// When a fact happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Simulated time since the start of the run, in milliseconds.
    pub ms: u64,
    /// Ascending number of the fact within the run.
    pub step: u64,
}

/// An entry of a log, with a digest in place of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryMark {
    /// Its index.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// CRC-32C of type and data.
    pub digest: u32,
}

impl EntryMark {
    /// The mark of an entry.
    pub fn of(entry: &Entry) -> Self {
        let kind = entry.r#type.unwrap_or(0).to_le_bytes();
        let data = entry.data.as_deref().unwrap_or_default();
        let digest = crc32c::crc32c_append(crc32c::crc32c(&kind), data);
        Self { index: Index(entry.index()), term: Term(entry.term()), digest }
    }
}

/// A client's call; unique in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A logical watch of a client: it keeps its number when it is resumed on another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchKey(pub u64);

/// Who a client says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Badge {
    /// It says nothing.
    #[default]
    None,
    /// The name in its certificate.
    Name(String),
    /// A token it was given.
    Token(String),
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the requests")]
pub enum Call {
    Put(pb::PutRequest),
    /// Linearizable unless `serializable` is set in it.
    Range(pb::RangeRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(pb::CompactionRequest),
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    LeaseKeepAlive(LeaseId),
    /// A change of users and roles, or whether they count, as the log has it; without a header.
    Auth(Box<InternalRaftRequest>),
    /// A login: the user, and the password in the form in which members keep it.
    Authenticate {
        user: String,
        password: String,
    },
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the responses")]
pub enum Outcome {
    Put(pb::PutResponse),
    Range(pb::RangeResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compact,
    LeaseGrant {
        id: LeaseId,
        ttl_s: i64,
    },
    LeaseRevoke {
        revision: i64,
    },
    LeaseKeepAlive {
        ttl_s: i64,
    },
    /// A change of users and roles was made, by the entry at this index.
    Auth {
        index: Index,
    },
    Authenticate {
        token: String,
    },
    /// Refused for certain: it had and will have no effect.
    Refused(ketch_base::Code),
    /// The client stopped waiting: it may have had an effect, or have one later.
    Unknown,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named for what they are")]
pub enum Fact {
    /// A member began to run; its log and storage were recovered if not `first`.
    Started { member: MemberId, first: bool },
    /// What a member found at its start, right after [`Fact::Started`]: its whole log behind
    /// `before`, its hard state, and how far its storage is. What it had handed to its log before
    /// and is not here is lost.
    Recovered {
        member: MemberId,
        before: Index,
        entries: Vec<EntryMark>,
        term: Term,
        vote: MemberId,
        commit: Index,
        applied: Index,
    },
    /// A member ended without warning; what it had not synced is lost or torn.
    Crashed { member: MemberId },
    /// A member stopped itself, and why.
    Halted { member: MemberId, why: String },
    /// A member took up leadership of a term.
    Leads { member: MemberId, term: Term },
    /// A member handed entries (replacing all at and after the first) and its hard state to its
    /// log.
    Logged { member: MemberId, entries: Vec<EntryMark>, term: Term, vote: MemberId, commit: Index },
    /// A member took a snapshot into its log, which begins anew behind it; its state follows with
    /// [`Fact::Installed`].
    Received { member: MemberId, index: Index, term: Term },
    /// A member replaced its state by a received snapshot.
    Installed { member: MemberId, index: Index, term: Term },
    /// A member applied an entry; `revision` is that of its store afterwards.
    Applied { member: MemberId, entry: EntryMark, revision: i64 },
    /// In this run there are users and roles; a token that is not used lives so long.
    Authentication { token_ttl_ms: u64 },
    /// Right after [`Fact::Applied`]: the entry was about users and roles, or a login. `revision`
    /// is that of the store; the request has no header; a login that was let in has its token.
    AuthApplied {
        member: MemberId,
        index: Index,
        revision: i64,
        request: Box<InternalRaftRequest>,
        done: Result<(), ketch_base::Code>,
        token: Option<String>,
    },
    /// What a member has of users and roles at an index, in its storage and in its memory: after
    /// each entry about them, a start, an installed snapshot, and at the end. `digest` is over all
    /// but the tokens; those come with their users.
    AuthStands { member: MemberId, index: Index, digest: u32, tokens: Vec<(String, String)> },
    /// A lease ended on a member: an entry revoked it.
    LeaseGone { member: MemberId, lease: LeaseId },
    /// A client called, at `member`.
    Called { call: CallId, client: u64, member: MemberId, by: Badge, what: Call },
    /// A call ended.
    Returned { call: CallId, outcome: Outcome },
    /// A client opened or resumed a watch at `member`: events from `from` on (0: from now on).
    Watching { watch: WatchKey, member: MemberId, key: Bytes, range_end: Bytes, from: i64 },
    /// The member began the watch at this revision: one that was asked for from 0 is told what
    /// comes after it.
    WatchCreated { watch: WatchKey, revision: i64 },
    /// One response of a watch. All events of a revision stand in one (no fragments asked for).
    Watched { watch: WatchKey, header_revision: i64, events: Vec<mvccpb::Event> },
    /// A progress notification of a watch.
    WatchProgress { watch: WatchKey, revision: i64 },
    /// A watch was refused or ended by the server.
    WatchCanceled { watch: WatchKey, compact_revision: i64 },
    /// From here on nothing fails any more.
    FaultsEnded,
    /// At the end, with everything still: the state of a member.
    AtRest { member: MemberId, applied: Index, revision: i64, compacted: i64, hash: u32 },
    /// At the end: what a member keeps after its compacted revision, in order, as a watch over
    /// all keys from there would tell it (`compacted + 1` to its newest revision).
    Kept { member: MemberId, compacted: i64, events: Vec<mvccpb::Event> },
    /// At the end: everything under watch was delivered up to this revision.
    WatchAtRest { watch: WatchKey, revision: i64 },
}
