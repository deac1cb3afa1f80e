//! Two sorted runs as one: what is on disk, and newer words on some of it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

use bytes::Bytes;

use crate::Error;

/// Yields each key once, the overlay's word winning; ends after the first error.
pub(crate) struct Merge<K, D: Iterator<Item = Result<(K, Bytes), Error>>> {
    disk: Peekable<D>,
    over: Peekable<btree_map::IntoIter<K, Option<Bytes>>>,
    failed: bool,
}

impl<K: Ord, D: Iterator<Item = Result<(K, Bytes), Error>>> Merge<K, D> {
    pub(crate) fn new(disk: D, over: BTreeMap<K, Option<Bytes>>) -> Self {
        Self { disk: disk.peekable(), over: over.into_iter().peekable(), failed: false }
    }

    fn overlaid(&mut self) -> Option<Result<(K, Bytes), Error>> {
        loop {
            let order = match (self.disk.peek(), self.over.peek()) {
                (Some(Err(_)), _) | (Some(_), None) => return self.disk.next(),
                (None, None) => return None,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((on_disk, _))), Some((over, _))) => on_disk.cmp(over),
            };
            if order == Ordering::Less {
                return self.disk.next();
            }
            if order == Ordering::Equal {
                self.disk.next();
            }
            if let Some((key, Some(value))) = self.over.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}

impl<K: Ord, D: Iterator<Item = Result<(K, Bytes), Error>>> Iterator for Merge<K, D> {
    type Item = Result<(K, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.overlaid();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(
        disk: &[(u8, &'static str)],
        over: &[(u8, Option<&'static str>)],
    ) -> Vec<(u8, Bytes)> {
        let disk = disk.iter().map(|(k, v)| Ok((*k, Bytes::from_static(v.as_bytes()))));
        let over = over.iter().map(|(k, v)| (*k, v.map(|v| Bytes::from_static(v.as_bytes()))));
        Merge::new(disk, over.collect()).map(|item| item.expect("no errors put in")).collect()
    }

    #[test]
    fn overlay_wins() {
        let pairs = |items: &[(u8, &'static str)]| -> Vec<(u8, Bytes)> {
            items.iter().map(|(k, v)| (*k, Bytes::from_static(v.as_bytes()))).collect()
        };
        assert_eq!(merged(&[], &[]), []);
        assert_eq!(merged(&[(1, "a"), (3, "c")], &[]), pairs(&[(1, "a"), (3, "c")]));
        assert_eq!(merged(&[], &[(1, None), (2, Some("b"))]), pairs(&[(2, "b")]));
        let over = [(0, Some("o")), (1, None), (2, Some("n")), (3, Some("x")), (9, None)];
        let want = [(0, "o"), (2, "n"), (3, "x"), (4, "d")];
        assert_eq!(merged(&[(1, "a"), (3, "c"), (4, "d")], &over), pairs(&want));
    }

    #[test]
    fn an_error_ends_it() {
        let bad = || Error::Engine { path: "x".into(), what: "y".into() };
        let disk = vec![Ok((1, Bytes::new())), Err(bad()), Ok((2, Bytes::new()))];
        let items: Vec<_> = Merge::new(disk.into_iter(), BTreeMap::new()).collect();
        assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    }
}
