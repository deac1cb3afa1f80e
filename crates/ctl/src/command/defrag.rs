//! `defrag`.

use std::time::Instant;

use crate::failure::{ERROR, Failure, say};
use crate::printer::write;
use crate::session::Invocation;
use crate::text::duration;

/// One member after the other, so that a cluster keeps a quorum that is not busy.
pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let mut failed = false;
    for endpoint in session.endpoints().await? {
        let client = session.client_of(vec![endpoint.clone()]).await?;
        let start = Instant::now();
        let result = client.maintenance().defragment().await;
        let took = duration::show(start.elapsed());
        match result {
            Ok(_) => {
                let done = "Finished defragmenting etcd member";
                write(format!("{done}[{endpoint}]. took {took}\n").as_bytes())?;
            }
            Err(error) => {
                let not = "Failed to defragment etcd member";
                say(&format!("{not}[{endpoint}]. took {took}. ({error})"));
                failed = true;
            }
        }
    }
    if failed { Err(Failure::silent(ERROR)) } else { Ok(()) }
}
