//! Two servers given the same steps; the first answer that differs ends the run.

use std::collections::VecDeque;

use anyhow::{Result, bail};

use crate::op::Op;
use crate::process::{Member, Options, Program};
use crate::subject::Subject;

const HISTORY: usize = 40;
/// Begins the answer of a server that broke a promise; such a run never passes, even if both do.
const BROKEN: &str = "BROKEN";

/// The oracle and the server under test, both fresh.
#[derive(Debug)]
pub struct Pair {
    /// The real etcd.
    pub oracle: Subject,
    /// What is compared with it.
    pub tested: Subject,
    history: VecDeque<String>,
    // Alive as long as the subjects talk to them.
    members: [Member; 2],
}

impl Pair {
    /// Starts the real etcd and `program`, with the same flags, and `streams` watch streams each.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(program: Program, flags: &[&str], streams: usize) -> Result<Self> {
        // The oracle's own durability is not what is tested here.
        let quick = [flags, &["--unsafe-no-fsync"]].concat();
        let members = [
            Member::start(Program::Etcd, Options::with_flags(&quick))?,
            Member::start(program, Options::with_flags(flags))?,
        ];
        let oracle = Subject::open(&members[0].endpoint(), streams).await?;
        let tested = Subject::open(&members[1].endpoint(), streams).await?;
        Ok(Self { oracle, tested, history: VecDeque::new(), members })
    }

    /// Stops both in good order and starts them again on what they have kept.
    ///
    /// # Errors
    /// When one does not stop or start.
    pub async fn restart(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.terminate()?;
            member.restart()?;
        }
        self.oracle.reconnect().await?;
        self.tested.reconnect().await?;
        self.history.push_back("(both are started again)".to_owned());
        Ok(())
    }

    /// Takes one step on both.
    ///
    /// # Errors
    /// When the answers differ; the message has both and the steps before.
    pub async fn step(&mut self, op: &Op) -> Result<String> {
        self.step_apart(op, op).await
    }

    /// Takes one step on the oracle and perhaps another on the tested server.
    ///
    /// # Errors
    /// As `step`.
    pub async fn step_apart(&mut self, left: &Op, right: &Op) -> Result<String> {
        match self.compare(left, right).await {
            Ok(answer) => {
                self.history.push_back(format!("{}  =>  {answer}", left.show()));
                if self.history.len() > HISTORY {
                    self.history.pop_front();
                }
                Ok(answer)
            }
            Err(difference) => {
                for member in &self.members {
                    member.show_crash();
                }
                let before: Vec<String> = self.history.drain(..).collect();
                bail!("answers differ\n{}\n{difference}", before.join("\n"));
            }
        }
    }

    /// Takes all steps whatever happens.
    ///
    /// # Errors
    /// When any answers differ; the message has every one.
    pub async fn script(&mut self, steps: &[Op]) -> Result<()> {
        let mut differences = Vec::new();
        for step in steps {
            match self.compare(step, step).await {
                Ok(answer) => println!("{}\n    {answer}", step.show()),
                Err(difference) => differences.push(difference),
            }
        }
        match differences.len() {
            0 => Ok(()),
            many => bail!("{many} of {} steps differ\n{}", steps.len(), differences.join("\n")),
        }
    }

    /// The common answer, or what differs as text.
    async fn compare(&mut self, left: &Op, right: &Op) -> Result<String, String> {
        let (oracle, tested) = tokio::join!(self.oracle.run(left), self.tested.run(right));
        let (oracle, tested) = (lay_out(oracle), lay_out(tested));
        if oracle == tested && !oracle.starts_with(BROKEN) {
            return Ok(oracle);
        }
        Err(format!(">> {}\netcd:   {oracle}\ntested: {tested}", left.show()))
    }
}

fn lay_out(answer: Result<String>) -> String {
    answer.unwrap_or_else(|why| format!("{BROKEN}: {why:#}"))
}
