//! Bounded mailboxes between threads: the receiver takes everything that is there at once.
//!
//! One lock and one wake-up a batch; a sender wakes the receiver only if it sleeps. A receiver that
//! has nothing to do with some letters for now says so by sleeping patiently: those that are marked
//! patient then gather until something else wakes it, or until they are too many. A sender that
//! will see to its letters itself puts them in quietly, and wakes nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::rest;

/// Patient letters that gather before a patient sleeper is woken all the same.
const PATIENT_LETTERS: usize = 64;
/// Letters after which it is worth while for a receiver to give memory back.
const LETTERS_TO_REST: usize = 1000;

/// The sending half; clones share the box.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.senders -= 1;
        if state.senders == 0 {
            state.receiver_sleeps = false;
            self.0.arrived.notify_one();
        }
    }
}

/// The receiving half.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    emptied: Condvar,
    limit: usize,
}

struct State<T> {
    queue: VecDeque<T>,
    receiver_sleeps: bool,
    /// Patient letters need not wake it.
    receiver_is_patient: bool,
    senders_wait: usize,
    senders: usize,
    closed: bool,
    /// Letters taken since the receiver last rested.
    taken: usize,
    /// The same as of the last [`Sender::let_rest`].
    taken_before: usize,
    rest_asked: bool,
}

impl<T> Shared<T> {
    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        if state.receiver_sleeps && !state.queue.is_empty() {
            state.receiver_sleeps = false;
            self.arrived.notify_one();
        }
    }
}

/// A box for at most `limit` letters.
pub(crate) fn mailbox<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            receiver_sleeps: false,
            receiver_is_patient: false,
            senders_wait: 0,
            senders: 1,
            closed: false,
            taken: 0,
            taken_before: 0,
            rest_asked: false,
        }),
        arrived: Condvar::new(),
        emptied: Condvar::new(),
        limit,
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Puts a letter in, waiting while the box is full. For threads, never for lanes. A letter to
    /// a receiver that is gone is dropped.
    pub(crate) fn send(&self, letter: T) {
        let mut state = self.when_room();
        self.put(&mut state, letter);
    }

    /// Puts letters in together, waiting while the box is full; they may go above its limit. Wakes
    /// nobody: [`Sender::wake`] or [`Sender::wake_patient`] is to follow.
    pub(crate) fn send_all_quietly(&self, letters: impl Iterator<Item = T>) {
        let mut letters = letters.peekable();
        if letters.peek().is_none() {
            return;
        }
        let mut state = self.when_room();
        if !state.closed {
            state.queue.extend(letters);
        }
    }

    /// As [`Sender::wake`], but lets a patient receiver sleep while there are few letters.
    pub(crate) fn wake_patient(&self) {
        let state = self.0.state.lock();
        if !state.receiver_is_patient || state.queue.len() >= PATIENT_LETTERS {
            self.0.wake(state);
        }
    }

    /// Wakes whoever waits for letters, if there are any.
    pub(crate) fn wake(&self) {
        self.0.wake(self.0.state.lock());
    }

    /// As [`Sender::send_above_limit`], for a letter that can wait for the next one.
    pub(crate) fn send_patiently_above_limit(&self, letter: T) {
        let mut state = self.0.state.lock();
        self.put_patiently(&mut state, letter);
    }

    /// Puts a letter in, or gives it back when the box is full or its receiver is gone.
    pub(crate) fn try_send(&self, letter: T) -> Result<(), T> {
        let mut state = self.0.state.lock();
        if state.closed || state.queue.len() >= self.0.limit {
            return Err(letter);
        }
        self.put(&mut state, letter);
        Ok(())
    }

    /// As [`Sender::try_send`], for small letters that must not wait behind a box full of large
    /// ones: they may fill it to twice its limit.
    pub(crate) fn try_send_urgent(&self, letter: T) -> Result<(), T> {
        let mut state = self.0.state.lock();
        if state.closed || state.queue.len() >= 2 * self.0.limit {
            return Err(letter);
        }
        self.put(&mut state, letter);
        Ok(())
    }

    /// Puts a letter in whatever is there already: for the few letters that must not be lost and
    /// whose number something else bounds.
    pub(crate) fn send_above_limit(&self, letter: T) {
        let mut state = self.0.state.lock();
        self.put(&mut state, letter);
    }

    /// As [`Sender::send_above_limit`], but wakes nobody: whoever calls this sees to it that the
    /// letter is taken.
    pub(crate) fn send_quietly_above_limit(&self, letter: T) {
        let mut state = self.0.state.lock();
        if !state.closed {
            state.queue.push_back(letter);
        }
    }

    /// Puts letters in while there is room, and wakes nobody, as
    /// [`Sender::send_quietly_above_limit`]. Those that did not fit are left in `letters`.
    pub(crate) fn try_send_quietly(&self, letters: &mut Vec<T>) {
        let mut state = self.0.state.lock();
        let room = self.0.limit.saturating_sub(state.queue.len());
        let room = if state.closed { 0 } else { room.min(letters.len()) };
        state.queue.extend(letters.drain(..room));
    }

    /// Whether [`Sender::send`] would not wait now.
    pub(crate) fn has_room(&self) -> bool {
        self.0.state.lock().queue.len() < self.0.limit
    }

    /// Asks a receiver that has worked, and slept since the last call, to give memory back. For one
    /// that waits by [`Receiver::receive_or_rest`] or [`Receiver::wait_or_rest`].
    pub(crate) fn let_rest(&self) {
        let mut state = self.0.state.lock();
        let slept = state.receiver_sleeps && state.taken == state.taken_before;
        if slept && state.taken >= LETTERS_TO_REST {
            state.taken = 0;
            state.rest_asked = true;
            state.receiver_sleeps = false;
            self.0.arrived.notify_one();
        }
        state.taken_before = state.taken;
    }

    /// Whether the receiver is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state.lock().closed
    }

    /// Waits while the box is full.
    fn when_room(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.0.state.lock();
        while state.queue.len() >= self.0.limit && !state.closed {
            state.senders_wait += 1;
            self.0.emptied.wait(&mut state);
            state.senders_wait -= 1;
        }
        state
    }

    fn put_patiently(&self, state: &mut State<T>, letter: T) {
        if state.closed {
            return;
        }
        let waits = state.receiver_is_patient && state.queue.len() < PATIENT_LETTERS;
        if waits {
            state.queue.push_back(letter);
        } else {
            self.put(state, letter);
        }
    }

    fn put(&self, state: &mut State<T>, letter: T) {
        if state.closed {
            return;
        }
        state.queue.push_back(letter);
        if state.receiver_sleeps {
            state.receiver_sleeps = false;
            self.0.arrived.notify_one();
        }
    }
}

impl<T> Receiver<T> {
    /// Moves all letters to `into`; waits for the first one until `deadline` (`None`: for ever).
    /// Nothing comes without a deadline only when every sender is gone.
    pub(crate) fn receive(&self, into: &mut Vec<T>, deadline: Option<Instant>) {
        let mut state = self.when_some(deadline, false);
        self.empty(&mut state, into);
    }

    /// As [`Receiver::receive`], but patient letters alone need not end the wait.
    pub(crate) fn receive_patiently(&self, into: &mut Vec<T>, deadline: Option<Instant>) {
        let mut state = self.when_some(deadline, true);
        self.empty(&mut state, into);
    }

    /// As [`Receiver::receive`] without a deadline; gives memory back when that is asked for.
    pub(crate) fn receive_or_rest(&self, into: &mut Vec<T>) {
        let mut state = self.when_some_or_rest();
        self.empty(&mut state, into);
    }

    /// As [`Receiver::receive_or_rest`], but leaves the letters in the box. None are there only
    /// when none will come.
    pub(crate) fn wait_or_rest(&self) -> bool {
        !self.when_some_or_rest().queue.is_empty()
    }

    /// Waits for letters and leaves them in the box. Patient ones alone do not end the sleep before
    /// the deadline unless they become many. Ends at once when the box is closed.
    pub(crate) fn wait_patiently(&self, deadline: Instant) {
        drop(self.when_some(Some(deadline), true));
    }

    /// Moves the letters that are there to `into`; whether there were any.
    pub(crate) fn take(&self, into: &mut Vec<T>) -> bool {
        let mut state = self.0.state.lock();
        let some = !state.queue.is_empty();
        self.empty(&mut state, into);
        some
    }

    /// Moves the letters that are there to `into`, if they are as they should be.
    pub(crate) fn take_if(&self, into: &mut Vec<T>, fit: impl FnOnce(&VecDeque<T>) -> bool) {
        let mut state = self.0.state.lock();
        if fit(&state.queue) {
            self.empty(&mut state, into);
        }
    }

    /// Whether no letter waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.state.lock().queue.is_empty()
    }

    /// Wakes whoever waits for letters, if there are any.
    pub(crate) fn wake(&self) {
        self.0.wake(self.0.state.lock());
    }

    /// Takes no more letters and throws away those that wait.
    pub(crate) fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.queue.clear();
        self.0.emptied.notify_all();
        self.0.arrived.notify_all();
    }

    /// Waits for letters, until `deadline` at most.
    fn when_some(&self, deadline: Option<Instant>, is_patient: bool) -> MutexGuard<'_, State<T>> {
        let mut state = self.0.state.lock();
        state.receiver_is_patient = is_patient;
        while state.queue.is_empty() && state.senders > 0 && !state.closed && !state.rest_asked {
            state.receiver_sleeps = true;
            match deadline {
                None => self.0.arrived.wait(&mut state),
                Some(at) => {
                    if self.0.arrived.wait_until(&mut state, at).timed_out() {
                        break;
                    }
                }
            }
        }
        state.receiver_sleeps = false;
        state.receiver_is_patient = false;
        state
    }

    fn when_some_or_rest(&self) -> MutexGuard<'_, State<T>> {
        loop {
            let mut state = self.when_some(None, false);
            if !std::mem::take(&mut state.rest_asked) {
                return state;
            }
            drop(state);
            rest::give_back();
        }
    }

    fn empty(&self, state: &mut State<T>, into: &mut Vec<T>) {
        state.taken += state.queue.len();
        into.extend(state.queue.drain(..));
        if state.senders_wait > 0 {
            self.0.emptied.notify_all();
        }
    }

    /// As [`Receiver::receive`], with a time to wait from now.
    pub(crate) fn receive_for(&self, into: &mut Vec<T>, wait: Duration) {
        self.receive(into, Some(Instant::now() + wait));
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
