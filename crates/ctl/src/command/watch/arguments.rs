//! Key, end and program of a watch: from the line, or key and end from variables.

use bytes::Bytes;

/// What to watch, and what to run for each event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) key: Bytes,
    pub(super) range_end: Option<Bytes>,
    pub(super) exec: Vec<Vec<u8>>,
}

/// Why the arguments cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Number,
    NoProgram,
    Conflict,
    EndWithoutKey(String),
}

impl Wrong {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Number => "bad number of arguments",
            Self::NoProgram => "bad number of arguments (found separator --, but no commands)",
            Self::Conflict => "bad number of arguments (found conflicting environment key)",
            Self::EndWithoutKey(text) => text,
        }
    }

    /// Whether interactive mode goes on after it.
    pub(super) fn is_survivable(&self) -> bool {
        *self == Self::Number
    }
}

/// Reads the arguments; `dash` is how many of them stood before `--`.
pub(super) fn read(
    arguments: &[Vec<u8>],
    dash: Option<usize>,
    key: &str,
    range_end: &str,
) -> Result<Target, Wrong> {
    let (given, exec) = arguments.split_at(dash.unwrap_or(arguments.len()));
    if key.is_empty() && !range_end.is_empty() {
        let end = crate::text::quote::quote(range_end.as_bytes());
        let text = format!("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={end}");
        return Err(Wrong::EndWithoutKey(text));
    }
    let bytes = |text: &[u8]| Bytes::copy_from_slice(text);
    let (key, range_end) = match (given, key) {
        ([], "") => return Err(Wrong::Number),
        ([], key) => {
            let end = Some(range_end).filter(|end| !end.is_empty());
            (bytes(key.as_bytes()), end.map(|end| bytes(end.as_bytes())))
        }
        ([key, end], "") => (bytes(key), Some(bytes(end))),
        // Three and more: etcdctl takes none of the others for an end.
        ([key, ..], "") => (bytes(key), None),
        (_, _) => return Err(Wrong::Conflict),
    };
    if dash.is_some() && exec.is_empty() {
        return Err(Wrong::NoProgram);
    }
    Ok(Target { key, range_end, exec: exec.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |line: &str, key: &str, end: &str, shown: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let dash = words.iter().position(|word| *word == "--");
            let kept = words.iter().enumerate().filter(|(at, _)| Some(*at) != dash);
            let kept: Vec<_> = kept.map(|(_, word)| word.as_bytes().to_vec()).collect();
            let read = match read(&kept, dash, key, end) {
                Ok(Target { key, range_end, exec }) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let exec: Vec<_> = exec.iter().map(|word| text(word)).collect();
                    let end = range_end.map_or("none".to_owned(), |end| text(&end));
                    format!("{} {end} [{}]", text(&key), exec.join(" "))
                }
                Err(wrong) => wrong.text().to_owned(),
            };
            assert_eq!(read, shown, "{line}");
        };
        check("k", "", "", "k none []");
        check("k e", "", "", "k e []");
        check("k e x y", "", "", "k none []");
        check("k e x -- echo hi", "", "", "k none [echo hi]");
        check("k e -- echo hi", "", "", "k e [echo hi]");
        check("k -- e -- echo", "", "", "k none [e -- echo]");
        check("", "", "", "bad number of arguments");
        check("-- echo hi", "", "", "bad number of arguments");
        check("k --", "", "", "bad number of arguments (found separator --, but no commands)");
        check("", "k", "e", "k e []");
        check("-- echo", "k", "", "k none [echo]");
        let conflict = "bad number of arguments (found conflicting environment key)";
        check("k", "k", "", conflict);
        check("x -- echo", "k", "", conflict);
        let alone = "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\"e\"";
        check("k", "", "e", alone);
    }
}
