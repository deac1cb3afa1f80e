//! `auth enable | disable | status`.

use ketch_base::Code as KnownCode;
use ketch_client::{Auth, Error};

use crate::failure::Failure;
use crate::printer::{Access, Answer, write};
use crate::session::Invocation;

/// The user and the role that may do everything.
const ROOT: &str = "root";

/// Says it in one way, whatever the format.
pub(super) async fn enable(invocation: &Invocation) -> Result<(), Failure> {
    no_arguments(invocation, "enable")?;
    let session = invocation.session(&[])?;
    switch_on(&session.client().await?.auth()).await?;
    write(b"Authentication Enabled\n")
}

/// Gives the user root its role on the way, where that is all that is missing.
async fn switch_on(auth: &Auth) -> Result<(), Error> {
    loop {
        match auth.enable().await {
            Ok(_) => return Ok(()),
            Err(error) if error.is(KnownCode::RootRoleNotExist) => {
                auth.role_add(ROOT).await?;
                auth.user_grant_role(ROOT, ROOT).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Says it in one way, whatever the format.
pub(super) async fn disable(invocation: &Invocation) -> Result<(), Failure> {
    no_arguments(invocation, "disable")?;
    let session = invocation.session(&[])?;
    session.client().await?.auth().disable().await?;
    write(b"Authentication Disabled\n")
}

pub(super) async fn status(invocation: &Invocation) -> Result<(), Failure> {
    no_arguments(invocation, "status")?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.auth().status().await?;
    session.printer.print(&Answer::Access(Access::Status(&answer)))
}

fn no_arguments(invocation: &Invocation, command: &str) -> Result<(), Failure> {
    if invocation.arguments().is_empty() {
        return Ok(());
    }
    Err(Failure::bad_args(format!("auth {command} command does not accept any arguments")))
}
