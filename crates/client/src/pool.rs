//! The endpoints and their connections: the first that connects serves at once, the others join
//! the round as they come up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::endpoint::Endpoint;
use crate::link::{Dialer, Link};
use crate::{Config, Error};

/// How long a failed endpoint is left alone while others serve.
const REDIAL_AFTER: Duration = Duration::from_secs(1);

/// All endpoints of a client.
pub(crate) struct Pool {
    members: Vec<Arc<Member>>,
    turn: AtomicUsize,
}

struct Member {
    endpoint: Endpoint,
    index: usize,
    dialer: Dialer,
    state: Mutex<State>,
}

enum State {
    Cold { since: Option<Instant> },
    Dialing,
    Ready(Link),
}

impl Pool {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let endpoints: Vec<_> =
            config.endpoints.iter().map(|given| Endpoint::parse(given)).collect();
        let dialer = Dialer::new(config, &endpoints)?;
        let member = |(index, endpoint)| {
            let state = Mutex::new(State::Cold { since: None });
            Arc::new(Member { endpoint, index, dialer: dialer.clone(), state })
        };
        let members = endpoints.into_iter().enumerate().map(member).collect();
        let pool = Self { members, turn: AtomicUsize::new(0) };
        if pool.members.is_empty() { Err(Error::NoEndpoints) } else { Ok(pool) }
    }

    /// Address of the first endpoint, for messages.
    pub(crate) fn target(&self) -> &str {
        self.members.first().map_or("", |member| &member.endpoint.address)
    }

    /// A connection: the next ready one of the round, else whichever connects first.
    ///
    /// The error is the sentence of the last endpoint that failed.
    pub(crate) async fn link(&self) -> Result<Link, String> {
        if let Some(link) = self.ready() {
            self.redial();
            return Ok(link);
        }
        let mut racing = JoinSet::new();
        for member in &self.members {
            let member = member.clone();
            racing.spawn(async move { member.dial().await });
        }
        let mut last = String::new();
        while let Some(finished) = racing.join_next().await {
            match finished {
                Ok(Ok(link)) => {
                    racing.detach_all();
                    return Ok(link);
                }
                Ok(Err(why)) => last = why,
                Err(_) => last = "dialling was aborted".to_owned(),
            }
        }
        Err(last)
    }

    /// Forgets a connection that broke.
    pub(crate) fn drop_link(&self, link: &Link) {
        if let Some(member) = self.members.get(link.index) {
            *member.lock() = State::Cold { since: Some(Instant::now()) };
        }
    }

    fn ready(&self) -> Option<Link> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..self.members.len()).find_map(|step| {
            let member = &self.members[(first + step) % self.members.len()];
            match &*member.lock() {
                State::Ready(link) => Some(link.clone()),
                State::Cold { .. } | State::Dialing => None,
            }
        })
    }

    /// Tries cold endpoints again in the background, so that the round becomes whole.
    fn redial(&self) {
        for member in &self.members {
            let due = match &*member.lock() {
                State::Cold { since } => since.is_none_or(|at| at.elapsed() > REDIAL_AFTER),
                State::Dialing | State::Ready(_) => false,
            };
            if due {
                let member = member.clone();
                tokio::spawn(async move { member.dial().await.is_ok() });
            }
        }
    }
}

impl Member {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dial(&self) -> Result<Link, String> {
        *self.lock() = State::Dialing;
        let result = self.dialer.dial(&self.endpoint, self.index).await;
        *self.lock() = match &result {
            Ok(link) => State::Ready(link.clone()),
            Err(_) => State::Cold { since: Some(Instant::now()) },
        };
        result
    }
}
