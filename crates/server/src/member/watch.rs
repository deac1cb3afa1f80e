//! The lanes' end of the watch thread: commands go in by mailbox, outputs come by credit.

use std::sync::Arc;

use ketch_api::ports::{Watch, WatchCommand, WatchLink, WatchOutput};
use ketch_base::Code;
use tokio::sync::mpsc;

use super::Member;
use crate::mailbox::Sender;
use crate::threads::{Courier, Credit, Outlet, WatchJob};

/// Batches of outputs that may wait for a stream: one in its hands, none behind.
const OUTPUT_BATCHES: usize = 1;

impl Watch for Member {
    type Link = Link;

    async fn watch(&self) -> Result<Link, Code> {
        let (outputs, receiver) = mpsc::channel(OUTPUT_BATCHES);
        let number = self.counters.next_stream();
        let jobs = self.watch_jobs.clone();
        let credit = Arc::new(Credit::default());
        let outlet = Outlet { outputs, credit: Arc::clone(&credit), courier: Courier::here() };
        post(&jobs, WatchJob::Open { number, outlet }).await;
        Ok(Link { number, jobs, outputs: receiver, credit, waiting: false })
    }
}

/// One client stream's end.
pub(crate) struct Link {
    number: u64,
    jobs: Sender<WatchJob>,
    outputs: mpsc::Receiver<Vec<WatchOutput>>,
    credit: Arc<Credit>,
    /// A credit was given and not yet used.
    waiting: bool,
}

impl WatchLink for Link {
    async fn command(&mut self, command: WatchCommand) -> Result<(), Code> {
        if self.outputs.is_closed() {
            return Err(Code::Stopped);
        }
        post(&self.jobs, WatchJob::Command { number: self.number, command }).await;
        Ok(())
    }

    async fn next(&mut self) -> Result<Vec<WatchOutput>, Code> {
        if !self.waiting {
            if self.credit.give() {
                // Must arrive, or the stream waits for ever; it is the only one of the stream.
                self.jobs.send_above_limit(WatchJob::Credit { number: self.number });
            }
            self.waiting = true;
        }
        let batch = self.outputs.recv().await.ok_or(Code::Stopped)?;
        self.waiting = false;
        Ok(batch)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Must arrive, or the hub keeps the stream's watches; one letter a stream bounds it.
        self.jobs.send_above_limit(WatchJob::Close { number: self.number });
    }
}

/// Waits for room without holding up the lane.
async fn post(jobs: &Sender<WatchJob>, job: WatchJob) {
    let mut job = job;
    while let Err(back) = jobs.try_send(job) {
        if jobs.is_closed() {
            return;
        }
        job = back;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}
