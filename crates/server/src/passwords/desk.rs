//! The threads that compute: with what the processors have left, and a little more when that is
//! nothing.
//!
//! Most of it is done with the policy `SCHED_IDLE`: whoever wakes up takes the processor at once,
//! and one that only computes passwords counts as free when it is chosen where a thread wakes up.
//! Niceness is not enough for that: Linux lets a nice thread end its slice (6.12 and later), some
//! milliseconds in which a put may be waiting for the processor.
//!
//! On a machine that is never idle nobody could log in. So there is one thread of low but usual
//! priority; it computes again what takes too long, and some of what waits behind that.
//!
//! Invariant: a lane shares no lock with a thread that may stand still for long. Between them is
//! the desk, which computes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use ketch_base::Code;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// How much the threads yield to all others where they may not be idle ones.
const NICENESS: i32 = 15;
/// No work is late before that.
const PATIENCE_MIN: Duration = Duration::from_millis(100);

/// What is to be computed; may be asked for twice.
pub(super) type Work<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Something to be computed and told.
pub(super) trait Job<T>: Send {
    /// Whether nobody waits for it any more.
    fn is_void(&self) -> bool;
    /// What is to be computed. Somebody begins now.
    fn begin(&mut self) -> Work<T>;
    /// What came of it.
    fn end(self, answer: T);
}

/// Where work is handed in.
pub(super) struct Desk<J, T> {
    events: Sender<Event<J, T>>,
}

enum Event<J, T> {
    Job(J),
    /// A thread has come to an end with its work.
    Done {
        thread: usize,
        answer: T,
    },
}

/// A thread as the desk sees it.
struct Thread<T> {
    work: Sender<Work<T>>,
    /// The job it has, by number, and since when.
    has: Option<(u64, Instant)>,
}

struct Clerk<J, T> {
    waiting: VecDeque<J>,
    /// Begun and not ended, by number.
    begun: Vec<(u64, J, Work<T>)>,
    next: u64,
    idle: Vec<Thread<T>>,
    last_resort: Thread<T>,
    patience: Duration,
}

/// How long work may take before it is late: some four times of what it takes, by its cost.
pub(super) fn patience(cost: u32) -> Duration {
    let usual = Duration::from_micros(250).saturating_mul(1_u32.checked_shl(cost).unwrap_or(0));
    usual.max(PATIENCE_MIN)
}

impl<J: Job<T> + 'static, T: Send + 'static> Desk<J, T> {
    /// Starts half as many idle threads as there are cores, at least one, and two more.
    pub(super) fn open(patience: Duration) -> std::io::Result<Self> {
        let (events, mailbox) = channel();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |number: usize, name: String, be: fn()| -> std::io::Result<Thread<T>> {
            let (work, todo) = channel::<Work<T>>();
            let done = events.clone();
            std::thread::Builder::new().name(name).spawn(move || {
                be();
                while let Ok(work) = todo.recv() {
                    if done.send(Event::Done { thread: number, answer: work() }).is_err() {
                        return;
                    }
                }
            })?;
            Ok(Thread { work, has: None })
        };
        let threads = (cores / 2).max(1);
        let idle = (0..threads).map(|number| start(number, format!("password-{number}"), be_idle));
        let idle = idle.collect::<std::io::Result<Vec<_>>>()?;
        let last_resort = start(threads, "password-late".to_owned(), be_nice)?;
        let (waiting, begun) = (VecDeque::new(), Vec::new());
        let clerk = Clerk { waiting, begun, next: 0, idle, last_resort, patience };
        let name = "password-desk".to_owned();
        std::thread::Builder::new().name(name).spawn(move || clerk.serve(&mailbox))?;
        Ok(Self { events })
    }

    pub(super) fn hand_in(&self, job: J) -> Result<(), Code> {
        self.events.send(Event::Job(job)).map_err(|_| Code::Stopped)
    }
}

impl<J: Job<T>, T> Clerk<J, T> {
    /// Until nobody can hand in any more. The threads hold the mailbox open: that is the end of
    /// the process.
    fn serve(mut self, mailbox: &Receiver<Event<J, T>>) {
        loop {
            // Nothing under way: nothing can become late.
            let is_idle = self.idle.iter().all(|thread| thread.has.is_none());
            let event = match is_idle {
                true => mailbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => mailbox.recv_timeout(self.patience),
            };
            match event {
                Ok(Event::Job(job)) => self.waiting.push_back(job),
                Ok(Event::Done { thread, answer }) => self.done(thread, answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.hand_out();
        }
    }

    /// Whoever computed it first: the answer is told once.
    fn done(&mut self, thread: usize, answer: T) {
        let thread = self.idle.get_mut(thread).unwrap_or(&mut self.last_resort);
        let Some((number, _)) = thread.has.take() else { return };
        if let Some(at) = self.begun.iter().position(|(begun, ..)| *begun == number) {
            let (_, job, _) = self.begun.swap_remove(at);
            job.end(answer);
        }
    }

    fn hand_out(&mut self) {
        let now = Instant::now();
        for at in 0..self.idle.len() {
            if self.idle[at].has.is_none()
                && let Some((number, work)) = self.begin()
            {
                self.idle[at].give(number, work, now);
            }
        }
        let is_late = |since: Instant| now.duration_since(since) >= self.patience;
        let mut late =
            self.idle.iter().filter_map(|thread| thread.has).filter(|(_, at)| is_late(*at));
        if self.last_resort.has.is_some() {
            return;
        }
        let Some(first) = late.next() else { return };
        let open = std::iter::once(first).chain(late).find_map(|(late, _)| {
            let begun = self.begun.iter().find(|(number, ..)| *number == late);
            begun.map(|(number, _, work)| (*number, Arc::clone(work)))
        });
        // What is late was computed again already: then what waits behind it.
        if let Some((number, work)) = open.or_else(|| self.begin()) {
            self.last_resort.give(number, work, now);
        }
    }

    /// The next that somebody waits for.
    fn begin(&mut self) -> Option<(u64, Work<T>)> {
        let mut job = self.waiting.pop_front()?;
        while job.is_void() {
            job = self.waiting.pop_front()?;
        }
        let (number, work) = (self.next, job.begin());
        self.next += 1;
        self.begun.push((number, job, Arc::clone(&work)));
        Some((number, work))
    }
}

impl<T> Thread<T> {
    fn give(&mut self, number: u64, work: Work<T>, now: Instant) {
        self.has = Some((number, now));
        // It is there as long as the desk.
        let _ = self.work.send(work);
    }
}

/// Best effort: without it a storm is only felt a little more.
fn be_idle() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_err() {
        be_nice();
    }
}

fn be_nice() {
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    struct Asked(Work<u32>, Sender<u32>);

    impl Job<u32> for Asked {
        fn is_void(&self) -> bool {
            false
        }
        fn begin(&mut self) -> Work<u32> {
            Arc::clone(&self.0)
        }
        fn end(self, answer: u32) {
            let _ = self.1.send(answer);
        }
    }

    #[test]
    fn patience_grows_with_the_cost() {
        for (cost, ms) in [(4, 100), (10, 256), (14, 4096), (31, 536_870_912)] {
            assert_eq!(patience(cost), Duration::from_millis(ms));
        }
    }

    #[test]
    fn what_stands_still_is_computed_by_another_and_what_waits_behind_it() {
        let desk = Desk::open(Duration::from_millis(1)).expect("threads");
        let (hold, held) = channel::<()>();
        let (runs, held) = (Mutex::new(0), Mutex::new(held));
        let (tell, told) = channel();
        let stands = Arc::new(move || {
            let run = {
                let mut runs = runs.lock();
                *runs += 1;
                *runs
            };
            // The first one stands until the test lets it go.
            if run == 1 {
                let _ = held.lock().recv();
            }
            run
        });
        desk.hand_in(Asked(stands, tell.clone())).expect("open");
        for answer in 10..20 {
            desk.hand_in(Asked(Arc::new(move || answer), tell.clone())).expect("open");
        }
        let mut answers: Vec<u32> = told.iter().take(11).collect();
        answers.sort_unstable();
        assert_eq!(answers, [2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        drop(hold);
        drop(tell);
        // The one that stood has nothing more to say.
        assert_eq!(told.iter().count(), 0);
    }
}
