//! Consensus, and nothing else: Raft as a pure, seeded state machine.
//!
//! A [`Raft`] is driven by calls ([`Raft::tick`], [`Raft::step`], [`Raft::propose`], ..) and tells
//! what must happen in the world through [`Raft::ready`]: entries to write, messages to send,
//! entries to apply, reads that may be answered. Writes are asynchronous: several may be under way,
//! each is acknowledged by its number ([`Raft::persisted`]), and whatever may not leave before a
//! write is durable (votes, append answers) is kept back here until that acknowledgement. The
//! driver therefore may send [`Ready::messages`] at once, in parallel with its disk.
//!
//! On the wire it behaves as etcd's raft does, so that both can stand in one cluster.
//!
//! Invariant: it knows no clock (a tick is a call), no disk, no network, no threads, no random
//! source but the seed in [`Config`].
//! Invariant: it does not look into entry data, except for membership changes.
//!
//! ```
//! use ketch_base::{Index, MemberId};
//! use ketch_raft::{Config, Raft, Restored, raftpb::ConfState};
//!
//! let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
//! let restored = Restored { conf_state, ..Restored::default() };
//! let mut raft = Raft::new(Config::new(MemberId(1), 42), restored)?;
//! raft.campaign(); // a sole voter leads at once
//! raft.propose(b"hello".as_slice().into())?;
//! let ready = raft.ready().expect("two entries to write");
//! let write = ready.write.expect("two entries to write");
//! assert_eq!(write.entries.len(), 2);
//! raft.persisted(write.job);
//! let ready = raft.ready().expect("both are committed now");
//! assert_eq!(ready.committed.len(), 2);
//! raft.applied(Index(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod candidate;
mod change;
mod check;
mod config;
mod error;
mod follower;
mod inflight;
mod known_commit;
mod leader;
mod log;
mod member;
mod message;
mod outbox;
mod progress;
mod quorum;
mod raft;
mod read;
mod ready;
mod replicate;
mod seed;
mod status;
mod step;

pub use change::{Configuration, conf_change_of, widen};
pub use config::{Config, Restored};
pub use error::{ChangeError, NewError, Refused, StepError};
pub use ketch_raft_proto::raftpb;
pub use log::EntryId;
pub use progress::FlowState;
pub use raft::{Raft, Role};
pub use read::ReadAnswer;
pub use ready::{Leadership, Ready, Write};
pub use status::{PeerStatus, Status};
