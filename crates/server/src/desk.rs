//! A lane's desk: proposals of its calls leave together, and the answers to them come together.
//!
//! A call that proposes leaves its letter on the desk. A task of the same lane, which runs when all
//! calls that are ready have done so, posts what lies there and takes the node's turn with it: one
//! lock and at most one wake-up for all, and the node makes one append of them.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Code, RequestId};
use ketch_node::Event;
use tokio::sync::Notify;

use crate::member::Member;
use crate::threads::NodeTask;

/// Letters that leave the desk without waiting for the lane to come round.
const LETTERS: usize = 64;

thread_local! {
    /// The desk of this thread, if it is a lane.
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
}

struct Desk {
    lane: usize,
    letters: Vec<NodeTask>,
    /// Rung by the first letter.
    bell: Arc<Notify>,
}

/// Makes this thread the lane of this number, on whose runtime it is called.
pub(crate) fn open(lane: usize, member: &Arc<Member>) {
    let bell = Arc::new(Notify::new());
    DESK.set(Some(Desk { lane, letters: Vec::new(), bell: Arc::clone(&bell) }));
    let sender = Arc::clone(member);
    tokio::spawn(async move {
        loop {
            bell.notified().await;
            sender.post(take());
        }
    });
    let receiver = Arc::clone(member);
    tokio::spawn(async move { receiver.waiters.hand_out(lane).await });
}

/// The number of the lane that this thread is.
pub(crate) fn lane() -> Option<usize> {
    DESK.with_borrow(|desk| desk.as_ref().map(|desk| desk.lane))
}

fn take() -> Vec<NodeTask> {
    DESK.with_borrow_mut(|desk| {
        desk.as_mut().map_or_else(Vec::new, |desk| std::mem::take(&mut desk.letters))
    })
}

impl Member {
    /// Gives a proposal to the node, from a lane together with others. If there is no room the
    /// waiter is told.
    pub(crate) fn send_proposal(&self, id: RequestId, data: Bytes) {
        let mut letter = Some(NodeTask::from(Event::Propose { id, data }));
        let lies = DESK.with_borrow_mut(|desk| {
            let desk = desk.as_mut()?;
            desk.letters.extend(letter.take());
            Some(desk.letters.len())
        });
        match lies {
            None => self.refuse(letter.and_then(|letter| self.node.try_send(letter).err())),
            Some(1) => DESK.with_borrow(|desk| {
                if let Some(desk) = desk {
                    desk.bell.notify_one();
                }
            }),
            Some(LETTERS..) => self.post(take()),
            Some(_) => {}
        }
    }

    /// Posts letters and sees to it that they are taken.
    fn post(&self, mut letters: Vec<NodeTask>) {
        if letters.is_empty() {
            return;
        }
        self.node.try_send_quietly(&mut letters);
        self.turns.take();
        self.refuse(letters);
    }

    /// The node's mailbox is full.
    fn refuse(&self, letters: impl IntoIterator<Item = NodeTask>) {
        for letter in letters {
            if let NodeTask::Event(Event::Propose { id, .. }) = letter {
                self.waiters.answer(id, Err(Code::RequestTooManyRequests));
            }
        }
    }
}
