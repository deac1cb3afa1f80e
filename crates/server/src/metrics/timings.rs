//! Durations by what was done and how it ended: the registry is asked once for each pair.

use std::time::{Duration, Instant};

use ketch_api::Method;
use metrics::{Histogram, histogram};
use parking_lot::RwLock;

/// Names of the labels, as etcd has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// `version`, `op`, `success`.
    Apply,
    /// `type`, `success`.
    Request,
    /// `success`.
    Range,
}

/// A histogram of operations that succeed or fail.
pub(crate) struct Timing {
    name: &'static str,
    labels: Labels,
    /// By operation; the second handle is for success. Seldom more than ten.
    handles: RwLock<Vec<(&'static str, [Histogram; 2])>>,
}

impl Timing {
    pub(super) fn new(name: &'static str, labels: Labels) -> Self {
        Self { name, labels, handles: RwLock::default() }
    }

    /// Notes one operation.
    pub(crate) fn note(&self, op: &'static str, is_ok: bool, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some((_, handles)) = self.handles.read().iter().find(|known| known.0 == op) {
            return handles[usize::from(is_ok)].record(seconds);
        }
        let mut handles = self.handles.write();
        // Somebody else may have come first: the registry gives the same histogram twice.
        let pair = [false, true].map(|is_ok| self.handle(op, is_ok));
        pair[usize::from(is_ok)].record(seconds);
        handles.push((op, pair));
    }

    /// Notes an operation that began then and ends now.
    pub(crate) fn note_since<T, E>(&self, op: &'static str, end: &Result<T, E>, since: Instant) {
        self.note(op, end.is_ok(), since.elapsed());
    }

    fn handle(&self, op: &'static str, is_ok: bool) -> Histogram {
        let success = if is_ok { "true" } else { "false" };
        match self.labels {
            Labels::Apply => {
                histogram!(self.name, "version" => "v3", "op" => op, "success" => success)
            }
            Labels::Request => histogram!(self.name, "type" => op, "success" => success),
            Labels::Range => histogram!(self.name, "success" => success),
        }
    }
}

/// How long calls take, by method: only with `--metrics=extensive`.
pub(super) struct Handling(Vec<Histogram>);

impl Handling {
    /// The recorder must be installed.
    pub(super) fn new() -> Self {
        let handle = |method: &Method| {
            histogram!("grpc_server_handling_seconds",
                "grpc_method" => method.name(),
                "grpc_service" => method.service(),
                "grpc_type" => method.kind().label())
        };
        Self(Method::ALL.iter().map(handle).collect())
    }

    pub(super) fn note(&self, method: Method, took: Duration) {
        self.0[method.index()].record(took.as_secs_f64());
    }
}
