//! `-w fields`: one quoted name and value a line.

use std::fmt::Display;
use std::fmt::Write as _;

use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{
    AlarmType, DeleteRangeResponse, MemberListResponse, PutResponse, RangeResponse, ResponseHeader,
    StatusResponse, TxnResponse, WatchResponse,
};
use ketch_proto::mvccpb::event::EventType;
use ketch_proto::mvccpb::{Event, KeyValue};

use super::{Answer, Health, Printer, Rendered};
use crate::text::number::hex16;
use crate::text::quote::quote;

pub(super) fn render(printer: &Printer, answer: &Answer<'_>) -> Rendered {
    let mut page = Page { out: String::new(), hex: printer.hex };
    match answer {
        Answer::Put(answer) => page.put(answer),
        Answer::Get(answer) => page.get(answer),
        Answer::Del(answer) => page.del(answer),
        Answer::Txn(answer) => page.txn(answer),
        Answer::Watch(answer) => page.watch(answer),
        Answer::Grant(answer) => {
            page.header(answer.header);
            page.lease("ID", answer.id);
            page.field("TTL", answer.ttl);
        }
        Answer::Revoke(_, answer) => page.header(answer.header),
        Answer::KeepAlive(answer) => {
            page.header(answer.header);
            page.lease("ID", answer.id);
            page.field("TTL", answer.ttl);
        }
        Answer::TimeToLive(answer, _) => {
            page.header(answer.header);
            page.lease("ID", answer.id);
            page.field("TTL", answer.ttl);
            page.field("GrantedTTL", answer.granted_ttl);
            answer.keys.iter().for_each(|key| page.field("Key", quote(key)));
        }
        Answer::Leases(answer) => {
            page.header(answer.header);
            answer.leases.iter().for_each(|lease| page.lease("ID", lease.id));
        }
        Answer::Members(answer) => page.members(answer),
        Answer::MemberAdd(_)
        | Answer::MemberRemove(..)
        | Answer::MemberUpdate(..)
        | Answer::MemberPromote(..)
        | Answer::MoveLeader(..) => return Err(printer.unsupported()),
        Answer::Access(answer) => {
            if !answer.fields(&mut page) {
                return Err(printer.unsupported());
            }
        }
        Answer::Alarms(answer) => {
            page.header(answer.header);
            for member in &answer.alarms {
                page.id("MemberID", member.member_id);
                page.field("AlarmType", alarm_type(member.alarm));
                page.gap();
            }
        }
        Answer::Health(list) => list.iter().for_each(|health| page.health(health)),
        Answer::Status(list) => {
            for (endpoint, status) in *list {
                page.status(endpoint, status);
            }
        }
        Answer::HashKv(list) => {
            for (endpoint, answer) in *list {
                page.header(answer.header);
                page.text("Endpoint", endpoint);
                page.field("Hash", answer.hash);
                page.field("HashRevision", answer.hash_revision);
                page.gap();
            }
        }
    }
    Ok(page.out.into_bytes())
}

/// The name of an event's kind.
pub(super) fn event_type(event: &Event) -> &'static str {
    EventType::try_from(event.r#type).map_or("UNKNOWN", |kind| kind.as_str_name())
}

/// The name of an alarm.
pub(super) fn alarm_type(alarm: i32) -> &'static str {
    AlarmType::try_from(alarm).map_or("UNKNOWN", |kind| kind.as_str_name())
}

/// Lines under way.
pub(super) struct Page {
    out: String,
    hex: bool,
}

impl Page {
    pub(super) fn line(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    pub(super) fn field(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.out, "\"{name}\" : {value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.field(name, quote(value.as_bytes()));
    }

    fn gap(&mut self) {
        self.out.push('\n');
    }

    /// A member's or a cluster's id.
    fn id(&mut self, name: &str, id: u64) {
        if self.hex { self.field(name, format_args!("{id:x}")) } else { self.field(name, id) }
    }

    fn lease(&mut self, name: &str, id: i64) {
        if self.hex { self.field(name, hex16(id)) } else { self.field(name, id) }
    }

    pub(super) fn header(&mut self, header: Option<ResponseHeader>) {
        let header = header.unwrap_or_default();
        self.id("ClusterID", header.cluster_id);
        self.id("MemberID", header.member_id);
        // Membership and cancelled watches have no revision, and then none is shown.
        if header.revision > 0 {
            self.field("Revision", header.revision);
        }
        self.field("RaftTerm", header.raft_term);
    }

    fn key_value(&mut self, prefix: &str, kv: &KeyValue) {
        self.field(&format!("{prefix}Key"), quote(&kv.key));
        self.field(&format!("{prefix}CreateRevision"), kv.create_revision);
        self.field(&format!("{prefix}ModRevision"), kv.mod_revision);
        self.field(&format!("{prefix}Version"), kv.version);
        self.field(&format!("{prefix}Value"), quote(&kv.value));
        self.lease(&format!("{prefix}Lease"), kv.lease);
    }

    fn put(&mut self, answer: &PutResponse) {
        self.header(answer.header);
        if let Some(previous) = &answer.prev_kv {
            self.key_value("Prev", previous);
        }
    }

    fn get(&mut self, answer: &RangeResponse) {
        self.header(answer.header);
        answer.kvs.iter().for_each(|kv| self.key_value("", kv));
        self.field("More", answer.more);
        self.field("Count", answer.count);
    }

    fn del(&mut self, answer: &DeleteRangeResponse) {
        self.header(answer.header);
        self.field("Deleted", answer.deleted);
        answer.prev_kvs.iter().for_each(|kv| self.key_value("Prev", kv));
    }

    fn txn(&mut self, answer: &TxnResponse) {
        self.header(answer.header);
        self.field("Succeeded", answer.succeeded);
        for response in &answer.responses {
            match &response.response {
                Some(Response::ResponsePut(answer)) => self.put(answer),
                Some(Response::ResponseRange(answer)) => self.get(answer),
                Some(Response::ResponseDeleteRange(answer)) => self.del(answer),
                Some(Response::ResponseTxn(answer)) => self.txn(answer),
                None => self.out.push_str("\"Unknown\" : \n"),
            }
        }
    }

    fn watch(&mut self, answer: &WatchResponse) {
        self.header(answer.header);
        for event in &answer.events {
            self.field("Type", event_type(event));
            if let Some(previous) = &event.prev_kv {
                self.key_value("Prev", previous);
            }
            self.key_value("", event.kv.as_ref().unwrap_or(&KeyValue::default()));
        }
    }

    fn members(&mut self, answer: &MemberListResponse) {
        self.header(answer.header);
        for member in &answer.members {
            self.id("ID", member.id);
            self.text("Name", &member.name);
            member.peer_ur_ls.iter().for_each(|url| self.text("PeerURL", url));
            member.client_ur_ls.iter().for_each(|url| self.text("ClientURL", url));
            self.field("IsLearner", member.is_learner);
            self.gap();
        }
    }

    fn health(&mut self, health: &Health) {
        self.text("Endpoint", &health.endpoint);
        self.field("Health", health.healthy);
        self.field("Took", &health.took);
        self.field("Error", &health.error);
        self.gap();
    }

    fn status(&mut self, endpoint: &str, status: &StatusResponse) {
        let downgrade = status.downgrade_info.clone().unwrap_or_default();
        self.header(status.header);
        self.text("Version", &status.version);
        self.text("StorageVersion", &status.storage_version);
        self.field("DBSize", status.db_size);
        self.field("DBSizeInUse", status.db_size_in_use);
        self.field("DBSizeQuota", status.db_size_quota);
        self.field("Leader", status.leader);
        self.field("IsLearner", status.is_learner);
        self.field("RaftIndex", status.raft_index);
        self.field("RaftTerm", status.raft_term);
        self.field("RaftAppliedIndex", status.raft_applied_index);
        self.field("Errors", format_args!("[{}]", status.errors.join(" ")));
        self.text("Endpoint", endpoint);
        self.text("DowngradeTargetVersion", &downgrade.target_version);
        self.field("DowngradeEnabled", downgrade.enabled);
        self.gap();
    }
}
