//! What a client says about its call besides the message.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use ketch_base::{Code, GrpcCode};

use crate::method::Method;
use crate::ports::{ClientName, Credentials, Observer, State};
use crate::status::Status;

// As names and not as text, which would be parsed for every look.
const CLIENT_API_VERSION: HeaderName = HeaderName::from_static("client-api-version");
const HAS_LEADER: HeaderName = HeaderName::from_static("hasleader");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The fields of one call that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// `client-api-version`; `None` when absent, an error when not UTF-8.
    client_version: Option<Result<String, Code>>,
    /// `hasleader: true`: refuse when no leader is known.
    pub(crate) needs_leader: bool,
    /// `grpc-timeout`.
    pub(crate) timeout: Option<Duration>,
    /// Who calls.
    pub(crate) credentials: Credentials,
}

impl Metadata {
    pub(crate) fn read(
        fields: &HeaderMap,
        name: Option<&ClientName>,
        timeout: Option<Duration>,
    ) -> Self {
        let client_version = fields.get(CLIENT_API_VERSION).map(|value| {
            std::str::from_utf8(value.as_bytes())
                .map(str::to_owned)
                .map_err(|_| Code::InvalidClientAPIVersion)
        });
        let needs_leader = fields.get(HAS_LEADER).is_some_and(|value| value == "true");
        let credentials = Credentials::read(fields, name);
        Self { client_version, needs_leader, timeout, credentials }
    }

    /// What etcd checks before a handler: a learner may serve it, the version can be read, a
    /// leader is there if asked.
    pub(crate) fn admit<P: State + Observer>(
        &self,
        method: Method,
        ports: &P,
    ) -> Result<(), Status> {
        if ports.is_learner() && !serves_as_learner(method) {
            return Err(Status::from(Code::NotSupportedForLearner));
        }
        match &self.client_version {
            Some(Ok(version)) => ports.client_version(method, version),
            Some(Err(code)) => return Err(Status::from(*code)),
            None => ports.client_version(method, "unknown"),
        }
        if self.needs_leader && !ports.has_leader() {
            return Err(Status::from(Code::NoLeader));
        }
        Ok(())
    }
}

/// What a member without a vote may serve; of ranges, only those that ask for its own state.
fn serves_as_learner(method: Method) -> bool {
    matches!(method, Method::Range | Method::Status | Method::Snapshot)
}

/// Reads `grpc-timeout`, if there.
pub(super) fn timeout(fields: &HeaderMap) -> Result<Option<Duration>, Status> {
    fields.get(TIMEOUT).map(|value| duration(value.as_bytes())).transpose()
}

/// Up to eight digits and a unit.
fn duration(value: &[u8]) -> Result<Duration, Status> {
    let malformed = |why: String| {
        Status::new(GrpcCode::Internal, format!("malformed grpc-timeout: transport: {why}"))
    };
    let text = String::from_utf8_lossy(value);
    let Some((unit, digits)) = value.split_last().filter(|(_, digits)| !digits.is_empty()) else {
        return Err(malformed(format!("timeout string is too short: \"{text}\"")));
    };
    if value.len() > 9 {
        return Err(malformed(format!("timeout string is too long: \"{text}\"")));
    }
    let unit_ns: u64 = match unit {
        b'n' => 1,
        b'u' => 1_000,
        b'm' => 1_000_000,
        b'S' => 1_000_000_000,
        b'M' => 60 * 1_000_000_000,
        b'H' => 3600 * 1_000_000_000,
        _ => return Err(malformed(format!("timeout unit is not recognized: \"{text}\""))),
    };
    let count = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    let count = count.ok_or_else(|| malformed(format!("strconv.ParseInt: \"{text}\"")))?;
    Ok(Duration::from_nanos(count.saturating_mul(unit_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let ok = |text: &str, ns: u64| {
            assert_eq!(duration(text.as_bytes()), Ok(Duration::from_nanos(ns)), "{text}");
        };
        ok("1n", 1);
        ok("20u", 20_000);
        ok("5000m", 5_000_000_000);
        ok("2S", 2_000_000_000);
        ok("1M", 60_000_000_000);
        ok("99999999H", u64::MAX);
        let bad = |text: &str, why: &str| {
            let status = duration(text.as_bytes()).expect_err(text);
            assert_eq!(status.text, format!("malformed grpc-timeout: transport: {why}"));
        };
        bad("zz", "timeout unit is not recognized: \"zz\"");
        bad("S", "timeout string is too short: \"S\"");
        bad("", "timeout string is too short: \"\"");
        bad("123456789S", "timeout string is too long: \"123456789S\"");
    }
}
