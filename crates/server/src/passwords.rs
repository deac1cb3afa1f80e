//! bcrypt, on few threads of its own: a storm of logins waits here and delays nobody else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ketch_base::{Code, limits};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How much the threads yield to all others.
const NICENESS: i32 = 15;
/// bcrypt knows no longer ones; Go refuses them, and so do we, rather than to cut them.
const PASSWORD_BYTES_MAX: usize = 72;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and how dear a hash is.
pub(crate) struct Passwords {
    jobs: SyncSender<Job>,
    cost: u32,
}

impl Passwords {
    /// Starts half as many threads as there are cores, at least one.
    pub(crate) fn start(cost: u32) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(limits::AUTH_PASSWORD_JOBS);
        let waiting = Arc::new(Mutex::new(waiting));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..(cores / 2).max(1) {
            let waiting = Arc::clone(&waiting);
            let name = format!("password-{number}");
            std::thread::Builder::new().name(name).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs, cost })
    }

    /// Whether the password is the one of the hash.
    ///
    /// # Errors
    /// `RequestTooManyRequests` when too many wait already.
    pub(crate) async fn matches(&self, password: String, hash: Bytes) -> Result<bool, Code> {
        self.run(move || {
            let hash = std::str::from_utf8(&hash).ok();
            hash.is_some_and(|hash| bcrypt::verify(&password, hash).unwrap_or(false))
        })
        .await
    }

    /// A new hash, as base64.
    ///
    /// # Errors
    /// As [`Passwords::matches`]; `PasswordTooLong` for a password of more than 72 bytes.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Code> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(Code::PasswordTooLong);
        }
        let cost = self.cost;
        let hashed = self.run(move || {
            let parts = bcrypt::hash_with_result(&password, cost).ok()?;
            // The form Go writes.
            Some(STANDARD.encode(parts.format_for_version(bcrypt::Version::TwoA)))
        });
        hashed.await?.ok_or(Code::InvalidAuthMgmt)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Code> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Who has gone need not be computed for.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        self.jobs.try_send(job).map_err(|_| Code::RequestTooManyRequests)?;
        answer.await.map_err(|_| Code::Stopped)
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    // Best effort: without it a storm is only felt a little more.
    let _ = rustix::process::setpriority_process(None, NICENESS);
    loop {
        let job = waiting.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_matches_its_password_only() {
        let passwords = Passwords::start(4).expect("threads");
        let hash = passwords.hash("open".to_owned()).await.expect("hashed");
        let hash = Bytes::from(STANDARD.decode(hash).expect("base64"));
        assert!(hash.starts_with(b"$2a$04$"));
        assert_eq!(passwords.matches("open".to_owned(), hash.clone()).await, Ok(true));
        assert_eq!(passwords.matches("shut".to_owned(), hash).await, Ok(false));
        assert_eq!(passwords.matches("open".to_owned(), Bytes::new()).await, Ok(false));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(passwords.hash(long).await, Err(Code::PasswordTooLong));
    }
}
