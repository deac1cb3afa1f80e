//! `del`.

use std::time::Duration;

use ketch_proto::etcdserverpb::DeleteRangeRequest;

use super::ranges;
use crate::failure::{Failure, say};
use crate::flags::Flags;
use crate::printer::Answer;
use crate::session::Invocation;
use crate::text::quote::quote;

/// Time to change one's mind.
const SECOND_THOUGHTS: Duration = Duration::from_secs(2);

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let request = request(&invocation.flags)?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.kv().delete(request).await?;
    session.printer.print(&Answer::Del(&answer))
}

/// The request of a line; also used inside transactions. Waits before a range without `--range`.
pub(super) fn request(flags: &Flags) -> Result<DeleteRangeRequest, Failure> {
    let arguments = flags.arguments();
    if arguments.len() > 2 {
        let message = "command needs one argument as key and an optional argument as range_end";
        return Err(Failure::bad_args(format!("del {message}")));
    }
    let (key, range_end) = ranges::read(flags, "del")?;
    if let ([from, to], false) = (arguments, flags.bool("range")) {
        let (from, to) = (quote(from), quote(to));
        say(&format!(
            "Warning: Keys between {from} and {to} will be deleted. Please interrupt the command \
             within next 2 seconds to cancel. You can provide `--range` flag to avoid the delay."
        ));
        std::thread::sleep(SECOND_THOUGHTS);
    }
    Ok(DeleteRangeRequest { key, range_end, prev_kv: flags.bool("prev-kv") })
}
