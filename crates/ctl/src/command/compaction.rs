//! `compaction`.

use ketch_proto::etcdserverpb::CompactionRequest;

use crate::failure::Failure;
use crate::printer::write;
use crate::session::Invocation;
use crate::text::number::parse_int;

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("compaction command needs 1 argument"));
    }
    let revision = parse_int(&invocation.word(0), 10).map_err(Failure::error)?;
    let session = invocation.session(&[])?;
    let physical = session.flags.bool("physical");
    session.client().await?.kv().compact(CompactionRequest { revision, physical }).await?;
    write(format!("compacted revision {revision}\n").as_bytes())
}
