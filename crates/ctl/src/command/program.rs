//! Commands about the program itself.

use crate::failure::{Failure, say};
use crate::printer::write;
use crate::session::{Invocation, lossy};
use crate::tree::{self, Found, ROOT};

/// The release of etcd whose commands, flags and output these are.
const RELEASE: &str = "3.7.1";
const API: &str = "3.7";

pub(super) fn version() -> Result<(), Failure> {
    write(format!("etcdctl version: {RELEASE}\nAPI version: {API}\n").as_bytes())
}

pub(super) fn options() -> Result<(), Failure> {
    write(tree::options().as_bytes())
}

/// The help of the command that the arguments name.
pub(super) fn help(invocation: &Invocation) -> Result<(), Failure> {
    let mut found = Found { path: vec![&ROOT], rest: Vec::new() };
    for (at, name) in invocation.arguments().iter().enumerate() {
        match tree::child(found.spec(), &lossy(name)) {
            Some(spec) => found.path.push(spec),
            None if at == 0 => {
                let names: Vec<_> = invocation.arguments().iter().map(|name| lossy(name)).collect();
                let topic = names.join("` `");
                say(&format!("Unknown help topic [`{topic}`]\n{}", tree::usage(&found)));
                return Ok(());
            }
            None => break,
        }
    }
    write(tree::help(&found).as_bytes())
}

pub(super) fn not_yet(invocation: &Invocation) -> Result<(), Failure> {
    let names: Vec<_> = invocation.found.path.iter().skip(1).map(|spec| spec.name).collect();
    let name = names.join(" ");
    Err(Failure::error(format!("command \"{name}\" is not supported yet by this ketchctl")))
}
