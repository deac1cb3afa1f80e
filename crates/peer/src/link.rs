//! One other member: what waits for it, the streams it reads from us, the tasks that serve it.
//!
//! Messages wait in the queues and are taken by whoever can carry them: a stream the member has
//! dialed, or else the connections that post. So a queue never feeds two ways at once.

mod outgoing;
mod pipeline;
mod probe;
mod queue;
mod reader;
mod snapshot;

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ketch_base::MemberId;
use ketch_raft_proto::raftpb::Message;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{info, warn};

pub(crate) use outgoing::Outgoing;
use queue::{Class, Queues};

use crate::client::Client;
use crate::limits;
use crate::links::Shared;
use crate::status::Counters;

/// The two streams a member dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Append,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Append => "msgapp",
        }
    }
}

/// A member and everything under way with it.
pub(crate) struct Link {
    pub(crate) id: MemberId,
    pub(crate) counters: Counters,
    pub(crate) shared: Arc<Shared>,
    urls: Mutex<Urls>,
    state: Mutex<State>,
    posts: Notify,
    tasks: Mutex<Vec<AbortHandle>>,
    sends_snapshot: AtomicBool,
}

/// Peer URLs and the one in use.
struct Urls {
    list: Vec<String>,
    at: usize,
}

#[derive(Default)]
struct State {
    queues: Queues,
    message: Option<Attached>,
    append: Option<Attached>,
    attachments: u64,
    closed: bool,
}

/// A stream the member reads from us.
struct Attached {
    /// Which one: a later one takes an earlier one's place.
    number: u64,
    waker: Option<Waker>,
}

impl Link {
    /// A link with all its tasks.
    pub(crate) fn open(shared: &Arc<Shared>, id: MemberId, urls: &[String]) -> Arc<Self> {
        let link = Self::new(shared, id, urls);
        let runtime = &shared.runtime;
        let mut tasks = pipeline::spawn(&link);
        for kind in [Kind::Message, Kind::Append] {
            tasks.push(runtime.spawn(reader::run(link.clone(), kind)).abort_handle());
        }
        tasks.push(runtime.spawn(probe::run(link.clone())).abort_handle());
        link.keep(tasks);
        link
    }

    /// A link that only posts.
    pub(crate) fn open_remote(shared: &Arc<Shared>, id: MemberId, urls: &[String]) -> Arc<Self> {
        let link = Self::new(shared, id, urls);
        link.keep(pipeline::spawn(&link));
        link
    }

    fn new(shared: &Arc<Shared>, id: MemberId, urls: &[String]) -> Arc<Self> {
        Arc::new(Self {
            id,
            counters: Counters::default(),
            shared: shared.clone(),
            urls: Mutex::new(Urls { list: urls.to_vec(), at: 0 }),
            state: Mutex::default(),
            posts: Notify::new(),
            tasks: Mutex::default(),
            sends_snapshot: AtomicBool::new(false),
        })
    }

    fn keep(&self, tasks: Vec<AbortHandle>) {
        let mut kept = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|task| !task.is_finished());
        kept.extend(tasks);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every task and stream; what waits is dropped.
    pub(crate) fn close(&self) {
        let wakers = {
            let mut state = self.state();
            state.closed = true;
            state.queues = Queues::default();
            [state.message.take(), state.append.take()]
        };
        for attached in wakers.into_iter().flatten() {
            attached.waker.into_iter().for_each(Waker::wake);
        }
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Where to dial next.
    fn url(&self) -> String {
        let urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        urls.list.get(urls.at).cloned().unwrap_or_default()
    }

    /// How many URLs the member has.
    fn urls_known(&self) -> usize {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).list.len()
    }

    /// `url` did not work: the next dial tries another one.
    fn url_failed(&self, url: &str) {
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if urls.list.get(urls.at).is_some_and(|current| current == url) {
            urls.at = (urls.at + 1) % urls.list.len();
        }
    }

    /// Dials the URL in use; if that fails the next dial tries another one. `stall` bounds every
    /// single write.
    async fn connect(&self, stall: Duration) -> io::Result<Client> {
        let url = self.url();
        let config = &self.shared.config;
        let client = Client::connect(&config.dialer, &url, config.dial_timeout(), stall).await;
        if client.is_err() {
            self.url_failed(&url);
        }
        client
    }

    /// Streams that stand go on; the next dial uses the new list.
    pub(crate) fn set_urls(&self, list: &[String]) {
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if urls.list != list {
            *urls = Urls { list: list.to_vec(), at: 0 };
        }
    }

    /// Something went through.
    fn up(&self, how: &str) {
        if self.counters.activate() {
            info!(peer = %self.id, how, "peer became active");
        }
    }

    /// Something broke.
    fn down(&self, how: &str, why: &dyn std::fmt::Display) {
        if self.counters.deactivate() {
            warn!(peer = %self.id, how, %why, "peer became inactive");
        }
    }

    /// A message was lost.
    fn lost(&self, messages: usize) {
        Counters::add(&self.counters.send_failures, messages);
        self.shared.inward.unreachable(self.id);
    }

    /// Queues a message; [`Link::wake`] has it taken.
    pub(crate) fn push(&self, message: Message) {
        let class = Class::of(&message);
        let fits = {
            let mut state = self.state();
            let posted = !state.has_stream(class);
            !state.closed && state.queues.push(class, message, posted)
        };
        if !fits {
            self.lost(1);
            if class == Class::Post {
                self.shared.inward.snapshot_sent(self.id, false);
            }
        }
    }

    /// Wakes whoever can carry what waits.
    pub(crate) fn wake(&self) {
        let (wakers, post) = {
            let mut state = self.state();
            let wakers = [Kind::Message, Kind::Append].map(|kind| {
                let waits = state.waits_for(kind);
                state.stream(kind).as_mut().filter(|_| waits).and_then(|a| a.waker.take())
            });
            (wakers, state.post_class().is_some())
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
        if post {
            self.posts.notify_one();
        }
    }

    /// The next message no stream stands for.
    async fn next_post(&self) -> Message {
        loop {
            {
                let mut state = self.state();
                if let Some(class) = state.post_class()
                    && let Some(message) = state.queues.pop(class)
                {
                    if state.post_class().is_some() {
                        self.posts.notify_one();
                    }
                    return message;
                }
            }
            self.posts.notified().await;
        }
    }

    /// The member has dialed: from now on this stream carries its kind. `None` if the link is
    /// closed.
    pub(crate) fn attach(self: &Arc<Self>, kind: Kind) -> Option<Outgoing> {
        let (number, earlier) = {
            let mut state = self.state();
            if state.closed {
                return None;
            }
            state.attachments += 1;
            let number = state.attachments;
            (number, state.stream(kind).replace(Attached { number, waker: None }))
        };
        match earlier {
            Some(attached) => attached.waker.into_iter().for_each(Waker::wake),
            None => Counters::add(&self.counters.streams_out, 1),
        }
        self.up(kind.name());
        Some(Outgoing::new(self.clone(), kind, number))
    }

    /// The stream broke, unless a later one has its place already.
    fn detach(&self, kind: Kind, number: u64) {
        let dropped = {
            let mut state = self.state();
            if state.stream(kind).as_ref().is_none_or(|attached| attached.number != number) {
                return;
            }
            *state.stream(kind) = None;
            state.clear_streamless()
        };
        Counters::take(&self.counters.streams_out);
        self.down(kind.name(), &"stream closed");
        // What the socket had taken may be lost as well.
        self.lost(dropped);
        // The other stream carries what is left.
        self.wake();
    }

    /// Moves what the stream may carry now to `into` and tells about how many bytes that is;
    /// pending registers the task to be woken. Ready without messages: the stream is over.
    fn take(
        &self,
        kind: Kind,
        number: u64,
        cx: &Context<'_>,
        into: &mut Vec<Message>,
    ) -> Poll<usize> {
        let mut state = self.state();
        let appends_too = kind == Kind::Append || state.append.is_none();
        let closed = state.closed;
        match state.stream(kind) {
            Some(attached) if attached.number == number && !closed => {
                if !attached.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    attached.waker = Some(cx.waker().clone());
                }
            }
            _ => return Poll::Ready(0),
        }
        let (mut budget, mut taken) = (limits::WRITE_BYTES, 0);
        let mut drain = |lane: &mut queue::Lane| {
            let bytes = lane.drain(budget, into);
            budget = budget.saturating_sub(bytes);
            taken += bytes;
        };
        if kind == Kind::Message {
            drain(&mut state.queues.urgent);
            drain(&mut state.queues.proposals);
        }
        if appends_too {
            drain(&mut state.queues.appends);
        }
        if into.is_empty() { Poll::Pending } else { Poll::Ready(taken) }
    }
}

impl State {
    fn stream(&mut self, kind: Kind) -> &mut Option<Attached> {
        match kind {
            Kind::Message => &mut self.message,
            Kind::Append => &mut self.append,
        }
    }

    /// Whether a stream stands that carries the class.
    fn has_stream(&self, class: Class) -> bool {
        match class {
            Class::Urgent | Class::Proposal => self.message.is_some(),
            Class::Append => self.message.is_some() || self.append.is_some(),
            Class::Post => false,
        }
    }

    /// Whether something waits that the stream carries.
    fn waits_for(&self, kind: Kind) -> bool {
        let Queues { urgent, appends, proposals, .. } = &self.queues;
        match kind {
            Kind::Append => !appends.is_empty(),
            Kind::Message => {
                let alone = self.append.is_none();
                !urgent.is_empty() || !proposals.is_empty() || alone && !appends.is_empty()
            }
        }
    }

    /// The first class that waits and has no stream.
    fn post_class(&self) -> Option<Class> {
        let Queues { urgent, appends, proposals, posts } = &self.queues;
        let lanes = [
            (Class::Urgent, urgent),
            (Class::Post, posts),
            (Class::Append, appends),
            (Class::Proposal, proposals),
        ];
        let waits =
            |(class, lane): &(Class, &queue::Lane)| !lane.is_empty() && !self.has_stream(*class);
        lanes.into_iter().find(waits).map(|(class, _)| class)
    }

    /// Drops what waited for a stream that is gone: posting it late would only be in the way.
    fn clear_streamless(&mut self) -> usize {
        let mut dropped = 0;
        for class in [Class::Urgent, Class::Append, Class::Proposal] {
            if !self.has_stream(class) {
                dropped += self.queues.clear(class);
            }
        }
        dropped
    }
}
