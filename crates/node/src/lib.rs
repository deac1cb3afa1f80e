//! The order of effects: one event in, the effects it makes due out; and the two workers that
//! carry the slow effects out.
//!
//! [`Node`] owns Raft. Events go in by [`Node::handle`], as many as are there; [`Node::flush`]
//! then gives all effects at once, so that proposals which arrived together share one write and
//! one message. [`LogWorker`] writes, [`ApplyWorker`] applies; each reports back with an event.
//! `docs/raft-order.md` says which effect may overtake which, and why.
//!
//! Invariant: [`Node`] never blocks, does no I/O, knows no clock: a tick is an event.
//! Invariant: it does not look into proposals; what an entry means is known to `apply` alone.
//! Invariant: the workers own no queue and no thread; whoever calls them decides when.
//!
//! ```
//! use ketch_base::{Index, MemberId, RequestId};
//! use ketch_node::{Effect, Event, Node, Settings};
//! use ketch_raft::{Config, Restored, raftpb::ConfState};
//!
//! let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
//! let restored = Restored { conf_state, ..Restored::default() };
//! let config = Config::new(MemberId(1), 7);
//! let mut node = Node::start(config, Settings::default(), restored, Index(0))?;
//! let mut effects = Vec::new();
//! node.handle(Event::Propose { id: RequestId(5), data: "x".into() }, &mut effects);
//! node.flush(&mut effects);
//! let Some(Effect::Append(job)) = effects.first() else { panic!("the disk comes first") };
//! assert_eq!(job.entries.len(), 2);
//! # Ok::<(), ketch_raft::NewError>(())
//! ```

mod apply_worker;
mod effect;
mod event;
pub mod export;
pub mod install;
mod log_worker;
mod node;
mod proposals;
mod reads;
pub mod recover;
mod release;
mod settings;

pub use apply_worker::{ApplyWorker, ReloadError};
pub use effect::{ApplyJob, Effect, LogJob};
pub use event::{AppliedChange, Event};
pub use ketch_raft::{Config as RaftConfig, PeerStatus, Role, Status};
pub use log_worker::LogWorker;
pub use node::Node;
pub use settings::Settings;
