//! `-w simple`: lines for people and shell scripts.

use std::io::Write as _;

use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{
    AlarmMember, DeleteRangeResponse, LeaseTimeToLiveResponse, PutResponse, RangeResponse,
    ResponseHeader, StatusResponse, TxnResponse, WatchResponse,
};
use ketch_proto::mvccpb::KeyValue;

use super::{Answer, Printer, Rendered, fields, table};
use crate::text::number::hex16;
use crate::text::size;

pub(super) fn render(printer: &Printer, answer: &Answer<'_>) -> Rendered {
    let mut out = Vec::new();
    match answer {
        Answer::Put(answer) => put(printer, answer, &mut out),
        Answer::Get(answer) => get(printer, answer, &mut out),
        Answer::Del(answer) => del(printer, answer, &mut out),
        Answer::Txn(answer) => txn(printer, answer, &mut out),
        Answer::Watch(answer) => watch(printer, answer, &mut out),
        Answer::Grant(answer) => {
            let (id, ttl) = (hex16(answer.id), answer.ttl);
            line(&mut out, &format!("lease {id} granted with TTL({ttl}s)"));
        }
        Answer::Revoke(id, _) => line(&mut out, &format!("lease {} revoked", hex16(*id))),
        Answer::KeepAlive(answer) => {
            let (id, ttl) = (hex16(answer.id), answer.ttl);
            line(&mut out, &format!("lease {id} keepalived with TTL({ttl})"));
        }
        Answer::TimeToLive(answer, keys) => time_to_live(answer, *keys, &mut out),
        Answer::Leases(answer) => {
            line(&mut out, &format!("found {} leases", answer.leases.len()));
            answer.leases.iter().for_each(|lease| line(&mut out, &hex16(lease.id)));
        }
        Answer::Members(answer) => {
            for row in table::members(answer).rows {
                line(&mut out, &row.join(", "));
            }
        }
        Answer::MemberAdd(answer) => {
            let member = answer.member.clone().unwrap_or_default();
            let what = if member.is_learner { "added as learner to" } else { "added to" };
            member_line(member.id, what, answer.header, &mut out);
        }
        Answer::MemberRemove(id, answer) => {
            member_line(*id, "removed from", answer.header, &mut out);
        }
        Answer::MemberUpdate(id, answer) => {
            member_line(*id, "updated in", answer.header, &mut out);
        }
        Answer::MemberPromote(id, answer) => {
            member_line(*id, "promoted in", answer.header, &mut out);
        }
        Answer::MoveLeader(from, to, _) => {
            line(&mut out, &format!("Leadership transferred from {from:x} to {to:x}"));
        }
        Answer::Access(answer) => out = answer.simple(),
        Answer::Alarms(answer) => {
            answer.alarms.iter().for_each(|member| line(&mut out, &alarm(member)));
        }
        Answer::Health(list) => healthy(list, &mut out),
        Answer::Status(list) => {
            for (endpoint, status) in *list {
                line(&mut out, &status_row(endpoint, status).join(", "));
            }
        }
        Answer::HashKv(list) => {
            for row in table::hashes(list).rows {
                line(&mut out, &row.join(", "));
            }
        }
    }
    Ok(out)
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn member_line(id: u64, what: &str, header: Option<ResponseHeader>, out: &mut Vec<u8>) {
    let cluster = header.map_or(0, |header| header.cluster_id);
    line(out, &format!("Member {id:16x} {what} cluster {cluster:16x}"));
}

fn key_value(printer: &Printer, kv: &KeyValue, out: &mut Vec<u8>) {
    if !printer.value_only {
        bytes(printer, &kv.key, out);
    }
    bytes(printer, &kv.value, out);
}

fn bytes(printer: &Printer, bytes: &[u8], out: &mut Vec<u8>) {
    if printer.hex {
        let digits: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        return line(out, &digits);
    }
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

fn put(printer: &Printer, answer: &PutResponse, out: &mut Vec<u8>) {
    line(out, "OK");
    if let Some(previous) = &answer.prev_kv {
        key_value(printer, previous, out);
    }
}

fn get(printer: &Printer, answer: &RangeResponse, out: &mut Vec<u8>) {
    answer.kvs.iter().for_each(|kv| key_value(printer, kv, out));
}

fn del(printer: &Printer, answer: &DeleteRangeResponse, out: &mut Vec<u8>) {
    line(out, &answer.deleted.to_string());
    answer.prev_kvs.iter().for_each(|kv| key_value(printer, kv, out));
}

fn txn(printer: &Printer, answer: &TxnResponse, out: &mut Vec<u8>) {
    line(out, if answer.succeeded { "SUCCESS" } else { "FAILURE" });
    for response in &answer.responses {
        line(out, "");
        match &response.response {
            Some(Response::ResponsePut(answer)) => put(printer, answer, out),
            Some(Response::ResponseRange(answer)) => get(printer, answer, out),
            Some(Response::ResponseDeleteRange(answer)) => del(printer, answer, out),
            Some(Response::ResponseTxn(answer)) => txn(printer, answer, out),
            None => line(out, "\"Unknown\""),
        }
    }
}

fn watch(printer: &Printer, answer: &WatchResponse, out: &mut Vec<u8>) {
    for event in &answer.events {
        line(out, fields::event_type(event));
        if let Some(previous) = &event.prev_kv {
            key_value(printer, previous, out);
        }
        key_value(printer, event.kv.as_ref().unwrap_or(&KeyValue::default()), out);
    }
}

fn time_to_live(answer: &LeaseTimeToLiveResponse, keys: bool, out: &mut Vec<u8>) {
    let id = hex16(answer.id);
    if answer.granted_ttl == 0 && answer.ttl == -1 {
        return line(out, &format!("lease {id} already expired"));
    }
    let (granted, left) = (answer.granted_ttl, answer.ttl);
    let _ = write!(out, "lease {id} granted with TTL({granted}s), remaining({left}s)");
    if keys {
        out.extend_from_slice(b", attached keys([");
        out.extend_from_slice(&answer.keys.join(&b' '));
        out.extend_from_slice(b"])");
    }
    out.push(b'\n');
}

/// Only the healthy; of the others the command speaks on standard error.
fn healthy(list: &[super::Health], out: &mut Vec<u8>) {
    for super::Health { endpoint, took, .. } in list.iter().filter(|health| health.healthy) {
        let what = "is healthy: successfully committed proposal";
        line(out, &format!("{endpoint} {what}: took = {took}"));
    }
}

fn alarm(member: &AlarmMember) -> String {
    let kind = Some(member.alarm).filter(|alarm| *alarm != 0).map(fields::alarm_type);
    let member = Some(member.member_id).filter(|id| *id != 0).map(|id| id.to_string());
    text_form([("memberID", member.as_deref()), ("alarm", kind)])
}

/// protobuf's text form of fields that are set. Go puts one or two blanks between them, fixed per
/// build; etcd's released builds of 3.7 put two.
pub(super) fn text_form<'a>(
    fields: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
) -> String {
    let shown = fields.into_iter().filter_map(|(name, value)| Some(format!("{name}:{}", value?)));
    shown.collect::<Vec<_>>().join("  ")
}

/// The cells of a member's status, for lines and tables.
pub(super) fn status_row(endpoint: &str, status: &StatusResponse) -> Vec<String> {
    let bytes = |size: i64| size::show(size.cast_unsigned());
    let member = status.header.map_or(0, |header| header.member_id);
    let downgrade = status.downgrade_info.clone().unwrap_or_default();
    vec![
        endpoint.to_owned(),
        format!("{member:x}"),
        status.version.clone(),
        status.storage_version.clone(),
        bytes(status.db_size),
        bytes(status.db_size_in_use),
        format!("{}%", unused_percent(status.db_size, status.db_size_in_use)),
        bytes(status.db_size_quota),
        (status.leader == member).to_string(),
        status.is_learner.to_string(),
        status.raft_term.to_string(),
        status.raft_index.to_string(),
        status.raft_applied_index.to_string(),
        status.errors.join(", "),
        downgrade.target_version,
        downgrade.enabled.to_string(),
    ]
}

/// In whole numbers, so that the used part is rounded down and this one up.
fn unused_percent(size: i64, in_use: i64) -> i64 {
    if size <= 0 {
        return 0;
    }
    100_i64.saturating_sub(in_use.saturating_mul(100) / size)
}
