//! One step of a differential run, as data: from a line of a script or from the generator.

use anyhow::{Context, Result};
use bytes::Bytes;
use ketch_proto::etcdserverpb::WatchRequest;
use prost::Message;

use crate::schema::{self, Method};

/// Lease ids at and below this name the n-th lease whose id the server chose: its ids differ
/// from member to member, so an operation cannot carry one.
pub const GENERATED_LEASE: i64 = -1_000_000;

/// A step that any server can be asked to take.
#[derive(Debug, Clone)]
pub enum Op {
    /// A unary or server-streaming call.
    Call {
        /// Which method.
        method: Method,
        /// The encoded request.
        ask: Bytes,
    },
    /// A request on one of the subject's watch streams.
    Watch {
        /// Which stream, counted from 0.
        stream: usize,
        /// What is asked.
        ask: WatchRequest,
    },
    /// Waits until every watch has all events so far; the step's answer is those events.
    Barrier,
}

impl Op {
    /// A call with a typed request; `method` is `Service/Method`.
    ///
    /// # Panics
    /// When etcd has no such method: callers pass literals.
    pub fn call(method: &str, ask: &impl Message) -> Self {
        let method = Method::find(method).expect("a literal method name");
        Self::Call { method, ask: ask.encode_to_vec().into() }
    }

    /// One line of a script: `Service/Method TEXT`, `watch N TEXT` or `barrier`.
    ///
    /// # Errors
    /// When the line is none of these.
    pub fn parse(line: &str) -> Result<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "barrier" => Ok(Self::Barrier),
            "watch" => {
                let (stream, text) = rest.split_once(' ').context("watch STREAM REQUEST")?;
                let bytes = Method::find("Watch/Watch")?.parse(text)?;
                Ok(Self::Watch { stream: stream.parse()?, ask: WatchRequest::decode(bytes)? })
            }
            _ => {
                let method = Method::find(word)?;
                let ask = method.parse(rest)?;
                Ok(Self::Call { method, ask })
            }
        }
    }

    /// The step as a line that `parse` reads again.
    pub fn show(&self) -> String {
        match self {
            Self::Call { method, ask } => format!("{} {}", method.path(), method.show(ask)),
            Self::Watch { stream, ask } => {
                format!("watch {stream} {}", schema::text_of("etcdserverpb.WatchRequest", ask))
            }
            Self::Barrier => "barrier".to_owned(),
        }
    }
}

/// The steps of a script: one a line; empty lines and lines beginning with `#` say nothing.
///
/// # Errors
/// When a line is no step; its text is in the message.
pub fn parse_script(text: &str) -> Result<Vec<Op>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let steps = lines.filter(|line| !line.starts_with('#'));
    steps.map(|line| Op::parse(line).with_context(|| format!("script line: {line}"))).collect()
}
