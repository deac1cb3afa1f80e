//! Watches: many on one stream, resumed after every break at the next unseen revision.

mod driver;

use ketch_base::Code as KnownCode;
use ketch_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use tokio::sync::mpsc;

use crate::{Client, Error};
use driver::{Command, Driver};

/// Answers a slow reader of [`Events`] may leave unread before its stream waits for it.
const ANSWERS_UNREAD_MAX: usize = 64;
/// Requests that may wait for a stream that is being opened.
const COMMANDS_WAITING_MAX: usize = 64;

/// One stream of watches.
#[derive(Clone)]
pub struct Watcher {
    commands: mpsc::Sender<Command>,
}

impl Watcher {
    pub(crate) fn start(client: Client) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
        tokio::spawn(Driver::new(client, receiver).run());
        Self { commands }
    }

    /// Begins a watch. The server chooses the id; `watch_id` of the request is ignored.
    pub async fn watch(&self, request: WatchCreateRequest) -> Events {
        let (out, answers) = mpsc::channel(ANSWERS_UNREAD_MAX);
        let request = WatchCreateRequest { watch_id: 0, ..request };
        // A closed stream shows as the end of the events.
        let _ = self.commands.send(Command::Create(Box::new(request), out)).await;
        Events { answers }
    }

    /// Asks for a progress notice; it reaches every watch of the stream once all are synced.
    pub async fn request_progress(&self) {
        let _ = self.commands.send(Command::Progress).await;
    }
}

/// The answers of one watch. Dropping it cancels the watch.
pub struct Events {
    answers: mpsc::Receiver<Result<WatchResponse, Error>>,
}

impl Events {
    /// Events in order, progress notices (no events), and last, if the server ends the watch, the
    /// answer that says so (see [`cancellation`]); then `None`. A watch that was refused at once
    /// has only that last answer, with `created` set.
    ///
    /// # Errors
    /// The server refuses watches for good, or there is no server to ask.
    pub async fn next(&mut self) -> Result<Option<WatchResponse>, Error> {
        self.answers.recv().await.transpose()
    }
}

/// Why this answer ends its watch; `None` if it does not.
pub fn cancellation(answer: &WatchResponse) -> Option<Error> {
    if !answer.canceled {
        return None;
    }
    let reason = if answer.compact_revision != 0 {
        KnownCode::Compacted.text()
    } else if answer.cancel_reason.is_empty() {
        KnownCode::FutureRev.text()
    } else {
        &answer.cancel_reason
    };
    Some(Error::WatchCanceled(reason.to_owned()))
}
