//! `get`.

use ketch_client::Kv;
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse, ResponseHeader};

use super::ranges;
use crate::failure::{BAD_FEATURE, Failure};
use crate::flags::Flags;
use crate::printer::{Answer, Format, Printer};
use crate::session::Invocation;
use crate::text::quote::quote;

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let request = request(&invocation.flags)?;
    let session = invocation.session(&[])?;
    let client = session.client().await?;
    let mut printer = session.printer;
    if request.count_only && printer.format != Format::Fields {
        let message = "--count-only is only for `--write-out=fields`";
        return Err(Failure::bad_args(message));
    }
    if session.flags.bool("print-value-only") {
        if printer.format != Format::Simple {
            let message = "print-value-only is only for `--write-out=simple`";
            return Err(Failure::bad_args(message));
        }
        printer = Printer { value_only: true, ..printer };
    }
    let kv = client.kv();
    let answer = if session.flags.bool("stream") {
        tokio::time::timeout(session.command_timeout(), streamed(&kv, request))
            .await
            .map_err(|_| Failure::error("context deadline exceeded"))??
    } else {
        kv.range(request).await?
    };
    printer.print(&Answer::Get(&answer))
}

/// All pieces as one answer.
async fn streamed(kv: &Kv, request: RangeRequest) -> Result<RangeResponse, Failure> {
    let mut pieces = kv.range_stream(request).await?;
    let mut whole = RangeResponse::default();
    while let Some(piece) = pieces.next().await? {
        whole.header = merged(whole.header, piece.header);
        whole.kvs.extend(piece.kvs);
        whole.more |= piece.more;
        whole.count = if piece.count == 0 { whole.count } else { piece.count };
    }
    Ok(whole)
}

/// Field by field the later one, where it is set.
fn merged(
    earlier: Option<ResponseHeader>,
    later: Option<ResponseHeader>,
) -> Option<ResponseHeader> {
    let (Some(mut header), Some(later)) = (earlier, later) else { return later.or(earlier) };
    let ResponseHeader { cluster_id, member_id, revision, raft_term } = later;
    header.cluster_id = if cluster_id == 0 { header.cluster_id } else { cluster_id };
    header.member_id = if member_id == 0 { header.member_id } else { member_id };
    header.revision = if revision == 0 { header.revision } else { revision };
    header.raft_term = if raft_term == 0 { header.raft_term } else { raft_term };
    Some(header)
}

/// The request of a line; also used inside transactions.
pub(super) fn request(flags: &Flags) -> Result<RangeRequest, Failure> {
    let (key, range_end) = ranges::read(flags, "get")?;
    if flags.bool("keys-only") && flags.bool("count-only") {
        let message = "`--keys-only` and `--count-only` cannot be set at the same time, choose one";
        return Err(Failure::bad_args(message));
    }
    let serializable = consistency(flags.text("consistency"))?;
    let order = order(flags.text("order"))?;
    let target = target(flags.text("sort-by"))?;
    // Keys come in ascending order anyway, and asking for it would refuse streaming.
    let natural = target == SortTarget::Key && order == SortOrder::Ascend;
    Ok(RangeRequest {
        key,
        range_end,
        limit: flags.int("limit"),
        revision: flags.int("rev").max(0),
        sort_order: if natural { SortOrder::None } else { order }.into(),
        sort_target: target.into(),
        serializable,
        keys_only: flags.bool("keys-only"),
        count_only: flags.bool("count-only"),
        min_mod_revision: flags.int("min-mod-rev"),
        max_mod_revision: flags.int("max-mod-rev"),
        min_create_revision: flags.int("min-create-rev"),
        max_create_revision: flags.int("max-create-rev"),
    })
}

/// Whether a stale answer will do.
fn consistency(text: &str) -> Result<bool, Failure> {
    match text {
        "s" => Ok(true),
        "l" => Ok(false),
        other => {
            let other = quote(other.as_bytes());
            Err(Failure::new(BAD_FEATURE, format!("unknown consistency flag {other}")))
        }
    }
}

fn order(text: &str) -> Result<SortOrder, Failure> {
    match text.to_uppercase().as_str() {
        "ASCEND" => Ok(SortOrder::Ascend),
        "DESCEND" => Ok(SortOrder::Descend),
        "" => Ok(SortOrder::None),
        _ => Err(Failure::new(BAD_FEATURE, format!("bad sort order {text}"))),
    }
}

fn target(text: &str) -> Result<SortTarget, Failure> {
    match text.to_uppercase().as_str() {
        "CREATE" => Ok(SortTarget::Create),
        "KEY" | "" => Ok(SortTarget::Key),
        "MODIFY" => Ok(SortTarget::Mod),
        "VALUE" => Ok(SortTarget::Value),
        "VERSION" => Ok(SortTarget::Version),
        _ => Err(Failure::new(BAD_FEATURE, format!("bad sort target {text}"))),
    }
}
