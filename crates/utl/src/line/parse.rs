//! Arguments to flags and words.

use std::collections::BTreeMap;

use super::flag::{self, Flag, Kind};
use super::{Command, help};
use crate::failure::Failure;

/// A parsed line: every flag has a value that suits its kind.
#[derive(Debug)]
pub(crate) struct Line {
    given: BTreeMap<&'static str, String>,
    defaults: BTreeMap<&'static str, &'static str>,
    words: Vec<String>,
}

impl Line {
    /// The arguments that are no flags.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// The value of a text flag.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.given.get(name) {
            Some(value) => value,
            None => self.defaults.get(name).copied().unwrap_or_default(),
        }
    }

    /// The value of a signed flag.
    pub(crate) fn int(&self, name: &str) -> i64 {
        flag::parse_int(self.text(name)).unwrap_or_default()
    }

    /// The value of an unsigned flag.
    pub(crate) fn uint(&self, name: &str) -> u64 {
        flag::parse_uint(self.text(name)).unwrap_or_default()
    }

    /// Whether a boolean flag is true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        flag::parse_bool(self.text(name)).unwrap_or_default()
    }

    /// Whether the flag stands on the line.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }
}

/// The flag of that name, of the command or of any above it.
pub(super) fn by_name(path: &[&'static Command], name: &str) -> Option<&'static Flag> {
    help::flags(path).find(|flag| flag.name == name)
}

/// The flag of that letter.
pub(super) fn by_short(path: &[&'static Command], short: char) -> Option<&'static Flag> {
    help::flags(path).find(|flag| flag.short == Some(short))
}

/// Reads the arguments of a command, whose name is no longer among them.
pub(super) fn parse(path: &[&'static Command], args: Vec<String>) -> Result<Line, Failure> {
    let defaults = help::flags(path).map(|flag| (flag.name, flag.default)).collect();
    let mut line = Line { given: BTreeMap::new(), defaults, words: Vec::new() };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            line.words.extend(args);
            break;
        } else if let Some(long) = arg.strip_prefix("--") {
            parse_long(path, long, &mut args, &mut line)?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            parse_short(path, &arg, &mut args, &mut line)?;
        } else {
            line.words.push(arg);
        }
    }
    Ok(line)
}

type Args = std::vec::IntoIter<String>;

fn parse_long(
    path: &[&'static Command],
    long: &str,
    args: &mut Args,
    line: &mut Line,
) -> Result<(), Failure> {
    if long.is_empty() || long.starts_with(['-', '=']) {
        return Err(Failure::usage(format_args!("bad flag syntax: --{long}")));
    }
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (long, None),
    };
    let flag = by_name(path, name)
        .ok_or_else(|| Failure::usage(format_args!("unknown flag: --{name}")))?;
    let value = match value {
        Some(value) => value,
        None if flag.kind == Kind::Bool => "true".into(),
        None => args
            .next()
            .ok_or_else(|| Failure::usage(format_args!("flag needs an argument: --{name}")))?,
    };
    set(line, flag, value)
}

/// One or more letters behind one dash; the last may have a value.
fn parse_short(
    path: &[&'static Command],
    arg: &str,
    args: &mut Args,
    line: &mut Line,
) -> Result<(), Failure> {
    let mut letters = arg[1..].chars();
    while let Some(letter) = letters.next() {
        let flag = by_short(path, letter).ok_or_else(|| {
            Failure::usage(format_args!("unknown shorthand flag: {letter:?} in {arg}"))
        })?;
        let rest = letters.as_str();
        if let Some(value) = rest.strip_prefix('=') {
            return set(line, flag, value.to_owned());
        }
        if flag.kind == Kind::Bool {
            set(line, flag, "true".into())?;
            continue;
        }
        let value = if rest.is_empty() { args.next() } else { Some(rest.to_owned()) };
        let value = value.ok_or_else(|| {
            Failure::usage(format_args!("flag needs an argument: {letter:?} in {arg}"))
        })?;
        return set(line, flag, value);
    }
    Ok(())
}

fn set(line: &mut Line, flag: &'static Flag, value: String) -> Result<(), Failure> {
    flag.check(&value).map_err(|why| {
        let label = flag.label();
        Failure::usage(format_args!("invalid argument {value:?} for {label:?} flag: {why}"))
    })?;
    line.given.insert(flag.name, value);
    Ok(())
}
