//! Names of segments, and which of them cover an index.

use std::path::{Path, PathBuf};

use ketch_env::Disk;

use crate::error::Error;

/// A segment's name: its place in the row, and the index of the first entry it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) seq: u64,
    pub(crate) index: u64,
}

impl Name {
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:016x}-{:016x}.wal", self.seq, self.index))
    }

    /// `None` for files of other names.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (seq, index) = file.strip_suffix(".wal")?.split_once('-')?;
        let hex = |digits: &str| {
            let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok())?
        };
        Some(Self { seq: hex(seq)?, index: hex(index)? })
    }
}

/// All segments of a directory, in order.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<Name>, Error> {
    let files = disk.list(dir).map_err(Error::io(dir))?;
    let mut names: Vec<Name> = files.iter().filter_map(|file| Name::parse(file)).collect();
    names.sort_unstable();
    Ok(names)
}

/// The segments needed to read on from `from`: the last that begins at or before it, and all
/// behind, which must be in sequence.
pub(crate) fn covering(names: &[Name], dir: &Path, from: u64) -> Result<Vec<Name>, Error> {
    let first = names
        .iter()
        .rposition(|name| name.index <= from)
        .ok_or_else(|| Error::NoSegment { dir: dir.to_path_buf(), from })?;
    let needed = &names[first..];
    for pair in needed.windows(2) {
        if pair[0].seq.checked_add(1) != Some(pair[1].seq) {
            return Err(Error::Missing {
                dir: dir.to_path_buf(),
                expected: pair[0].seq.wrapping_add(1),
                found: pair[1].path(Path::new("")).display().to_string(),
            });
        }
    }
    Ok(needed.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = Name { seq: 1, index: 0xabc };
        let file = "0000000000000001-0000000000000abc.wal";
        assert_eq!(name.path(Path::new("w")), Path::new("w").join(file));
        assert_eq!(Name::parse(file), Some(name));
        for other in ["0.tmp", "1-2.wal", "0000000000000001-000000000000+abc.wal", "x", ""] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn covering_segments() {
        let names: Vec<Name> =
            [(0, 0), (1, 10), (2, 10), (3, 30)].map(|(seq, index)| Name { seq, index }).into();
        let check = |names: &[Name], from: u64, first: Option<u64>| {
            let found = covering(names, Path::new("w"), from);
            assert_eq!(found.ok().map(|names| names[0].seq), first, "{from}");
        };
        check(&names, 0, Some(0));
        check(&names, 9, Some(0));
        check(&names, 10, Some(2));
        check(&names, 29, Some(2));
        check(&names, 99, Some(3));
        check(&names[1..], 9, None);
        check(&[], 0, None);
        check(&[names[0], names[2]], 5, None);
    }
}
