//! Where settings come from: the command line, the environment, one file.
//!
//! A config file replaces both others, as in etcd. A flag and its variable together are an error.

use std::collections::BTreeMap;

use super::flags::{self, FILE_ONLY, FLAGS, Flag, Kind, Support};
use super::urls::checked_url;
use super::{ConfigError, duration};

/// Raw values by flag name, checked for their kind.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, String>,
    /// Things to say once logging is up.
    pub(crate) warnings: Vec<(String, Vec<(&'static str, String)>)>,
}

impl Settings {
    /// The value given, or the flag's default.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values
            .get(name)
            .map(String::as_str)
            .or_else(|| flags::find(name).map(|flag| flag.default))
            .unwrap_or("")
    }

    /// Whether somebody set the flag.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Reads Go-style arguments: one or two dashes, `-flag=value` or `-flag value`.
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(word) = dashed(argument) else {
                return Err(ConfigError::Verify(format!("{argument:?} is not a valid flag")));
            };
            if word.is_empty() {
                if let Some(stray) = rest.next() {
                    return Err(ConfigError::Verify(format!("{stray:?} is not a valid flag")));
                }
                break;
            }
            if word.starts_with('-') || word.starts_with('=') {
                return Err(ConfigError::Usage(format!("bad flag syntax: {argument}")));
            }
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word, None),
            };
            if name == "h" || name == "help" {
                return Err(ConfigError::Help);
            }
            let flag = flags::find(name).ok_or_else(|| {
                ConfigError::Usage(format!("flag provided but not defined: -{name}"))
            })?;
            let value = match (inline, flag.kind) {
                (Some(value), _) => value,
                (None, Kind::Bool) => "true".to_owned(),
                (None, _) => rest.next().cloned().ok_or_else(|| {
                    ConfigError::Usage(format!("flag needs an argument: -{name}"))
                })?,
            };
            settings.set(flag, value)?;
        }
        Ok(settings)
    }

    /// Adds `ETCD_*` variables for flags not on the command line.
    pub(crate) fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, value) in variables {
            let Some(tail) = variable.strip_prefix("ETCD_") else { continue };
            let name = tail.to_ascii_lowercase().replace('_', "-");
            let flag = flags::find(&name)
                .filter(|flag| flag.support != Support::Ignored && flag.name != "version");
            let Some(flag) = flag else {
                self.warnings.push((
                    "unrecognized environment variable".to_owned(),
                    vec![("environment-variable", format!("{variable}={value}"))],
                ));
                continue;
            };
            if value.is_empty() {
                continue;
            }
            if self.is_set(flag.name) {
                return Err(ConfigError::Shadowed(variable));
            }
            check_kind(flag, &value).map_err(|why| {
                ConfigError::Verify(format!("invalid value {value:?} for {variable}: {why}"))
            })?;
            self.set(flag, value)?;
        }
        Ok(())
    }

    /// Reads a config file: keys without regard to case, unknown keys ignored, durations as
    /// nanoseconds or text.
    pub(crate) fn from_file(text: &str) -> Result<Self, ConfigError> {
        let root: serde_json::Value = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Verify(format!("error parsing config file: {error}")))?;
        let mut settings = Self::default();
        let flags = FLAGS.iter().chain(FILE_ONLY);
        for flag in flags.filter(|flag| !flag.key.is_empty()) {
            if let Some(value) = lookup(&root, flag.key)
                && let Some(text) = file_text(flag, value)
            {
                settings.set(flag, text)?;
            }
        }
        Ok(settings)
    }

    fn set(&mut self, flag: &'static Flag, value: String) -> Result<(), ConfigError> {
        check_kind(flag, &value).map_err(|why| {
            let name = flag.name;
            ConfigError::Usage(match flag.kind {
                Kind::Bool => format!("invalid boolean value {value:?} for -{name}: {why}"),
                _ => format!("invalid value {value:?} for flag -{name}: {why}"),
            })
        })?;
        if flag.support == Support::Ignored {
            self.warnings
                .push(("ignored flag".to_owned(), vec![("flag-name", flag.name.to_owned())]));
            return Ok(());
        }
        self.values.insert(flag.name, value);
        Ok(())
    }
}

fn dashed(argument: &str) -> Option<&str> {
    let word = argument.strip_prefix('-')?;
    let word = word.strip_prefix('-').unwrap_or(word);
    (argument != "-").then_some(word)
}

/// Go's rules for each kind, with the flag package's words for why not.
fn check_kind(flag: &Flag, value: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    match flag.kind {
        Kind::Urls if flag.name == "cors" && value == "*" => Ok(()),
        Kind::Urls => {
            let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(checked_url).find(Result::is_err).unwrap_or(Ok(()))
        }
        Kind::Text | Kind::List => Ok(()),
        Kind::Bool if boolean(value).is_some() => Ok(()),
        Kind::Duration if duration::parse(value).is_some() => Ok(()),
        Kind::Int if value.parse::<i64>().is_ok() => Ok(()),
        Kind::Uint if value.parse::<u64>().is_ok() => Ok(()),
        Kind::State if matches!(value, "new" | "existing") => Ok(()),
        Kind::State => refuse("invalid value"),
        Kind::Int | Kind::Uint if is_number(value, flag.kind) => refuse("value out of range"),
        Kind::Bool | Kind::Duration | Kind::Int | Kind::Uint => refuse("parse error"),
    }
}

/// Whether it is written as a number, of whatever size.
fn is_number(value: &str, kind: Kind) -> bool {
    let digits = match kind {
        Kind::Int => value.strip_prefix(['-', '+']).unwrap_or(value),
        _ => value,
    };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Go's spellings of true and false.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn lookup<'a>(root: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    key.split('.').try_fold(root, |value, part| {
        value.as_object()?.iter().find(|(k, _)| k.eq_ignore_ascii_case(part)).map(|(_, v)| v)
    })
}

fn file_text(flag: &Flag, value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) if flag.kind == Kind::Duration => Some(format!("{number}ns")),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => Some(
            items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
        ),
        Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &str) -> Result<Settings, ConfigError> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Settings::from_arguments(&words)
    }

    #[test]
    fn flags_in_the_ways_of_go() {
        let check = |words: &str, name: &str, value: &str| {
            let settings = arguments(words).unwrap();
            assert_eq!(settings.get(name), value, "{words}");
        };
        check("--name a", "name", "a");
        check("-name=b", "name", "b");
        check("--pre-vote=false", "pre-vote", "false");
        check("--unsafe-no-fsync --name x", "unsafe-no-fsync", "true");
        check("", "max-txn-ops", "128");
        check("--name a --name b", "name", "b");
    }

    #[test]
    fn wrong_flags_and_their_words() {
        let check = |words: &str, text: &str| {
            assert_eq!(arguments(words).unwrap_err().to_string(), text, "{words}");
        };
        check("--nonsense", "flag provided but not defined: -nonsense");
        check("--enable-v2", "flag provided but not defined: -enable-v2");
        check("--name", "flag needs an argument: -name");
        check(
            "--listen-client-urls notaurl",
            "invalid value \"notaurl\" for flag -listen-client-urls: URL scheme must be http, \
             https, unix, or unixs: notaurl",
        );
        check("--max-txn-ops x", "invalid value \"x\" for flag -max-txn-ops: parse error");
        check(
            "--quota-backend-bytes -99999999999999999999",
            "invalid value \"-99999999999999999999\" for flag -quota-backend-bytes: value out of range",
        );
        check("--pre-vote=maybe", "invalid boolean value \"maybe\" for -pre-vote: parse error");
        check("foo", "\"foo\" is not a valid flag");
        check("---x", "bad flag syntax: ---x");
    }

    #[test]
    fn environment_yields_to_no_one() {
        let set = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let mut settings = arguments("--name a").unwrap();
        settings.add_environment([set("ETCD_MAX_TXN_OPS", "5"), set("ETCD_WHAT", "1")]).unwrap();
        assert_eq!(settings.get("max-txn-ops"), "5");
        assert_eq!(settings.warnings.len(), 1);
        assert!(matches!(
            settings.add_environment([set("ETCD_NAME", "b")]),
            Err(ConfigError::Shadowed(_))
        ));
    }

    #[test]
    fn a_file_in_yaml_or_json() {
        let yaml = "Name: m1\nquota-backend-bytes: 123\nlog-outputs: [stderr, a.log]\n\
                    backend-batch-interval: 100000000\nsomething-else: {a: 1}\n\
                    socket-options:\n  reuse-port: true\n";
        let settings = Settings::from_file(yaml).unwrap();
        assert_eq!(settings.get("name"), "m1");
        assert_eq!(settings.get("quota-backend-bytes"), "123");
        assert_eq!(settings.get("log-outputs"), "stderr,a.log");
        assert_eq!(settings.get("backend-batch-interval"), "100000000ns");
        assert_eq!(settings.get("socket-reuse-port"), "true");
        let json = Settings::from_file("{\"name\": \"m2\", \"pre-vote\": false}").unwrap();
        assert_eq!((json.get("name"), json.get("pre-vote")), ("m2", "false"));
    }
}
