//! One change of one key, as the index remembers it: 16 bytes.

use ketch_base::{Revision, RevisionKey};

/// Main revisions from this on are not kept: a store begins at 1 and counts.
pub(crate) const MAIN_END: i64 = 1 << 56;

/// Where a row stands and how long it is.
///
/// The main revision has seven bytes; the eighth is for [`Kind`], whose many values that are none
/// tell a [`super::History`] its other forms in the same 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    kind: Kind,
    main_high: u8,
    main_middle: u16,
    main_low: u32,
    sub: u32,
    /// Bytes of the row; 0 for a tombstone.
    length: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Put,
    Tombstone,
}

impl Version {
    /// A put whose row has `length` bytes.
    pub(crate) fn put(revision: Revision, length: u32) -> Self {
        debug_assert!(length > 0, "a put stores at least its revisions");
        Self::new(Kind::Put, revision, length)
    }

    pub(crate) fn tombstone(revision: Revision) -> Self {
        Self::new(Kind::Tombstone, revision, 0)
    }

    fn new(kind: Kind, revision: Revision, length: u32) -> Self {
        let main = revision.main;
        assert!((0..MAIN_END).contains(&main), "revision {main} is none that a store counts to");
        Self {
            kind,
            main_high: (main >> 48) as u8,
            main_middle: (main >> 32) as u16,
            main_low: main as u32,
            sub: sub(revision),
            length,
        }
    }

    #[inline]
    pub(crate) fn main(self) -> i64 {
        let high = i64::from(self.main_high) << 48 | i64::from(self.main_middle) << 32;
        high | i64::from(self.main_low)
    }

    pub(crate) fn is_tombstone(self) -> bool {
        self.kind == Kind::Tombstone
    }

    /// Bytes of the row; 0 for a tombstone.
    pub(crate) fn length(self) -> u32 {
        self.length
    }

    pub(crate) fn revision(self) -> Revision {
        Revision { main: self.main(), sub: i64::from(self.sub) }
    }

    pub(crate) fn row_key(self) -> RevisionKey {
        RevisionKey { revision: self.revision(), tombstone: self.is_tombstone() }
    }
}

/// Four billion changes in one transaction do not fit in memory; on disk the field is 64 bits
/// wide, and a row above the bound is refused when the store is opened, as is one whose main
/// revision is [`MAIN_END`] or more.
fn sub(revision: Revision) -> u32 {
    u32::try_from(revision.sub).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "none that a store counts to")]
    fn no_revision_is_kept_as_another() {
        Version::put(Revision { main: MAIN_END, sub: 0 }, 9);
    }

    #[test]
    fn revisions_come_back() {
        for main in [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x12_3456_789a_bcde, MAIN_END - 1] {
            let revision = Revision { main, sub: 7 };
            assert_eq!(Version::put(revision, 9).revision(), revision);
            assert_eq!(Version::tombstone(revision).main(), main);
        }
        assert_eq!(size_of::<Version>(), 16);
        assert_eq!(size_of::<super::super::History>(), 16);
    }
}
