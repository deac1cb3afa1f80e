//! `-w protobuf`: the answer as the server encoded it, without delimiter.

use ketch_proto::etcdserverpb::{ResponseHeader, WatchResponse};
use prost::Message;

use super::{Answer, Printer, Rendered, simple};
use crate::failure::{BAD_FEATURE, Failure};

pub(super) fn render(printer: &Printer, answer: &Answer<'_>) -> Rendered {
    Ok(match answer {
        Answer::Put(answer) => answer.encode_to_vec(),
        Answer::Get(answer) => answer.encode_to_vec(),
        Answer::Del(answer) => answer.encode_to_vec(),
        Answer::Txn(answer) => answer.encode_to_vec(),
        Answer::Watch(answer) => watch(answer).encode_to_vec(),
        // etcdctl prints only the header of these.
        Answer::Grant(answer) => header(answer.header),
        Answer::KeepAlive(answer) => header(answer.header),
        Answer::TimeToLive(answer, _) => header(answer.header),
        Answer::Leases(answer) => header(answer.header),
        Answer::Members(answer) => answer.encode_to_vec(),
        Answer::MemberAdd(answer) => answer.encode_to_vec(),
        Answer::MemberRemove(_, answer) => answer.encode_to_vec(),
        Answer::MemberUpdate(_, answer) => answer.encode_to_vec(),
        Answer::MemberPromote(_, answer) => answer.encode_to_vec(),
        Answer::MoveLeader(_, _, answer) => answer.encode_to_vec(),
        Answer::Access(answer) => answer.protobuf(),
        Answer::Alarms(answer) => answer.encode_to_vec(),
        Answer::Revoke(_, answer) => {
            let shown = show_header(answer.header.unwrap_or_default());
            let message = format!(
                "marshal unsupported for type *clientv3.LeaseRevokeResponse \
                 (&{{{{{{}} [] [] 0x0}} {shown} [] 0}})"
            );
            return Err(Failure::new(BAD_FEATURE, message));
        }
        Answer::Health(_) | Answer::Status(_) | Answer::HashKv(_) => {
            return Err(printer.unsupported());
        }
    })
}

fn header(header: Option<ResponseHeader>) -> Vec<u8> {
    header.unwrap_or_default().encode_to_vec()
}

fn show_header(header: ResponseHeader) -> String {
    let ResponseHeader { cluster_id, member_id, revision, raft_term } = header;
    let fields: [(_, i128); 4] = [
        ("cluster_id", cluster_id.into()),
        ("member_id", member_id.into()),
        ("revision", revision.into()),
        ("raft_term", raft_term.into()),
    ];
    let fields = fields.map(|(name, value)| (name, (value != 0).then(|| value.to_string())));
    simple::text_form(fields.iter().map(|(name, value)| (*name, value.as_deref())))
}

/// What Go's client keeps of a watch answer.
fn watch(answer: &WatchResponse) -> WatchResponse {
    WatchResponse { watch_id: 0, cancel_reason: String::new(), fragment: false, ..answer.clone() }
}
