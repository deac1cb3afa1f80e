//! `-w json`: one line of Go's JSON, plain numbers, defaults left out.

use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{
    DeleteRangeResponse, HashKvResponse, Member, PutResponse, RangeResponse, ResponseHeader,
    StatusResponse, TxnResponse, WatchResponse,
};
use ketch_proto::mvccpb::{Event, KeyValue};

use super::{Answer, Health, Printer, Rendered};
use crate::text::json::{Object, array, base64, string};

pub(super) fn render(printer: &Printer, answer: &Answer<'_>) -> Rendered {
    let mut text = match answer {
        Answer::Put(answer) => put(answer).finish(),
        Answer::Get(answer) => get(answer).finish(),
        Answer::Del(answer) => del(answer).finish(),
        Answer::Txn(answer) => txn(answer).finish(),
        Answer::Watch(answer) => watch(answer).finish(),
        Answer::Grant(answer) => header_fields(answer.header)
            .raw("ID", answer.id.to_string())
            .raw("TTL", answer.ttl.to_string())
            .raw("Error", string(&answer.error))
            .finish(),
        Answer::Revoke(_, answer) => head(answer.header).finish(),
        Answer::KeepAlive(answer) => header_fields(answer.header)
            .raw("ID", answer.id.to_string())
            .raw("TTL", answer.ttl.to_string())
            .finish(),
        Answer::TimeToLive(answer, _) => {
            let keys = match answer.keys.as_slice() {
                [] => "null".to_owned(),
                keys => array(keys.iter().map(|key| base64(key))),
            };
            header_fields(answer.header)
                .raw("id", answer.id.to_string())
                .raw("ttl", answer.ttl.to_string())
                .raw("granted-ttl", answer.granted_ttl.to_string())
                .raw("keys", keys)
                .finish()
        }
        Answer::Leases(answer) => {
            let lease = |id: i64| Object::new().raw("id", id.to_string()).finish();
            let leases = array(answer.leases.iter().map(|status| lease(status.id)));
            header_fields(answer.header).raw("leases", leases).finish()
        }
        Answer::Members(answer) => {
            members(printer, member_head(printer, answer.header), &answer.members).finish()
        }
        Answer::MemberAdd(answer) => {
            let head = member_head(printer, answer.header);
            let new = answer.member.as_ref().map(|new| member(printer, new));
            members(printer, head.object("member", new), &answer.members).finish()
        }
        Answer::MemberRemove(_, answer) => {
            members(printer, member_head(printer, answer.header), &answer.members).finish()
        }
        Answer::MemberUpdate(_, answer) => {
            members(printer, member_head(printer, answer.header), &answer.members).finish()
        }
        Answer::MemberPromote(_, answer) => {
            members(printer, member_head(printer, answer.header), &answer.members).finish()
        }
        Answer::MoveLeader(_, _, answer) => head(answer.header).finish(),
        Answer::Access(answer) => answer.json().finish(),
        Answer::Alarms(answer) => {
            let alarms = answer.alarms.iter().map(|member| {
                Object::new().number("memberID", member.member_id).number("alarm", member.alarm)
            });
            head(answer.header).list("alarms", alarms.map(Object::finish)).finish()
        }
        Answer::Health(list) => array(list.iter().map(health)),
        Answer::Status(list) => per_endpoint("Status", list, status),
        Answer::HashKv(list) => per_endpoint("HashKV", list, hash_kv),
    };
    text.push('\n');
    Ok(text.into_bytes())
}

pub(super) fn head(header: Option<ResponseHeader>) -> Object {
    Object::new().object("header", header.map(|header| header_fields(Some(header))))
}

fn header_fields(header: Option<ResponseHeader>) -> Object {
    let header = header.unwrap_or_default();
    Object::new()
        .number("cluster_id", header.cluster_id)
        .number("member_id", header.member_id)
        .number("revision", header.revision)
        .number("raft_term", header.raft_term)
}

fn key_value(kv: &KeyValue) -> Object {
    Object::new()
        .bytes("key", &kv.key)
        .number("create_revision", kv.create_revision)
        .number("mod_revision", kv.mod_revision)
        .number("version", kv.version)
        .bytes("value", &kv.value)
        .number("lease", kv.lease)
}

fn put(answer: &PutResponse) -> Object {
    head(answer.header).object("prev_kv", answer.prev_kv.as_ref().map(key_value))
}

fn get(answer: &RangeResponse) -> Object {
    head(answer.header)
        .list("kvs", answer.kvs.iter().map(|kv| key_value(kv).finish()))
        .flag("more", answer.more)
        .number("count", answer.count)
}

fn del(answer: &DeleteRangeResponse) -> Object {
    head(answer.header)
        .number("deleted", answer.deleted)
        .list("prev_kvs", answer.prev_kvs.iter().map(|kv| key_value(kv).finish()))
}

fn txn(answer: &TxnResponse) -> Object {
    let responses = answer.responses.iter().map(|response| {
        let inner = match &response.response {
            Some(Response::ResponseRange(answer)) => Some(("response_range", get(answer))),
            Some(Response::ResponsePut(answer)) => Some(("response_put", put(answer))),
            Some(Response::ResponseDeleteRange(answer)) => {
                Some(("response_delete_range", del(answer)))
            }
            Some(Response::ResponseTxn(answer)) => Some(("response_txn", txn(answer))),
            None => None,
        };
        let inner = inner.map(|(name, object)| Object::new().raw(name, object.finish()).finish());
        let inner = inner.unwrap_or_else(|| "null".to_owned());
        Object::new().raw("Response", inner).finish()
    });
    head(answer.header).flag("succeeded", answer.succeeded).list("responses", responses)
}

/// Go prints its client's own type here: capital names, nothing left out, and a reason that is
/// never filled.
fn watch(answer: &WatchResponse) -> Object {
    let events = match answer.events.as_slice() {
        [] => "null".to_owned(),
        events => array(events.iter().map(|event| self::event(event).finish())),
    };
    Object::new()
        .raw("Header", header_fields(answer.header).finish())
        .raw("Events", events)
        .raw("CompactRevision", answer.compact_revision.to_string())
        .raw("Canceled", answer.canceled.to_string())
        .raw("Created", answer.created.to_string())
        .raw("CancelReason", string(""))
}

fn event(event: &Event) -> Object {
    Object::new()
        .number("type", event.r#type)
        .object("kv", event.kv.as_ref().map(key_value))
        .object("prev_kv", event.prev_kv.as_ref().map(key_value))
}

fn member_id(printer: &Printer, object: Object, name: &str, id: u64) -> Object {
    if printer.hex { object.text(name, &format!("{id:x}")) } else { object.number(name, id) }
}

fn member_head(printer: &Printer, header: Option<ResponseHeader>) -> Object {
    let header = header.map(|header| {
        let object = member_id(printer, Object::new(), "cluster_id", header.cluster_id);
        member_id(printer, object, "member_id", header.member_id)
            .number("revision", header.revision)
            .number("raft_term", header.raft_term)
    });
    Object::new().object("header", header)
}

fn member(printer: &Printer, member: &Member) -> Object {
    member_id(printer, Object::new(), "ID", member.id)
        .text("name", &member.name)
        .list("peerURLs", member.peer_ur_ls.iter().map(|url| string(url)))
        .list("clientURLs", member.client_ur_ls.iter().map(|url| string(url)))
        .flag("isLearner", member.is_learner)
}

fn members(printer: &Printer, object: Object, list: &[Member]) -> Object {
    let list = list.iter().map(|one| member(printer, one).finish());
    // The form with hexadecimal ids is etcdctl's own and keeps an empty list.
    if printer.hex { object.raw("members", array(list)) } else { object.list("members", list) }
}

fn health(health: &Health) -> String {
    Object::new()
        .raw("endpoint", string(&health.endpoint))
        .raw("health", health.healthy.to_string())
        .raw("took", string(&health.took))
        .text("error", &health.error)
        .finish()
}

fn per_endpoint<T>(name: &str, list: &[(String, T)], object: impl Fn(&T) -> Object) -> String {
    if list.is_empty() {
        return "null".to_owned();
    }
    array(list.iter().map(|(endpoint, answer)| {
        let head = Object::new().raw("Endpoint", string(endpoint));
        head.raw(name, object(answer).finish()).finish()
    }))
}

fn status(status: &StatusResponse) -> Object {
    let downgrade = status.downgrade_info.as_ref().map(|info| {
        Object::new().flag("enabled", info.enabled).text("targetVersion", &info.target_version)
    });
    head(status.header)
        .text("version", &status.version)
        .number("dbSize", status.db_size)
        .number("leader", status.leader)
        .number("raftIndex", status.raft_index)
        .number("raftTerm", status.raft_term)
        .number("raftAppliedIndex", status.raft_applied_index)
        .list("errors", status.errors.iter().map(|error| string(error)))
        .number("dbSizeInUse", status.db_size_in_use)
        .flag("isLearner", status.is_learner)
        .text("storageVersion", &status.storage_version)
        .number("dbSizeQuota", status.db_size_quota)
        .object("downgradeInfo", downgrade)
}

fn hash_kv(answer: &HashKvResponse) -> Object {
    head(answer.header)
        .number("hash", answer.hash)
        .number("compact_revision", answer.compact_revision)
        .number("hash_revision", answer.hash_revision)
}
