//! Runs the calls of a connection, each in a task of its own, or in none.

use std::task::{Context, Waker};

use hyper::rt::Executor;

use super::turn::Turn;

/// Makes a task of each call. Where the connection is behind most calls are refused at once, and
/// a task for each would be a good part of what a refusal costs: there a call is tried first.
#[derive(Clone)]
pub(super) struct Runner(Turn);

impl Runner {
    pub(super) fn new(turn: Turn) -> Self {
        Self(turn)
    }
}

impl<C> Executor<C> for Runner
where
    C: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: C) {
        if !self.0.is_behind() {
            tokio::spawn(call);
            return;
        }
        let mut call = Box::pin(call);
        // Nobody has to be woken: its task begins with looking again.
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(call);
        }
    }
}
