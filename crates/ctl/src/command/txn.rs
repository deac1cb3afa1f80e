//! `txn`: comparisons and requests from standard input, run as one.

mod compare;

use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::{RequestOp, TxnRequest};

use super::input::Lines;
use super::{del, get, put};
use crate::failure::{Failure, INVALID_INPUT, say};
use crate::flags::Flags;
use crate::printer::{Answer, write};
use crate::session::{Invocation, lossy};
use crate::text::words;
use crate::tree::{self, Found, TXN_REQUESTS, Verb};

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    if !invocation.arguments().is_empty() {
        return Err(Failure::bad_args("txn command does not accept argument"));
    }
    let session = invocation.session(&[])?;
    let client = session.client().await?.with_timeout(None);
    let prompt = |text: &str| match session.flags.bool("interactive") {
        true => write(format!("{text}\n").as_bytes()),
        false => Ok(()),
    };
    let mut lines = Lines::open()?;
    prompt("compares:")?;
    let compare = part(&mut lines).map(|line| compare::parse(&line?)).collect::<Result<_, _>>()?;
    prompt("success requests (get, put, del):")?;
    let success = requests(&mut lines)?;
    prompt("failure requests (get, put, del):")?;
    let failure = requests(&mut lines)?;
    let answer = client.kv().txn(TxnRequest { compare, success, failure }).await?;
    session.printer.print(&Answer::Txn(&answer))
}

/// The lines of one part, up to the empty one.
fn part(lines: &mut Lines) -> impl Iterator<Item = Result<String, Failure>> {
    let next = || match lines.next() {
        Some(line) => Some(line.trim().to_owned()).filter(|line| !line.is_empty()).map(Ok),
        None => Some(Err(Failure::new(INVALID_INPUT, "EOF"))),
    };
    std::iter::from_fn(next)
}

fn requests(lines: &mut Lines) -> Result<Vec<RequestOp>, Failure> {
    part(lines).map(|line| request(&line?)).collect()
}

/// One request, written as on a command line.
fn request(line: &str) -> Result<RequestOp, Failure> {
    let invalid = |what: &str| Failure::new(INVALID_INPUT, format!("invalid txn {what}: {line}"));
    let words = words::split(line).map_err(|why| Failure::new(INVALID_INPUT, why))?;
    let [name, rest @ ..] = words.as_slice() else {
        return Err(invalid("compare request"));
    };
    if rest.is_empty() {
        return Err(invalid("compare request"));
    }
    let name = lossy(name);
    let mut matching = TXN_REQUESTS.iter().filter(|spec| spec.name.starts_with(&name));
    let spec = match (matching.next(), matching.next()) {
        (Some(spec), None) if !name.is_empty() => spec,
        _ => return Err(invalid("request")),
    };
    let mut flags = Flags::new(spec.flags.iter().copied());
    if flags.parse(rest).is_err() {
        let found = Found { path: vec![&tree::ROOT, spec], rest: Vec::new() };
        say(&tree::usage(&found));
        return Err(invalid("request"));
    }
    let request = match spec.verb {
        Verb::Put => Request::RequestPut(put::request(&flags)?),
        Verb::Del => Request::RequestDeleteRange(del::request(&flags)?),
        _ => Request::RequestRange(get::request(&flags)?),
    };
    Ok(RequestOp { request: Some(request) })
}
