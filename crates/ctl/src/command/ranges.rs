//! Which keys `get`, `del` and `watch` mean.

use bytes::Bytes;

use crate::failure::Failure;
use crate::flags::Flags;

/// One zero byte: as a key the first of all, as an end no end.
const ZERO: &[u8] = b"\0";

/// Reads the arguments with `--prefix` and `--from-key`; `name` is for the complaint.
pub(super) fn read(flags: &Flags, name: &str) -> Result<(Bytes, Bytes), Failure> {
    let (prefix, from_key) = (flags.bool("prefix"), flags.bool("from-key"));
    let arguments = flags.arguments();
    let Some(key) = arguments.first() else {
        let message = "command needs one argument as key and an optional argument as range_end";
        return Err(Failure::bad_args(format!("{name} {message}")));
    };
    if prefix && from_key {
        let message = "`--prefix` and `--from-key` cannot be set at the same time, choose one";
        return Err(Failure::bad_args(message));
    }
    let key = Bytes::copy_from_slice(key);
    if let Some(end) = arguments.get(1) {
        if prefix || from_key {
            let message = "too many arguments, only accept one argument when `--prefix` or \
                           `--from-key` is set";
            return Err(Failure::bad_args(message));
        }
        return Ok((key, Bytes::copy_from_slice(end)));
    }
    Ok(match (prefix, from_key) {
        (true, _) => by_prefix(key),
        (_, true) if key.is_empty() => (ZERO.into(), ZERO.into()),
        (_, true) => (key, ZERO.into()),
        _ => (key, Bytes::new()),
    })
}

/// A prefix as a range: up to the first key that no longer begins with it.
pub(crate) fn by_prefix(prefix: Bytes) -> (Bytes, Bytes) {
    if prefix.is_empty() {
        return (ZERO.into(), ZERO.into());
    }
    let kept = prefix.iter().rposition(|byte| *byte < 0xff);
    let end = kept.map(|last| {
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Bytes::from(end)
    });
    (prefix, end.unwrap_or_else(|| ZERO.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let check = |prefix: &'static [u8], end: &'static [u8]| {
            assert_eq!(by_prefix(prefix.into()).1, end, "{prefix:?}");
        };
        check(b"a", b"b");
        check(b"a\xff", b"b");
        check(b"\xff\xff", b"\0");
        check(b"", b"\0");
    }
}
