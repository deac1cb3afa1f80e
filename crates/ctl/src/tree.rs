//! The commands: what there is, how a line finds one, what its help says.

mod access;
mod cluster;
mod global;
mod help;
mod keys;

use crate::failure::Failure;
use crate::flags::{Flag, Kind};
use crate::text::quote::quote;

pub(crate) use global::GLOBAL;
pub(crate) use help::{help, options, usage};

/// What running a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Shows its own help: it only groups others.
    Group,
    /// Known, but of a later release of this program.
    NotYet,
    Help,
    Options,
    Version,
    Put,
    Get,
    Del,
    Txn,
    Compaction,
    Watch,
    LeaseGrant,
    LeaseRevoke,
    LeaseTimeToLive,
    LeaseList,
    LeaseKeepAlive,
    MemberList,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberPromote,
    MoveLeader,
    EndpointHealth,
    EndpointStatus,
    EndpointHashKv,
    AlarmList,
    AlarmDisarm,
    Defrag,
    SnapshotSave,
    Lock,
    Elect,
    AuthEnable,
    AuthDisable,
    AuthStatus,
    UserAdd,
    UserDelete,
    UserGet,
    UserList,
    UserPasswd,
    UserGrantRole,
    UserRevokeRole,
    RoleAdd,
    RoleDelete,
    RoleGet,
    RoleList,
    RoleGrantPermission,
    RoleRevokePermission,
}

/// One command.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// What follows the name in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) short: &'static str,
    /// Shown instead of `short` in the command's own help, unless empty.
    pub(crate) long: &'static str,
    /// Heading in the list of all commands.
    pub(crate) group: &'static str,
    pub(crate) verb: Verb,
    pub(crate) flags: &'static [Flag],
    /// Flags that its children know too.
    pub(crate) shared: &'static [Flag],
    pub(crate) children: &'static [Spec],
}

impl Spec {
    const fn new(name: &'static str, usage: &'static str, verb: Verb, short: &'static str) -> Self {
        Self {
            name,
            usage,
            short,
            long: "",
            group: "",
            verb,
            flags: &[],
            shared: &[],
            children: &[],
        }
    }

    const fn long(self, long: &'static str) -> Self {
        Self { long, ..self }
    }

    const fn group(self, group: &'static str) -> Self {
        Self { group, ..self }
    }

    const fn flags(self, flags: &'static [Flag]) -> Self {
        Self { flags, ..self }
    }

    const fn shared(self, shared: &'static [Flag]) -> Self {
        Self { shared, ..self }
    }

    const fn children(self, children: &'static [Spec]) -> Self {
        Self { children, ..self }
    }

    fn own_flags(&self) -> impl Iterator<Item = Flag> {
        self.flags.iter().chain(self.shared).copied()
    }
}

/// The program itself, above all commands.
pub(crate) static ROOT: Spec =
    Spec::new("etcdctl", "", Verb::Group, help::ABOUT).shared(GLOBAL).children(COMMANDS);

/// All commands, in the order of their names.
const COMMANDS: &[Spec] = &[
    cluster::ALARM,
    access::AUTH,
    access::CHECK,
    keys::COMPACTION,
    access::COMPLETION,
    cluster::DEFRAG,
    keys::DEL,
    cluster::DOWNGRADE,
    access::ELECT,
    cluster::ENDPOINT,
    keys::GET,
    access::HELP,
    keys::LEASE,
    access::LOCK,
    access::MAKE_MIRROR,
    cluster::MEMBER,
    cluster::MOVE_LEADER,
    access::OPTIONS,
    keys::PUT,
    access::ROLE,
    cluster::SNAPSHOT,
    keys::TXN,
    access::USER,
    access::VERSION,
    keys::WATCH,
];

/// `get`, `put` and `del`, which also stand inside transactions.
pub(crate) const TXN_REQUESTS: &[&Spec] = &[&keys::DEL, &keys::GET, &keys::PUT];
/// The flags of `watch`, which also stand on interactive lines.
pub(crate) const WATCH_FLAGS: &[Flag] = keys::WATCH.flags;

const HELP_FLAG: Flag = Flag::new("help", Kind::Bool, "show this help").short('h');

/// A command found on a line, from the root down.
pub(crate) struct Found {
    pub(crate) path: Vec<&'static Spec>,
    /// The line without the names of the commands.
    pub(crate) rest: Vec<Vec<u8>>,
}

impl Found {
    pub(crate) fn spec(&self) -> &'static Spec {
        self.path.last().expect("a path begins with the root")
    }

    /// Flags from above: the global ones and those shared by parents.
    pub(crate) fn inherited(&self) -> Vec<Flag> {
        let above = &self.path[..self.path.len() - 1];
        above.iter().flat_map(|spec| spec.shared).copied().collect()
    }

    /// Every flag the command knows.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let own = self.spec().own_flags().chain([HELP_FLAG]);
        self.inherited().into_iter().chain(own).collect()
    }
}

/// Finds the command of a line. Flags may stand before and between the names; a name may be cut
/// short as long as one command begins with it.
pub(crate) fn find(line: &[Vec<u8>]) -> Result<Found, Failure> {
    let mut found = Found { path: vec![&ROOT], rest: line.to_vec() };
    while let Some(at) = first_word(&found) {
        let name = String::from_utf8_lossy(&found.rest[at]).into_owned();
        match child(found.spec(), &name) {
            Some(spec) => {
                found.path.push(spec);
                found.rest.remove(at);
            }
            None if found.path.len() == 1 => return Err(unknown(&name)),
            None => break,
        }
    }
    Ok(found)
}

/// The child of that name, or the only one that begins with it.
pub(crate) fn child(spec: &Spec, name: &str) -> Option<&'static Spec> {
    if let Some(exact) = spec.children.iter().find(|child| child.name == name) {
        return Some(exact);
    }
    let mut matching = spec.children.iter().filter(|child| child.name.starts_with(name));
    matching.next().filter(|_| matching.next().is_none() && !name.is_empty())
}

/// Position of the first word that is neither a flag nor a flag's value.
fn first_word(found: &Found) -> Option<usize> {
    let flags = found.flags();
    let takes_none = |flag: Option<&Flag>| flag.is_some_and(|flag| flag.kind == Kind::Bool);
    let mut value_follows = false;
    for (at, word) in found.rest.iter().enumerate() {
        let word = String::from_utf8_lossy(word);
        if value_follows {
            value_follows = false;
            continue;
        }
        if word == "--" {
            return None;
        }
        if let Some(name) = word.strip_prefix("--") {
            let flag = flags.iter().find(|flag| flag.name == name);
            value_follows = !name.contains('=') && !takes_none(flag);
        } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let flag = flags.iter().find(|flag| flag.short == letters.chars().next());
            value_follows = letters.chars().count() == 1 && !takes_none(flag);
        } else if !word.is_empty() {
            return Some(at);
        }
    }
    None
}

fn unknown(name: &str) -> Failure {
    let similar: Vec<_> = COMMANDS
        .iter()
        .filter(|spec| {
            spec.name.starts_with(&name.to_lowercase()) || distance(name, spec.name) <= 2
        })
        .map(|spec| format!("\t{}\n", spec.name))
        .collect();
    let suggestion = match similar.as_slice() {
        [] => String::new(),
        similar => format!("\nDid you mean this?\n{}\n", similar.concat()),
    };
    let message = format!("unknown command {} for \"etcdctl\"", quote(name.as_bytes()));
    Failure::error(message).with_hint(format!("{suggestion}Run 'ketchctl --help' for usage.\n"))
}

/// Letters to add, drop or change to make one name of the other, case aside.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_lowercase(), right.to_lowercase());
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
