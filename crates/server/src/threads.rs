//! The threads of a member, each the owner of one state; they talk through bounded mailboxes.

mod apply;
mod backend;
mod compactor;
mod log;
mod node;
mod peers;
mod standing;
mod watch;

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use ketch_api::ports::WatchCommand;
use ketch_base::{Code, RequestId};
use ketch_mvcc::Committed;
use ketch_node::Event;
use tokio::sync::oneshot;

pub(crate) use apply::{Applier, Applying, Sinks};
pub(crate) use backend::{BackendThread, Pressure};
pub(crate) use compactor::{CompactorThread, Wake};
pub(crate) use log::{LogThread, STOP as STOP_LOG, prepare as prepare_segments};
pub(crate) use node::{ApplyTask, Turn, Turns};
pub(crate) use peers::{Peers, Place, SnapshotSender};
pub(crate) use standing::Standing;
pub(crate) use watch::{Courier, Credit, Outlet, WatchThread};

/// What the node thread is told.
pub(crate) enum NodeTask {
    /// For the node as it is.
    Event(Event),
    /// A proposal that means something only while this member leads in `term`: what has expired,
    /// what is left of a lease. Never forwarded to a leader that may know better.
    AsLeader {
        /// The term the decision was made in.
        term: u64,
        /// Answered with `NotLeader` if that is over.
        id: RequestId,
        /// The encoded request.
        data: Bytes,
    },
    /// So many ticks of silence are known to have passed.
    Advance(u32),
}

impl From<Event> for NodeTask {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// What the backend thread is asked beside draining.
pub(crate) enum BackendJob {
    /// Enough has gathered: drain before the interval is over.
    Drain,
    /// Give free pages back; answers when done.
    Reclaim(oneshot::Sender<Result<(), Code>>),
    /// Put the database at `from` in the place of this one; answers when done.
    Install {
        /// Made from a received snapshot.
        from: PathBuf,
        /// Told when it is in place; failure ends the process.
        done: SyncSender<()>,
    },
    /// Drain everything and end.
    Stop,
}

/// What the watch thread is told.
pub(crate) enum WatchJob {
    /// A commit, in order.
    Committed(Committed),
    /// Another history is in place, in order with the commits.
    Reloaded,
    /// A client stream opened; its outputs go there.
    Open {
        /// Of the stream, never used again.
        number: u64,
        /// Where they go.
        outlet: Outlet,
    },
    /// A client's command.
    Command {
        /// The stream.
        number: u64,
        /// What it wants.
        command: WatchCommand,
    },
    /// The client took what it was sent, and there is more for it.
    Credit {
        /// The stream.
        number: u64,
    },
    /// The client is gone.
    Close {
        /// The stream.
        number: u64,
    },
    /// The progress interval is over.
    ProgressTick,
    /// End.
    Stop,
}

/// A thread that cannot go on takes the process with it: a member that lost a part of itself must
/// not go on answering. Restarting replays the log.
pub(crate) fn fatal(what: &str, error: &dyn std::fmt::Display) -> ! {
    tracing::error!(fatal = true, error = %error, "{what}");
    // Let the log thread write the line.
    std::thread::sleep(std::time::Duration::from_millis(200));
    std::process::exit(1)
}
