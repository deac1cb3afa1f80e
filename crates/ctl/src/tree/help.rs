//! Help texts, laid out as cobra lays them out.

use std::fmt::Write as _;

use super::{Found, GLOBAL, HELP_FLAG, ROOT, Spec};
use crate::flags::{Flag, Kind};

/// What the program is.
pub(super) const ABOUT: &str = "Talks to a ketch or etcd cluster from the command line.";
/// What the help calls the program.
const PROGRAM: &str = "ketchctl";

const GROUPS: [&str; 5] = [
    "Key-value commands",
    "Cluster maintenance commands",
    "Concurrency commands",
    "Authentication commands",
    "Utility commands",
];

/// What a command is for, how it is written, its flags or children.
pub(crate) fn help(found: &Found) -> String {
    let spec = found.spec();
    let about = if spec.long.is_empty() { spec.short } else { spec.long };
    let mut out = format!("{about}\n\n{}", body(found));
    if !spec.children.is_empty() {
        let name = name(found);
        let _ = writeln!(out, "Use \"{name} [command] --help\" for more about a command.");
    }
    let _ = writeln!(out, "Use \"{PROGRAM} options\" for the flags that every command knows.");
    out
}

/// The part of the help that follows an error.
pub(crate) fn usage(found: &Found) -> String {
    format!("{}\n", body(found))
}

/// The global flags.
pub(crate) fn options() -> String {
    format!("These flags can be given to any command:\n\n{}", table(GLOBAL.iter().copied()))
}

fn body(found: &Found) -> String {
    let spec = found.spec();
    let name = name(found);
    let mut out = "Usage:\n".to_owned();
    if spec.children.is_empty() {
        let usage = if spec.usage.is_empty() { "" } else { " " };
        let _ = writeln!(out, "  {name}{usage}{} [flags]\n", spec.usage);
        let own = spec.own_flags().chain([HELP_FLAG]);
        let _ = write!(out, "Flags:\n{}", table(own));
    } else {
        let _ = writeln!(out, "  {name} [command]\n");
        if std::ptr::eq(spec, &ROOT) {
            GROUPS.iter().for_each(|group| list(&mut out, group, group));
        } else {
            children(&mut out, "Available Commands:", spec.children.iter());
            let own = spec.own_flags().chain([HELP_FLAG]);
            let _ = writeln!(out, "Flags:\n{}", table(own));
        }
    }
    let above: Vec<_> = found.path.iter().skip(1).rev().skip(1).collect();
    let shared: Vec<_> = above.iter().flat_map(|spec| spec.shared).copied().collect();
    if !shared.is_empty() {
        let _ = write!(out, "\nGlobal Flags:\n{}", table(shared));
    }
    out
}

fn name(found: &Found) -> String {
    let below = found.path.iter().skip(1).map(|spec| spec.name);
    [PROGRAM].into_iter().chain(below).collect::<Vec<_>>().join(" ")
}

fn list(out: &mut String, heading: &str, group: &str) {
    children(out, heading, ROOT.children.iter().filter(|spec| spec.group == group));
}

fn children<'a>(out: &mut String, heading: &str, specs: impl Iterator<Item = &'a Spec>) {
    let _ = writeln!(out, "{heading}");
    for spec in specs {
        let _ = writeln!(out, "  {:<11} {}", spec.name, spec.short);
    }
    out.push('\n');
}

fn table(flags: impl IntoIterator<Item = Flag>) -> String {
    let mut flags: Vec<_> = flags.into_iter().collect();
    flags.sort_by_key(|flag| flag.name);
    let heads: Vec<_> = flags.iter().map(head).collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let lines = flags.iter().zip(&heads);
    lines.map(|(flag, head)| format!("{head:<width$}   {}{}\n", flag.help, tail(flag))).collect()
}

fn head(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
    let kind = match flag.kind {
        Kind::Bool => "",
        Kind::Text => " string",
        Kind::Int => " int",
        Kind::Uint => " uint",
        Kind::Duration => " duration",
        Kind::List => " strings",
    };
    format!("  {short}--{}{kind}", flag.name)
}

fn tail(flag: &Flag) -> String {
    match (flag.kind, flag.default) {
        (_, "" | "0" | "false") if flag.kind != Kind::Text || flag.default.is_empty() => {
            String::new()
        }
        (Kind::Text, default) => format!(" (default \"{default}\")"),
        (Kind::List, default) => format!(" (default [{default}])"),
        (_, default) => format!(" (default {default})"),
    }
}
