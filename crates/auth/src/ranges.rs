//! A set of keys, made of ranges.

use bytes::Bytes;
use ketch_base::KeyRange;

use crate::backward::Backward;

/// Keys from `start` up to and without `end`; `None` is the end of the key space.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    start: Bytes,
    end: Option<Bytes>,
}

/// The union of ranges: sorted spans with a gap between each and the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    spans: Vec<Span>,
    backward: Backward,
}

impl Ranges {
    /// Ranges, overlapping or not, in the order of the permissions that they are. What begins
    /// with the empty key, or holds none, adds nothing but for ranges that end before they begin.
    pub(crate) fn new(ranges: impl IntoIterator<Item = KeyRange>) -> Self {
        let mut spans = Vec::new();
        let mut backward = Backward::default();
        for range in ranges {
            let span = span(range);
            backward.insert(span.start.clone(), span.end.clone().unwrap_or_default());
            if holds_keys(&span) {
                spans.push(span);
            }
        }
        spans.sort_by(|one, other| one.start.cmp(&other.start));
        let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if reaches(last.end.as_deref(), &span.start) => {
                    if ends_before(last.end.as_deref(), span.end.as_deref()) {
                        last.end = span.end;
                    }
                }
                _ => merged.push(span),
            }
        }
        Self { spans: merged, backward }
    }

    /// Whether every key of `range` is in the set. For a range that holds no key, its first key
    /// has to be, and found in [`Backward`]. The empty key never is: etcd's tree takes it for the
    /// end of the key space.
    pub(crate) fn cover(&self, range: &KeyRange) -> bool {
        let Some(around) = self.around(range.start()) else { return false };
        match range {
            KeyRange::Key(_) => true,
            KeyRange::HalfOpen(key, end) if end <= key => self.backward.cover(key, end),
            KeyRange::HalfOpen(_, end) => !ends_before(around.end.as_deref(), Some(end.as_ref())),
            KeyRange::From(_) => around.end.is_none(),
        }
    }

    /// The span that holds `key`.
    fn around(&self, key: &[u8]) -> Option<&Span> {
        let after = self.spans.partition_point(|span| span.start.as_ref() <= key);
        let span = self.spans.get(after.checked_sub(1)?)?;
        span.end.as_deref().is_none_or(|end| key < end).then_some(span)
    }
}

/// A single key is the range up to the next possible key.
fn span(range: KeyRange) -> Span {
    match range {
        KeyRange::Key(key) => {
            let next: Bytes = key.iter().copied().chain([0]).collect();
            Span { start: key, end: Some(next) }
        }
        KeyRange::HalfOpen(start, end) => Span { start, end: Some(end) },
        KeyRange::From(start) => Span { start, end: None },
    }
}

fn holds_keys(span: &Span) -> bool {
    !span.start.is_empty() && span.end.as_ref().is_none_or(|end| span.start < end)
}

/// Whether what ends at `end` leaves no gap before `start`.
fn reaches(end: Option<&[u8]>, start: &[u8]) -> bool {
    end.is_none_or(|end| start <= end)
}

fn ends_before(end: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (end, other) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(end), Some(other)) => end < other,
    }
}
