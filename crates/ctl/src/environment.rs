//! `ETCDCTL_*` variables: each global flag has one, and may not be given both ways.

use crate::failure::{ERROR, Failure};
use crate::flags::Flags;
use crate::text::log;

const PREFIX: &str = "ETCDCTL_";

/// Fills flags that were not on the line from the variables, and complains of the others.
///
/// A value that cannot be read is passed over, as etcdctl does.
pub(crate) fn apply(
    flags: &mut Flags,
    inherited: &[&'static str],
    variables: &[(String, String)],
) -> Result<(), Failure> {
    let mut complaints = Vec::new();
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let flag = inherited.iter().find(|flag| variable(flag) == *name);
        match flag {
            Some(flag) if flags.changed(flag) => complaints.push(Complaint::Shadowed(name)),
            Some(flag) if !value.is_empty() => flags.set_quietly(flag, value),
            _ => complaints.push(Complaint::Unknown(name, value)),
        }
    }
    for complaint in complaints {
        match complaint {
            Complaint::Unknown(name, value) => {
                let pair = format!("{name}={value}");
                let message = "unrecognized environment variable";
                let fields = [("environment-variable", pair.as_str())];
                log::line("warn", "", concat!(file!(), ":", line!()), message, &fields);
            }
            Complaint::Shadowed(name) => {
                let message = "conflicting environment variable is shadowed by corresponding \
                               command-line flag (either unset environment variable or disable \
                               flag))";
                let fields = [("environment-variable", name)];
                log::line("fatal", "", concat!(file!(), ":", line!()), message, &fields);
                return Err(Failure::silent(ERROR));
            }
        }
    }
    Ok(())
}

enum Complaint<'a> {
    Unknown(&'a str, &'a str),
    Shadowed(&'a str),
}

/// The variable of a flag.
pub(crate) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// The variables as text; what is no text is shown with replacement characters.
pub(crate) fn variables() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::GLOBAL;

    #[test]
    fn variables_fill_what_the_line_left() {
        let mut flags = Flags::new(GLOBAL.iter().copied());
        flags.parse(&[b"--dial-timeout".to_vec(), b"1s".to_vec()]).unwrap();
        let names: Vec<_> = GLOBAL.iter().map(|flag| flag.name).collect();
        let set = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let good = set(&[
            ("ETCDCTL_WRITE_OUT", "json"),
            ("ETCDCTL_COMMAND_TIMEOUT", "x"),
            ("ETCDCTL_ENDPOINTS", ""),
            ("HOME", "/"),
        ]);
        assert_eq!(apply(&mut flags, &names, &good), Ok(()));
        assert_eq!(flags.text("write-out"), "json");
        assert_eq!(flags.duration("command-timeout").as_secs(), 5);
        assert_eq!(flags.list("endpoints"), ["127.0.0.1:2379"]);
        let clash = set(&[("ETCDCTL_DIAL_TIMEOUT", "2s")]);
        assert_eq!(apply(&mut flags, &names, &clash), Err(Failure::silent(ERROR)));
    }
}
