//! The task behind one watch stream.
//!
//! Ids are the server's, so creations go one at a time: the next waits for the answer to the last.

use std::time::Duration;

use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    ResponseHeader, WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
    WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{Client, Error};

const METHOD: &str = "/etcdserverpb.Watch/Watch";
/// Pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// The id of an answer that is for every watch of the stream.
const ALL_WATCHES: i64 = -1;
/// Requests under way on the stream before their senders wait.
const REQUESTS_WAITING_MAX: usize = 16;

pub(super) type Out = mpsc::Sender<Result<WatchResponse, Error>>;

/// What handles ask of the task.
pub(super) enum Command {
    Create(Box<WatchCreateRequest>, Out),
    Progress,
}

pub(super) struct Driver {
    client: Client,
    commands: mpsc::Receiver<Command>,
    /// All handles are gone: no more commands will come.
    closed: bool,
    watches: Vec<Watch>,
}

struct Watch {
    /// Its start is moved on with what was delivered, so that it can be sent again as it is.
    request: WatchCreateRequest,
    out: Out,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Creating,
    Live(i64),
}

/// Why a stream is no longer served.
enum Ended {
    Broken(Error),
    Unused,
}

impl Driver {
    pub(super) fn new(client: Client, commands: mpsc::Receiver<Command>) -> Self {
        Self { client, commands, closed: false, watches: Vec::new() }
    }

    pub(super) async fn run(mut self) {
        loop {
            let (requests, outgoing) = mpsc::channel(REQUESTS_WAITING_MAX);
            if !self.prepare(&requests).await {
                return;
            }
            let ended = match self.open(&requests, outgoing).await {
                Ok(stream) => self.serve(&requests, stream).await,
                Err(error) => Ended::Broken(error),
            };
            match ended {
                Ended::Unused => return,
                Ended::Broken(error) if self.client.is_final(&error) => {
                    for watch in self.watches.drain(..) {
                        let _ = watch.out.send(Err(error.clone())).await;
                    }
                    return;
                }
                Ended::Broken(_) => tokio::time::sleep(REOPEN_PAUSE).await,
            }
        }
    }

    /// Puts the first request on a stream to be opened: servers answer the opening only after it.
    /// Waits for something to say; false when there will never be anything.
    async fn prepare(&mut self, requests: &mpsc::Sender<WatchRequest>) -> bool {
        self.watches.retain(|watch| !watch.out.is_closed());
        self.watches.iter_mut().for_each(|watch| watch.state = State::Queued);
        if self.watches.is_empty() {
            match self.commands.recv().await {
                Some(command) => self.take(command, requests).await,
                None => return false,
            }
        }
        self.create_next(requests).await;
        true
    }

    /// Opens the stream, and takes commands meanwhile: a stream on which nothing but a progress
    /// request was sent may stay unanswered until the first watch.
    async fn open(
        &mut self,
        requests: &mpsc::Sender<WatchRequest>,
        outgoing: mpsc::Receiver<WatchRequest>,
    ) -> Result<Streaming<WatchResponse>, Error> {
        let client = self.client.clone();
        let opening = client.both_streams(METHOD, ReceiverStream::new(outgoing));
        tokio::pin!(opening);
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                command = self.commands.recv(), if !self.closed => match command {
                    Some(command) => self.take(command, requests).await,
                    None => self.closed = true,
                },
            }
        }
    }

    async fn serve(
        &mut self,
        requests: &mpsc::Sender<WatchRequest>,
        mut stream: Streaming<WatchResponse>,
    ) -> Ended {
        loop {
            if self.closed && self.watches.is_empty() {
                return Ended::Unused;
            }
            tokio::select! {
                command = self.commands.recv(), if !self.closed => match command {
                    Some(command) => self.take(command, requests).await,
                    None => self.closed = true,
                },
                answer = stream.message() => match answer {
                    Ok(Some(answer)) if self.needs_login(&answer) => return Ended::Broken(broken()),
                    Ok(Some(answer)) => self.handle(answer, requests).await,
                    Ok(None) => return Ended::Broken(broken()),
                    Err(status) => return Ended::Broken(status.into()),
                },
            }
        }
    }

    /// A watch refused for its stream's token: a new stream with a new one may have it.
    fn needs_login(&self, answer: &WatchResponse) -> bool {
        let reason = answer.cancel_reason.as_str();
        let text = reason.split_once(" desc = ").map_or(reason, |(_, text)| text);
        let curable = answer.canceled && self.client.login.cures(text);
        if curable {
            self.client.login.forget_any();
        }
        curable
    }

    async fn take(&mut self, command: Command, requests: &mpsc::Sender<WatchRequest>) {
        match command {
            Command::Create(request, out) => {
                self.watches.push(Watch { request: *request, out, state: State::Queued });
                self.create_next(requests).await;
            }
            Command::Progress => {
                send(requests, RequestUnion::ProgressRequest(WatchProgressRequest {})).await;
            }
        }
    }

    async fn create_next(&mut self, requests: &mpsc::Sender<WatchRequest>) {
        if self.watches.iter().any(|watch| watch.state == State::Creating) {
            return;
        }
        let queued = self.watches.iter_mut().find(|watch| watch.state == State::Queued);
        let Some(watch) = queued else { return };
        watch.state = State::Creating;
        let request = watch.request.clone();
        send(requests, RequestUnion::CreateRequest(request)).await;
    }

    async fn handle(&mut self, answer: WatchResponse, requests: &mpsc::Sender<WatchRequest>) {
        if answer.created {
            self.created(answer, requests).await;
            return;
        }
        let id = answer.watch_id;
        if id == ALL_WATCHES && !answer.canceled {
            for at in (0..self.watches.len()).rev() {
                if matches!(self.watches[at].state, State::Live(_)) {
                    self.deliver(at, answer.clone(), requests).await;
                }
            }
            return;
        }
        match self.watches.iter().position(|watch| watch.state == State::Live(id)) {
            Some(at) => self.deliver(at, answer, requests).await,
            None if answer.canceled => {}
            None => cancel(requests, id).await,
        }
    }

    async fn created(&mut self, answer: WatchResponse, requests: &mpsc::Sender<WatchRequest>) {
        let creating = self.watches.iter().position(|watch| watch.state == State::Creating);
        let Some(at) = creating else {
            return cancel(requests, answer.watch_id).await;
        };
        if answer.canceled {
            let watch = self.watches.remove(at);
            // etcd's client gives such an answer an empty header.
            let refusal = WatchResponse {
                header: Some(ResponseHeader::default()),
                created: true,
                canceled: true,
                cancel_reason: answer.cancel_reason,
                ..Default::default()
            };
            let _ = watch.out.send(Ok(refusal)).await;
        } else {
            let watch = &mut self.watches[at];
            watch.state = State::Live(answer.watch_id);
            if watch.request.start_revision == 0 {
                watch.request.start_revision = after(&answer);
            }
        }
        self.create_next(requests).await;
    }

    /// Hands an answer to its watch and moves the watch's resume point behind it.
    async fn deliver(
        &mut self,
        at: usize,
        answer: WatchResponse,
        requests: &mpsc::Sender<WatchRequest>,
    ) {
        let watch = &mut self.watches[at];
        let last = answer.events.last().and_then(|event| event.kv.as_ref());
        if let Some(kv) = last {
            watch.request.start_revision = kv.mod_revision + 1;
        } else if !answer.canceled {
            watch.request.start_revision = watch.request.start_revision.max(after(&answer));
        }
        let over = answer.canceled;
        let unread = watch.out.send(Ok(answer)).await.is_err();
        if let (true, State::Live(id)) = (unread && !over, watch.state) {
            cancel(requests, id).await;
        }
        if over || unread {
            self.watches.remove(at);
        }
    }
}

fn after(answer: &WatchResponse) -> i64 {
    answer.header.as_ref().map_or(0, |header| header.revision + 1)
}

async fn cancel(requests: &mpsc::Sender<WatchRequest>, watch_id: i64) {
    send(requests, RequestUnion::CancelRequest(WatchCancelRequest { watch_id })).await;
}

/// A request that cannot be sent belongs to a broken stream, whose end is about to be read.
async fn send(requests: &mpsc::Sender<WatchRequest>, request: RequestUnion) {
    let _ = requests.send(WatchRequest { request_union: Some(request) }).await;
}

fn broken() -> Error {
    let message = "watch stream ended".to_owned();
    crate::Status { code: tonic::Code::Unavailable, message }.into()
}
