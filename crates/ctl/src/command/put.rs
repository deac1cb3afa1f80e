//! `put`.

use ketch_proto::etcdserverpb::PutRequest;

use super::input;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::printer::Answer;
use crate::session::Invocation;
use crate::text::number::parse_int;

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let request = request(&invocation.flags)?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.kv().put(request).await?;
    session.printer.print(&Answer::Put(&answer))
}

/// The request of a line; also used inside transactions. May read the value from standard input.
pub(super) fn request(flags: &Flags) -> Result<PutRequest, Failure> {
    let arguments = flags.arguments();
    let ignore_value = flags.bool("ignore-value");
    let needs =
        || Failure::bad_args("put command needs 1 argument and input from stdin or 2 arguments");
    let key = arguments.first().ok_or_else(needs)?;
    if ignore_value && arguments.len() > 1 {
        let message = "put command needs only 1 argument when 'ignore-value' is set";
        return Err(Failure::bad_args(message));
    }
    let value = match arguments.get(1) {
        _ if ignore_value => Vec::new(),
        Some(value) => value.clone(),
        None => Some(input::whole()?).filter(|value| !value.is_empty()).ok_or_else(needs)?,
    };
    let lease = parse_int(flags.text("lease"), 16)
        .map_err(|why| Failure::bad_args(format!("bad lease ID ({why}), expecting ID in Hex")))?;
    Ok(PutRequest {
        key: key.clone().into(),
        value: value.into(),
        lease,
        prev_kv: flags.bool("prev-kv"),
        ignore_value,
        ignore_lease: flags.bool("ignore-lease"),
    })
}
