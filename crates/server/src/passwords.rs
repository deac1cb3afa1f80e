//! bcrypt, on few threads of its own: a storm of logins waits here and delays nobody else.

mod desk;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ketch_base::{Code, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use desk::{Desk, Job, Work};

/// bcrypt knows no longer ones; Go refuses them, and so do we, rather than to cut them.
const PASSWORD_BYTES_MAX: usize = 72;

/// The threads, and how dear a hash is.
pub(crate) struct Passwords {
    desk: Desk<Request, Answer>,
    places: Arc<Semaphore>,
    cost: u32,
}

/// Whether a password matches, or a hash as base64; none if there can be none.
enum Answer {
    Matches(bool),
    Hash(Option<String>),
}

/// Work that somebody waits for.
struct Request {
    work: Work<Answer>,
    /// Given back when it is begun with.
    place: Option<Place>,
    done: oneshot::Sender<Answer>,
}

impl Job<Answer> for Request {
    fn is_void(&self) -> bool {
        self.done.is_closed()
    }

    fn begin(&mut self) -> Work<Answer> {
        self.place = None;
        Arc::clone(&self.work)
    }

    fn end(self, answer: Answer) {
        // Who has gone does not hear it.
        let _ = self.done.send(answer);
    }
}

/// A place among those who wait: taken before anything else is done for a login, so that one too
/// many costs next to nothing.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Passwords {
    /// Starts the threads.
    pub(crate) fn start(cost: u32) -> std::io::Result<Self> {
        let places = Arc::new(Semaphore::new(limits::AUTH_PASSWORD_JOBS));
        Ok(Self { desk: Desk::open(desk::patience(cost))?, places, cost })
    }

    /// Takes a place; it is given back when a thread begins with the work.
    ///
    /// # Errors
    /// `RequestTooManyRequests` when too many wait already.
    pub(crate) fn place(&self) -> Result<Place, Code> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map(|permit| Place { _permit: permit });
        place.map_err(|_| Code::RequestTooManyRequests)
    }

    /// Whether the password is the one of the hash.
    pub(crate) async fn matches(
        &self,
        place: Place,
        password: String,
        hash: Bytes,
    ) -> Result<bool, Code> {
        let verify = move || {
            let hash = std::str::from_utf8(&hash).ok();
            Answer::Matches(
                hash.is_some_and(|hash| bcrypt::verify(&password, hash).unwrap_or(false)),
            )
        };
        let answer = self.run(place, Arc::new(verify)).await?;
        Ok(matches!(answer, Answer::Matches(true)))
    }

    /// A new hash, as base64.
    ///
    /// # Errors
    /// As [`Passwords::place`]; `PasswordTooLong` for a password of more than 72 bytes.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Code> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(Code::PasswordTooLong);
        }
        let (place, cost) = (self.place()?, self.cost);
        let hash = move || {
            let parts = bcrypt::hash_with_result(&password, cost).ok();
            // The form Go writes.
            let text = parts.map(|parts| parts.format_for_version(bcrypt::Version::TwoA));
            Answer::Hash(text.map(|text| STANDARD.encode(text)))
        };
        match self.run(place, Arc::new(hash)).await? {
            Answer::Hash(Some(hash)) => Ok(hash),
            _ => Err(Code::InvalidAuthMgmt),
        }
    }

    async fn run(&self, place: Place, work: Work<Answer>) -> Result<Answer, Code> {
        let (done, answer) = oneshot::channel();
        self.desk.hand_in(Request { work, place: Some(place), done })?;
        answer.await.map_err(|_| Code::Stopped)
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
        let matches = async |password: &str, hash: &Bytes| {
            let place = passwords.place().expect("room");
            passwords.matches(place, password.to_owned(), hash.clone()).await
        };
        assert_eq!(matches("open", &hash).await, Ok(true));
        assert_eq!(matches("shut", &hash).await, Ok(false));
        assert_eq!(matches("open", &Bytes::new()).await, Ok(false));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(passwords.hash(long).await, Err(Code::PasswordTooLong));
    }

    #[tokio::test]
    async fn one_too_many_is_refused_and_a_place_comes_back() {
        let passwords = Passwords::start(4).expect("threads");
        let take = |_| passwords.place().expect("room");
        let mut places: Vec<Place> = (0..limits::AUTH_PASSWORD_JOBS).map(take).collect();
        assert_eq!(passwords.place().map(drop), Err(Code::RequestTooManyRequests));
        let hash = passwords.hash("open".to_owned()).await;
        assert_eq!(hash, Err(Code::RequestTooManyRequests));
        let place = places.pop().expect("one");
        let matched = passwords.matches(place, String::new(), Bytes::new()).await;
        assert_eq!(matched, Ok(false));
        assert!(passwords.place().is_ok());
    }
}
