//! `/health`: alarms, then leader, then one key read; the first that fails is the reason.

use http::request::Parts;
use http::{Response, StatusCode};
use ketch_proto::etcdserverpb::{AlarmType, RangeRequest};

use super::{TEXT, page, problem, query};
use crate::body::Body;
use crate::ports::{Pass, Ports};

pub(super) async fn answer<P: Ports>(ports: &P, request: &Parts) -> Response<Body> {
    let excluded: Vec<String> = query::values(&request.uri, "exclude").collect();
    let serializable = query::values(&request.uri, "serializable").any(|value| value == "true");
    let reason = reason(ports, &excluded, serializable).await;
    ports.checked("health", "", reason.is_none());
    match reason {
        None => page(StatusCode::OK, TEXT, "{\"health\":\"true\",\"reason\":\"\"}"),
        Some(reason) => {
            let reason = serde_json::Value::from(reason);
            let text = format!("{{\"health\":\"false\",\"reason\":{reason}}}\n");
            problem(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

async fn reason<P: Ports>(ports: &P, excluded: &[String], serializable: bool) -> Option<String> {
    let alarms = ports.alarms();
    let mut names = alarms.iter().map(|alarm| alarm_name(alarm.alarm));
    if let Some(name) = names.find(|name| !excluded.iter().any(|one| one == name)) {
        return Some(format!("ALARM {name}"));
    }
    if !serializable && !ports.has_leader() {
        return Some("RAFT NO LEADER".to_owned());
    }
    let error = read_one(ports, serializable).await.err()?;
    Some(format!("RANGE ERROR:{error}"))
}

fn alarm_name(number: i32) -> &'static str {
    match AlarmType::try_from(number) {
        Ok(AlarmType::Nospace) => "NOSPACE",
        Ok(AlarmType::Corrupt) => "CORRUPT",
        _ => "UNKNOWN",
    }
}

/// Reads as a client would: at most one key, without its value.
pub(super) async fn read_one<P: Ports>(
    ports: &P,
    serializable: bool,
) -> Result<(), ketch_base::Code> {
    let key = bytes::Bytes::from_static(b"a");
    let request =
        RangeRequest { key, keys_only: true, limit: 1, serializable, ..Default::default() };
    ports.range(Pass::MEMBER, request).await.map(drop)
}
