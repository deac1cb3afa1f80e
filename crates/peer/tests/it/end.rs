//! One end: a member that writes down what the transport gives it, behind a listener.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ketch_base::{ClusterId, Code, MemberId};
use ketch_peer::{
    Config, Dialer, HashAnswer, Links, Ports, SnapshotBody, SnapshotRefused, Versions,
    serve_connection, serve_secured,
};
use ketch_proto::etcdserverpb::{LeaseKeepAliveResponse, LeaseTimeToLiveResponse, Member};
use ketch_proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use ketch_raft_proto::raftpb::{Message, MessageType};
use ketch_tls::Identity;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

/// A value seen by the test and by the transport's tasks.
#[derive(Default)]
pub(crate) struct Cell<T>(Mutex<T>);

impl<T> Cell<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a member says to a message.
pub(crate) type Answer = fn(&Message) -> Option<Message>;

/// What happened at a member, and how it answers.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) inbox: Cell<Vec<Message>>,
    pub(crate) unreachable: Cell<Vec<MemberId>>,
    pub(crate) snapshots_sent: Cell<Vec<(MemberId, bool)>>,
    pub(crate) snapshots: Cell<Vec<(Message, Bytes)>>,
    pub(crate) removed: Cell<BTreeSet<MemberId>>,
    pub(crate) members: Cell<Vec<Member>>,
    /// The token that came with the last promotion.
    pub(crate) token: Cell<Option<Bytes>>,
    pub(crate) told_removed: AtomicBool,
    pub(crate) is_full: AtomicBool,
    pub(crate) refuses_snapshots: AtomicBool,
    /// Answers of a follower go here.
    pub(crate) links: Cell<Option<Links>>,
    /// What a follower says to a message.
    pub(crate) answer: Cell<Option<Answer>>,
}

impl Ports for Story {
    fn deliver(&self, message: Message) -> bool {
        if self.is_full.load(Ordering::SeqCst) {
            return false;
        }
        let answer = self.answer.lock().and_then(|answer| answer(&message));
        if let (Some(answer), Some(links)) = (answer, &*self.links.lock()) {
            links.send(vec![answer]);
        }
        self.inbox.lock().push(message);
        true
    }
    fn unreachable(&self, peer: MemberId) {
        self.unreachable.lock().push(peer);
    }
    fn snapshot_sent(&self, peer: MemberId, arrived: bool) {
        self.snapshots_sent.lock().push((peer, arrived));
    }
    fn is_removed(&self, id: MemberId) -> bool {
        self.removed.lock().contains(&id)
    }
    fn is_member(&self, id: MemberId) -> bool {
        self.members.lock().iter().any(|member| member.id == id.0)
    }
    fn removed_self(&self) {
        self.told_removed.store(true, Ordering::SeqCst);
    }
    async fn receive_snapshot(
        &self,
        message: Message,
        mut body: SnapshotBody,
    ) -> Result<(), SnapshotRefused> {
        if self.refuses_snapshots.load(Ordering::SeqCst) {
            return Err(SnapshotRefused::Process("no".into()));
        }
        let mut all = Vec::new();
        while let Some(chunk) = body.next().await {
            all.extend_from_slice(&chunk?);
        }
        self.snapshots.lock().push((message, all.into()));
        Ok(())
    }
    fn members(&self) -> Vec<Member> {
        self.members.lock().clone()
    }
    async fn promote(&self, id: u64, token: Option<Bytes>) -> Result<Vec<Member>, Code> {
        *self.token.lock() = token;
        match id {
            5 => Err(Code::MemberNotFound),
            6 => Err(Code::MemberNotLearner),
            7 => Err(Code::LearnerNotReady),
            _ => Ok(self.members()),
        }
    }
    async fn hash_kv(&self, revision: i64) -> Result<HashAnswer, Code> {
        match revision {
            1 => Err(Code::Compacted),
            9.. => Err(Code::FutureRev),
            _ => Ok(HashAnswer {
                header_revision: 8,
                hash: 77,
                compact_revision: -1,
                hash_revision: revision,
            }),
        }
    }
    async fn renew_lease(&self, id: i64) -> Result<LeaseKeepAliveResponse, Code> {
        match id {
            1 => Ok(LeaseKeepAliveResponse { id, ttl: 30, ..Default::default() }),
            2 => Err(Code::TimeoutWaitAppliedIndex),
            3 => Err(Code::NotPrimary),
            _ => Err(Code::LeaseNotFound),
        }
    }
    async fn lease_internal(
        &self,
        request: LeaseInternalRequest,
    ) -> Result<LeaseInternalResponse, Code> {
        let asked = request.lease_time_to_live_request.ok_or(Code::LeaseNotFound)?;
        if asked.id != 1 {
            return Err(Code::LeaseNotFound);
        }
        let answer = LeaseTimeToLiveResponse { id: 1, ttl: 7, ..Default::default() };
        Ok(LeaseInternalResponse { lease_time_to_live_response: Some(answer) })
    }
    async fn downgrade_enabled(&self) -> Result<bool, Code> {
        Ok(false)
    }
    fn versions(&self) -> Versions {
        let text = str::to_owned;
        Versions { server: text("3.7.1"), cluster: text("3.7.0"), storage: text("3.7.0") }
    }
}

/// A listener whose member is not there yet.
pub(crate) struct Door {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::at("127.0.0.1:0").await
    }

    pub(crate) async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback has a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        Self { listener, url }
    }

    pub(crate) fn enter(self, config: Config) -> End {
        self.admit(config, None)
    }

    fn admit(self, config: Config, identity: Option<Arc<Identity>>) -> End {
        let acceptor = identity.map(|own| own.acceptor().expect("a member has a certificate"));
        let (story, id) = (Arc::new(Story::default()), config.local);
        let (links, port) = Links::start(config, story.clone(), &Handle::current());
        let (listener, url) = (self.listener, self.url);
        let accepting = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).expect("an open socket");
                let (port, acceptor) = (port.clone(), acceptor.clone());
                served.spawn(async move {
                    let remote = socket.peer_addr().ok();
                    match acceptor {
                        Some(acceptor) => serve_secured(socket, remote, &acceptor, port).await,
                        None => serve_connection(socket, remote, port).await,
                    }
                });
            }
        });
        *story.links.lock() = Some(links.clone());
        End { id, links, url, story, accepting: accepting.abort_handle() }
    }
}

/// A member on the transport. Dropped, it is gone: listener, connections and links.
pub(crate) struct End {
    pub(crate) id: MemberId,
    pub(crate) links: Links,
    pub(crate) url: String,
    pub(crate) story: Arc<Story>,
    accepting: AbortHandle,
}

impl Drop for End {
    fn drop(&mut self) {
        self.accepting.abort();
        self.links.stop();
    }
}

impl End {
    /// The member `id` of the test cluster, at a port of its own.
    pub(crate) async fn new(id: u64) -> Self {
        let door = Door::open().await;
        let config = config(id, &door.url);
        door.enter(config)
    }

    /// The same behind TLS.
    pub(crate) async fn secured(id: u64, identity: &Arc<Identity>) -> Self {
        let mut door = Door::open().await;
        door.url = door.url.replace("http:", "https:");
        let dialer = Dialer::new(Some(identity.clone()));
        let config = Config { dialer, ..config(id, &door.url) };
        door.admit(config, Some(identity.clone()))
    }

    pub(crate) fn follow(&self, others: &[(u64, &str)]) {
        let others: Vec<_> =
            others.iter().map(|(id, url)| (MemberId(*id), vec![(*url).to_owned()])).collect();
        self.links.follow(&others);
    }

    pub(crate) fn received(&self, kind: MessageType) -> Vec<Message> {
        let inbox = self.story.inbox.lock();
        inbox.iter().filter(|message| message.r#type() == kind).cloned().collect()
    }

    /// Waits until this end reads both streams of `other` and is read by it.
    pub(crate) async fn settled(&self, other: u64) {
        eventually("all streams stand", || {
            let status = self.links.status().into_iter().find(|link| link.id.0 == other);
            status.is_some_and(|link| (link.streams_in, link.streams_out) == (2, 2))
        })
        .await;
        assert!(self.links.is_active(MemberId(other)));
    }
}

pub(crate) fn config(id: u64, url: &str) -> Config {
    Config::new(MemberId(id), CLUSTER, vec![url.to_owned()])
}

/// Two members that know each other.
pub(crate) async fn pair() -> (End, End) {
    acquaint(End::new(1).await, End::new(2).await).await
}

/// Has members 1 and 2 know each other.
pub(crate) async fn acquaint(one: End, two: End) -> (End, End) {
    one.follow(&[(2, &two.url)]);
    two.follow(&[(1, &one.url)]);
    one.settled(2).await;
    two.settled(1).await;
    (one, two)
}

pub(crate) fn message(kind: MessageType, from: u64, to: u64) -> Message {
    let (from, to) = (Some(from), Some(to));
    Message { r#type: Some(kind as i32), from, to, term: Some(1), ..Message::default() }
}

/// Waits for `condition`; a test that waits for half a minute has failed.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within half a minute: {what}");
}

/// Waits for an answer that satisfies `accept`.
pub(crate) async fn until<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
    accept: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    for _ in 0..300 {
        match ask().await {
            Ok(answer) if accept(&answer) => return answer,
            Ok(_) => {}
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within half a minute: {what}; {last:?}");
}
