//! All members we talk to, and the handle other threads send through.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::Message;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::config::Config;
use crate::limits;
use crate::link::Link;
use crate::net::Dialer;
use crate::ports::{Chunks, Inward, Ports};
use crate::serve::Port;
use crate::status::LinkStatus;

/// The sending side: one link for every other member. A handle; clones are the same links, usable
/// from any thread.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

/// What links and the answering side know together.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) inward: Arc<dyn Inward>,
    pub(crate) runtime: Handle,
    pub(crate) snapshot_slots: Arc<Semaphore>,
    links: RwLock<BTreeMap<MemberId, Arc<Link>>>,
    /// Members that spoke to us and that nobody told us of: we answer them by posts.
    remotes: Mutex<BTreeMap<MemberId, Arc<Link>>>,
    stopped: AtomicBool,
}

impl Links {
    /// Starts without any member; [`Links::follow`] names them. Tasks run on `runtime`. The second
    /// part is for [`crate::serve_connection`].
    pub fn start<P: Ports>(
        config: Config,
        ports: Arc<P>,
        runtime: &Handle,
    ) -> (Self, Arc<Port<P>>) {
        let shared = Arc::new(Shared {
            config,
            inward: ports.clone(),
            runtime: runtime.clone(),
            snapshot_slots: Arc::new(Semaphore::new(limits::SNAPSHOTS_IN_FLIGHT)),
            links: RwLock::default(),
            remotes: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        (Self { shared: shared.clone() }, Arc::new(Port::new(shared, ports)))
    }

    /// Takes the whole list of other members with their peer URLs: opens links to new ones, gives
    /// known ones their URLs, closes those that are gone. The same list again changes nothing.
    pub fn follow(&self, members: &[(MemberId, Vec<String>)]) {
        let shared = &self.shared;
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let mut links = shared.links.write().unwrap_or_else(PoisonError::into_inner);
        links.retain(|id, link| {
            let stays = members.iter().any(|(member, _)| member == id);
            if !stays {
                info!(peer = %id, "link closed");
                link.close();
            }
            stays
        });
        for (id, urls) in members.iter().filter(|(id, _)| *id != shared.config.local) {
            match links.get(id) {
                Some(link) => link.set_urls(urls),
                None => {
                    info!(peer = %id, ?urls, "link opened");
                    links.insert(*id, Link::open(shared, *id, urls));
                    shared.forget_remote(*id);
                }
            }
        }
    }

    /// Sends each message to the member it names. Never blocks: what does not fit is dropped and
    /// reported as unreachable; what is for nobody we know is dropped.
    pub fn send(&self, messages: Vec<Message>) {
        let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            let to = MemberId(message.to());
            match links.get(&to) {
                Some(link) => link.push(message),
                None => self.shared.send_to_remote(to, message),
            }
        }
        // Once for all of them: messages of one batch share socket writes.
        for link in links.values() {
            link.wake();
        }
    }

    /// Sends a snapshot: `message` is the `MsgSnap`, `chunks` the database, pulled on a blocking
    /// thread. The outcome comes back through [`Ports::snapshot_sent`].
    pub fn send_snapshot(&self, message: Box<Message>, chunks: Chunks) {
        let to = MemberId(message.to());
        match self.shared.reachable(to) {
            Some(link) => link.send_snapshot(message, chunks),
            None => {
                warn!(peer = %to, "no link for a snapshot");
                self.shared.inward.snapshot_sent(to, false);
            }
        }
    }

    /// The way to other members for questions: [`crate::ask`].
    pub fn dialer(&self) -> &Dialer {
        &self.shared.config.dialer
    }

    /// How each link is doing, in order of id.
    pub fn status(&self) -> Vec<LinkStatus> {
        let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
        links.values().map(|link| link.counters.status(link.id)).collect()
    }

    /// Whether the member answers.
    pub fn is_active(&self, id: MemberId) -> bool {
        self.shared.link(id).is_some_and(|link| link.counters.active_since().is_some())
    }

    /// Closes every link; nothing is sent or taken from streams any more.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let links =
            std::mem::take(&mut *self.shared.links.write().unwrap_or_else(PoisonError::into_inner));
        let remotes = std::mem::take(&mut *self.shared.remotes());
        for link in links.into_values().chain(remotes.into_values()) {
            link.close();
        }
    }
}

impl Shared {
    /// The link to a member of the cluster.
    pub(crate) fn link(&self, id: MemberId) -> Option<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The link to a member, or to one that only spoke to us.
    fn reachable(&self, id: MemberId) -> Option<Arc<Link>> {
        self.link(id).or_else(|| self.remotes().get(&id).cloned())
    }

    fn remotes(&self) -> std::sync::MutexGuard<'_, BTreeMap<MemberId, Arc<Link>>> {
        self.remotes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers where an unknown sender can be answered.
    pub(crate) fn add_remote(self: &Arc<Self>, id: MemberId, urls: &[String]) {
        if self.stopped.load(Ordering::SeqCst) || self.link(id).is_some() || id == self.config.local
        {
            return;
        }
        let mut remotes = self.remotes();
        if let Some(remote) = remotes.get(&id) {
            remote.set_urls(urls);
        } else if remotes.len() < limits::REMOTES {
            info!(peer = %id, ?urls, "an unknown member spoke to us");
            remotes.insert(id, Link::open_remote(self, id, urls));
        }
    }

    fn forget_remote(&self, id: MemberId) {
        if let Some(remote) = self.remotes().remove(&id) {
            remote.close();
        }
    }

    fn send_to_remote(&self, id: MemberId, message: Message) {
        // Raft may still name a member that has just left; its messages have no way to go.
        if let Some(remote) = self.remotes().get(&id) {
            remote.push(message);
            remote.wake();
        }
    }
}
