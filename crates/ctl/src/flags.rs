//! Flags as cobra's users know them: anywhere on the line, `--name value`, `--name=value`, short
//! ones in clusters, and Go's sentences when something does not fit.

mod csv;

use crate::text::quote::{quote, quote_char};
use crate::text::{duration, number};

/// What kind of value a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Text,
    Int,
    Uint,
    Duration,
    /// Comma lists; the first use replaces the default, the next ones append.
    List,
}

/// One flag, as declared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

impl Flag {
    pub(crate) const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let default = match kind {
            Kind::Bool => "false",
            Kind::Int | Kind::Uint => "0",
            Kind::Duration => "0s",
            Kind::Text | Kind::List => "",
        };
        Self { name, short: None, kind, default, help }
    }

    pub(crate) const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// A value as read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Text(String),
    Int(i64),
    Uint(u64),
    /// Nanoseconds.
    Duration(i64),
    List(Vec<String>),
}

impl Value {
    fn read(kind: Kind, text: &str) -> Result<Self, String> {
        Ok(match kind {
            Kind::Bool => Self::Bool(number::parse_bool(text)?),
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Int => Self::Int(number::parse_int(text, 0)?),
            Kind::Uint => Self::Uint(number::parse_uint(text, 0)?),
            Kind::Duration => Self::Duration(duration::parse(text)?),
            Kind::List => Self::List(csv::split(text)?),
        })
    }

    fn show(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Duration(value) => duration::show_nanos(*value),
            Self::List(items) => format!("[{}]", items.join(",")),
        }
    }
}

#[derive(Clone, Debug)]
struct Slot {
    flag: Flag,
    value: Value,
    changed: bool,
}

/// The flags a command knows, with their values, and the arguments that are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    slots: Vec<Slot>,
    arguments: Vec<Vec<u8>>,
    /// How many arguments stood before `--`, if it was there.
    dash: Option<usize>,
}

impl Flags {
    pub(crate) fn new(declared: impl IntoIterator<Item = Flag>) -> Self {
        let slot = |flag: Flag| {
            let value = Value::read(flag.kind, flag.default)
                .expect("declared defaults are read by the tests of this module");
            Slot { flag, value, changed: false }
        };
        Self { slots: declared.into_iter().map(slot).collect(), ..Self::default() }
    }

    /// Reads a line. The error is the sentence to show.
    pub(crate) fn parse(&mut self, line: &[Vec<u8>]) -> Result<(), String> {
        let mut rest = line.iter();
        while let Some(word) = rest.next() {
            match word.as_slice() {
                b"--" => {
                    self.dash = Some(self.arguments.len());
                    self.arguments.extend(rest.by_ref().cloned());
                }
                [b'-', b'-', ..] => self.long(&text(word), &mut rest)?,
                [b'-', _, ..] => self.cluster(&text(word), &mut rest)?,
                _ => self.arguments.push(word.clone()),
            }
        }
        Ok(())
    }

    fn long<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a Vec<u8>>,
    ) -> Result<(), String> {
        let body = &word[2..];
        if body.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {word}"));
        }
        let (name, given) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(at) = self.slots.iter().position(|slot| slot.flag.name == name) else {
            return Err(if name == "help" {
                "pflag: help requested".to_owned()
            } else {
                format!("unknown flag: --{name}")
            });
        };
        let value = match given {
            Some(value) => value,
            None if self.slots[at].flag.kind == Kind::Bool => "true".to_owned(),
            None => match rest.next() {
                Some(next) => text(next),
                None => return Err(format!("flag needs an argument: --{name}")),
            },
        };
        self.assign(at, &value)
    }

    fn cluster<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a Vec<u8>>,
    ) -> Result<(), String> {
        let letters = &word[1..];
        for (at, letter) in letters.char_indices() {
            let tail = &letters[at + letter.len_utf8()..];
            let found = self.slots.iter().position(|slot| slot.flag.short == Some(letter));
            let Some(slot) = found else {
                return Err(if letter == 'h' {
                    "pflag: help requested".to_owned()
                } else {
                    let letter = quote_char(letter);
                    format!("unknown shorthand flag: {letter} in -{}", &letters[at..])
                });
            };
            if let Some(value) = tail.strip_prefix('=').filter(|value| !value.is_empty()) {
                return self.assign(slot, value);
            }
            if self.slots[slot].flag.kind == Kind::Bool {
                self.assign(slot, "true")?;
                continue;
            }
            if !tail.is_empty() {
                return self.assign(slot, tail);
            }
            return match rest.next() {
                Some(next) => self.assign(slot, &text(next)),
                None => {
                    let letter = quote_char(letter);
                    Err(format!("flag needs an argument: {letter} in -{}", &letters[at..]))
                }
            };
        }
        Ok(())
    }

    fn assign(&mut self, at: usize, given: &str) -> Result<(), String> {
        let slot = &mut self.slots[at];
        let value = Value::read(slot.flag.kind, given).map_err(|why| {
            let name = match slot.flag.short {
                Some(short) => format!("-{short}, --{}", slot.flag.name),
                None => format!("--{}", slot.flag.name),
            };
            let (given, name) = (quote(given.as_bytes()), quote(name.as_bytes()));
            format!("invalid argument {given} for {name} flag: {why}")
        })?;
        match (&mut slot.value, value) {
            (Value::List(items), Value::List(more)) if slot.changed => items.extend(more),
            (old, new) => *old = new,
        }
        slot.changed = true;
        Ok(())
    }

    /// Takes a value from elsewhere than the line; one that cannot be read is passed over.
    pub(crate) fn set_quietly(&mut self, name: &str, given: &str) {
        if let Some(at) = self.slots.iter().position(|slot| slot.flag.name == name) {
            let _ = self.assign(at, given);
        }
    }

    /// Whether a value was given at all.
    pub(crate) fn changed(&self, name: &str) -> bool {
        self.slot(name).is_some_and(|slot| slot.changed)
    }

    /// Every name with its value as Go shows it.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.slots.iter().map(|slot| (slot.flag.name, slot.value.show()))
    }

    fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.flag.name == name)
    }

    pub(crate) fn bool(&self, name: &str) -> bool {
        matches!(self.slot(name), Some(Slot { value: Value::Bool(true), .. }))
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        match self.slot(name) {
            Some(Slot { value: Value::Text(value), .. }) => value,
            _ => "",
        }
    }

    pub(crate) fn int(&self, name: &str) -> i64 {
        match self.slot(name) {
            Some(Slot { value: Value::Int(value), .. }) => *value,
            _ => 0,
        }
    }

    /// Nanoseconds; what is below zero counts as zero.
    pub(crate) fn duration(&self, name: &str) -> std::time::Duration {
        let nanos = match self.slot(name) {
            Some(Slot { value: Value::Duration(value), .. }) => u64::try_from(*value),
            _ => Ok(0),
        };
        std::time::Duration::from_nanos(nanos.unwrap_or(0))
    }

    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.slot(name) {
            Some(Slot { value: Value::List(items), .. }) => items,
            _ => &[],
        }
    }

    pub(crate) fn arguments(&self) -> &[Vec<u8>] {
        &self.arguments
    }

    pub(crate) fn dash(&self) -> Option<usize> {
        self.dash
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests;
