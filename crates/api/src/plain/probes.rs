//! `/livez` and `/readyz`, whole or one check of them.

use http::request::Parts;
use http::{Response, StatusCode};
use ketch_proto::etcdserverpb::AlarmType;

use super::health::read_one;
use super::{problem, query};
use crate::body::Body;
use crate::ports::Ports;

/// One question about this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

/// A page, and the checks behind the path.
pub(super) struct Probe {
    page: &'static str,
    checks: &'static [Check],
}

const LIVE: &[Check] = &[Check::SerializableRead];
const READY: &[Check] =
    &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner];

impl Probe {
    pub(super) fn from_path(path: &str) -> Option<Self> {
        let (page, all, rest) = match path.strip_prefix("/livez") {
            Some(rest) => ("livez", LIVE, rest),
            None => ("readyz", READY, path.strip_prefix("/readyz")?),
        };
        let checks = match rest.strip_prefix('/') {
            None if rest.is_empty() => all,
            None => return None,
            Some(name) => {
                let at = all.iter().position(|check| check.name() == name)?;
                &all[at..=at]
            }
        };
        Some(Self { page, checks })
    }

    pub(super) async fn answer<P: Ports>(&self, ports: &P, request: &Parts) -> Response<Body> {
        let excluded: Vec<String> = query::values(&request.uri, "exclude").collect();
        let mut lines = String::new();
        let mut failed = false;
        for check in self.checks {
            let name = check.name();
            if excluded.iter().any(|one| one == name) {
                continue;
            }
            let failure = check.failure(ports).await;
            ports.checked(self.page, name, failure.is_none());
            match failure {
                None => lines.push_str(&format!("[+]{name} ok\n")),
                Some(why) => {
                    failed = true;
                    lines.push_str(&format!("[-]{name} failed: {why}\n"));
                }
            }
        }
        if failed {
            return problem(StatusCode::SERVICE_UNAVAILABLE, lines + "\n");
        }
        if !query::has(&request.uri, "verbose") {
            lines.clear();
        }
        problem(StatusCode::OK, lines + "ok\n")
    }
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
            Self::NonLearner => "non_learner",
        }
    }

    /// Why the check fails, if it does.
    async fn failure<P: Ports>(self, ports: &P) -> Option<&'static str> {
        match self {
            Self::DataCorruption => {
                let corrupt = AlarmType::Corrupt as i32;
                let raised = ports.alarms().iter().any(|alarm| alarm.alarm == corrupt);
                raised.then_some("alarm activated: CORRUPT")
            }
            Self::NonLearner => ports.is_learner().then_some("not supported for learner"),
            Self::SerializableRead => read_one(ports, true).await.err().map(|code| code.text()),
            Self::LinearizableRead => read_one(ports, false).await.err().map(|code| code.text()),
        }
    }
}
