//! Which entries of which terms the log holds, as far as it was read: enough to notice when what
//! was read no longer counts.
//!
//! A leader may replace the end of a log, and a received snapshot the whole of it. The first shows
//! as an index that comes again, the second as a mark at a place where the log has another term.
//! Entries behind such a place are on disk still and belong to a history that never was.

/// Terms by index, in runs.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    /// First index and term of each run. Invariant: indexes ascend.
    runs: Vec<(u64, u64)>,
    /// The last entry read; 0 before the first.
    last: u64,
}

impl Branch {
    /// An entry was read; `true` if it replaces others.
    pub(crate) fn push(&mut self, index: u64, term: u64) -> bool {
        let replaces = index <= self.last;
        while self.runs.last().is_some_and(|(first, _)| *first >= index) {
            self.runs.pop();
        }
        // Behind a gap nothing is known of what is before it.
        if index > self.last + 1 {
            self.runs.clear();
        }
        if self.runs.last().is_none_or(|(_, of)| *of != term) {
            self.runs.push((index, term));
        }
        self.last = index;
        replaces
    }

    /// A mark was read; `true` if the entries read so far do not lead to it.
    pub(crate) fn mark(&mut self, index: u64, term: u64) -> bool {
        let differs = self.term(index).is_some_and(|of| of != term);
        if differs || index > self.last {
            self.runs.clear();
            self.runs.push((index, term));
            self.last = index;
        }
        differs
    }

    /// The term of the entry (or mark) at `index`; `None` if it is not known.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index > self.last {
            return None;
        }
        self.runs.iter().rev().find(|(first, _)| *first <= index).map(|(_, term)| *term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_what() {
        // Steps: an entry `(index, term)` or a mark `(-index, term)`, and whether it cuts.
        let check = |steps: &[(i64, u64, bool)]| {
            let mut branch = Branch::default();
            for (index, term, cuts) in steps {
                let place = index.unsigned_abs();
                let cut =
                    if *index > 0 { branch.push(place, *term) } else { branch.mark(place, *term) };
                assert_eq!(cut, *cuts, "{index} of {steps:?}");
                assert!(branch.term(place).is_none_or(|of| of == *term), "{steps:?}");
            }
        };
        check(&[(5, 1, false), (6, 1, false), (7, 2, false), (6, 3, true), (7, 3, false)]);
        // An own mark, within what was read or before it.
        check(&[(5, 1, false), (6, 1, false), (-5, 1, false), (-3, 1, false), (7, 1, false)]);
        // A received one, on another branch, and what follows it.
        check(&[(5, 1, false), (6, 3, false), (7, 3, false), (-6, 2, true), (7, 4, false)]);
        // A received one far ahead.
        check(&[(5, 1, false), (-9, 2, false), (10, 2, false), (-9, 2, false), (-10, 2, false)]);
    }
}
