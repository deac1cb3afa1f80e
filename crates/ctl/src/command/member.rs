//! `member list`.

use crate::failure::{BAD_FEATURE, Failure};
use crate::printer::Answer;
use crate::session::Invocation;

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let linearizable = match invocation.flags.text("consistency") {
        "l" => true,
        "s" => false,
        // etcdctl names the default here, not what was given.
        _ => return Err(Failure::new(BAD_FEATURE, "unknown consistency flag \"l\"")),
    };
    let session = invocation.session(&[])?;
    let answer = session.client()?.cluster().members(linearizable).await?;
    session.printer.print(&Answer::Members(&answer))
}
