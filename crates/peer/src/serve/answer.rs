//! Answers as Go's HTTP server words them.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use ketch_base::ClusterId;

use crate::client::{Outbound, empty, full};
use crate::headers;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
pub(super) const PROTOBUF: HeaderValue = HeaderValue::from_static("application/protobuf");

/// An answer with a body of one type.
pub(super) fn body(kind: HeaderValue, bytes: impl Into<Bytes>) -> Response<Outbound> {
    let mut response = Response::new(full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// What was posted is taken; there is no more to say.
pub(super) fn taken() -> Response<Outbound> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A refusal: the text and a newline.
pub(super) fn refusal(status: StatusCode, text: &str) -> Response<Outbound> {
    let mut response = body(TEXT, format!("{text}\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The same, of what a check gave.
pub(super) fn refused((status, text): (StatusCode, String)) -> Response<Outbound> {
    refusal(status, &text)
}

pub(super) fn not_found() -> Response<Outbound> {
    refusal(StatusCode::NOT_FOUND, "404 page not found")
}

/// `allowed` is what the `Allow` header names; the lease paths name nothing.
pub(super) fn method_not_allowed(allowed: Option<&'static str>) -> Response<Outbound> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    if let Some(allowed) = allowed {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// Names our cluster, as most answers do.
pub(super) fn of_cluster(
    mut response: Response<Outbound>,
    cluster: ClusterId,
) -> Response<Outbound> {
    with(&mut response, headers::CLUSTER_ID, &cluster.to_string());
    response
}

pub(super) fn with(response: &mut Response<Outbound>, name: HeaderName, text: &str) {
    headers::put_text(response.headers_mut(), name, text);
}

/// The answer of `/raft/probing`.
pub(super) fn probe() -> Response<Outbound> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = rfc3339(since.as_secs(), since.subsec_nanos());
    body(TEXT, format!("{{\"OK\":true,\"Now\":\"{now}\"}}\n"))
}

/// UTC, with as many digits of the second as are not zero.
fn rfc3339(seconds: u64, nanos: u32) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Days are counted from 1 March of the year 0 in eras of 400 years, so that a leap day ends
    // a year; 719_468 days lie between that day and 1970.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let fraction = match nanos {
        0 => String::new(),
        _ => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_gos() {
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400, 120_000_000), "2000-02-29T00:00:00.12Z");
        assert_eq!(rfc3339(1_795_342_177, 828_807_153), "2026-11-22T10:09:37.828807153Z");
        assert_eq!(rfc3339(1_798_761_599, 1), "2026-12-31T23:59:59.000000001Z");
    }
}
