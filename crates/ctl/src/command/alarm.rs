//! `alarm list | disarm`.

use ketch_proto::etcdserverpb::AlarmResponse;

use crate::failure::Failure;
use crate::printer::Answer;
use crate::session::Invocation;

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    no_arguments(invocation, "list")?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.maintenance().alarms().await?;
    session.printer.print(&Answer::Alarms(&answer))
}

/// Switches off one by one what is on, and shows what was.
pub(super) async fn disarm(invocation: &Invocation) -> Result<(), Failure> {
    no_arguments(invocation, "disarm")?;
    let session = invocation.session(&[])?;
    let maintenance = session.client().await?.maintenance();
    let mut disarmed = AlarmResponse::default();
    for alarm in maintenance.alarms().await?.alarms {
        disarmed.alarms.extend(maintenance.disarm(alarm).await?.alarms);
    }
    session.printer.print(&Answer::Alarms(&disarmed))
}

fn no_arguments(invocation: &Invocation, command: &str) -> Result<(), Failure> {
    if invocation.arguments().is_empty() {
        return Ok(());
    }
    Err(Failure::bad_args(format!("alarm {command} command accepts no arguments")))
}
