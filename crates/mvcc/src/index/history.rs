//! All remembered versions of one key, in the least room that holds them.

use std::slice;

use ketch_base::planted::{self, Bug};
use ketch_base::{Revision, RevisionKey};

use super::version::Version;

/// The state of a key at some revision: where it was written, and since when it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The change that made this state.
    pub revision: Revision,
    /// Main revision of the put that brought the key to life.
    pub create_revision: i64,
    /// Puts since then, that one included.
    pub version: i64,
}

/// When a life of the key began, as main revision, and which put of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) create: i64,
    pub(crate) number: i64,
}

impl Birth {
    fn of(version: Version) -> Self {
        Self { create: version.main(), number: 1 }
    }

    fn later(self, puts: usize) -> Self {
        Self { create: self.create, number: self.number + puts as i64 }
    }
}

/// Versions in ascending order of revision, never empty.
pub(crate) struct History(Form);

enum Form {
    /// One version, the first of its life: nothing beyond it to store.
    First(Version),
    /// One version that compaction left of a longer life.
    Last(Box<(Version, Birth)>),
    Many(Box<Many>),
}

struct Many {
    /// Birth of the oldest version kept.
    base: Birth,
    /// Birth of the newest version; meaningless after a tombstone.
    head: Birth,
    /// Versions before this place are forgotten; they are cut off in bulk.
    start: usize,
    list: Vec<Version>,
}

impl History {
    /// A history of one version. A tombstone may stand alone: compaction at its very revision
    /// keeps it.
    pub(crate) fn new(version: Version, birth: Birth) -> Self {
        if birth == Birth::of(version) && !version.is_tombstone() {
            Self(Form::First(version))
        } else {
            Self(Form::Last(Box::new((version, birth))))
        }
    }

    /// The birth of a put that comes next at `main`.
    pub(crate) fn next_birth(&self, main: i64) -> Birth {
        match self.live() {
            Some(birth) => birth.later(1),
            None => Birth { create: main, number: 1 },
        }
    }

    /// Birth of the newest version, `None` if that is a tombstone.
    pub(crate) fn live(&self) -> Option<Birth> {
        match &self.0 {
            Form::First(version) => Some(Birth::of(*version)),
            Form::Last(last) => (!last.0.is_tombstone()).then_some(last.1),
            Form::Many(many) => (!self.newest().is_tombstone()).then_some(many.head),
        }
    }

    pub(crate) fn newest(&self) -> Version {
        let versions = self.versions();
        versions[versions.len() - 1]
    }

    pub(crate) fn versions(&self) -> &[Version] {
        match &self.0 {
            Form::First(version) => slice::from_ref(version),
            Form::Last(last) => slice::from_ref(&last.0),
            Form::Many(many) => &many.list[many.start..],
        }
    }

    /// Place of the newest version at or before `main`.
    pub(crate) fn place(&self, main: i64) -> Option<usize> {
        let versions = self.versions();
        if self.newest().main() <= main {
            return Some(versions.len() - 1);
        }
        versions.partition_point(|version| version.main() <= main).checked_sub(1)
    }

    /// The version a reader at `main` sees, with its place.
    pub(crate) fn seen(&self, main: i64) -> Option<(usize, Version)> {
        let place = self.place(main)?;
        let version = self.versions()[place];
        (!version.is_tombstone()).then_some((place, version))
    }

    /// Birth of the put at `place`.
    pub(crate) fn birth(&self, place: usize) -> Birth {
        let many = match &self.0 {
            Form::First(version) => return Birth::of(*version),
            Form::Last(last) => return last.1,
            Form::Many(many) => many,
        };
        if place + 1 == self.versions().len() { many.head } else { self.walk_birth(place) }
    }

    fn walk_birth(&self, place: usize) -> Birth {
        let versions = self.versions();
        match versions[..place].iter().rposition(|version| version.is_tombstone()) {
            Some(stone) => Birth::of(versions[stone + 1]).later(place - stone - 1),
            None => self.base().later(place),
        }
    }

    pub(crate) fn state(&self, place: usize) -> KeyState {
        let birth = self.birth(place);
        let revision = self.versions()[place].revision();
        KeyState { revision, create_revision: birth.create, version: birth.number }
    }

    /// Appends a version. `birth` is [`History::next_birth`] for a put, anything for a tombstone.
    pub(crate) fn push(&mut self, version: Version, birth: Birth) {
        if let Form::Many(many) = &mut self.0 {
            many.list.push(version);
            many.head = birth;
            return;
        }
        let mut list = Vec::with_capacity(2);
        list.extend_from_slice(self.versions());
        list.push(version);
        let many = Many { base: self.base(), head: birth, start: 0, list };
        self.0 = Form::Many(Box::new(many));
    }

    /// Takes the newest version back; `false` if it was the only one.
    pub(crate) fn pop(&mut self) -> bool {
        let left = self.versions().len() - 1;
        if left == 0 {
            return false;
        }
        let head = self.walk_birth(left - 1);
        if let Form::Many(many) = &mut self.0 {
            many.list.pop();
            many.head = head;
        }
        self.shrink();
        true
    }

    /// Forgets what nobody at or after `at` can see, oldest first, at most `most` versions, and
    /// adds them to `removed`. A tombstone at exactly `at` stays, an older one goes.
    pub(crate) fn compact(&mut self, at: i64, most: usize, removed: &mut Vec<RevisionKey>) -> Rest {
        let Some(place) = self.place(at) else { return Rest::Clean };
        let versions = self.versions();
        let version = versions[place];
        let ends = version.is_tombstone() && version.main() < at;
        let due = place + usize::from(ends || planted::is(Bug::CompactedLive));
        let count = due.min(most);
        removed.extend(versions[..count].iter().map(|version| version.row_key()));
        if count == versions.len() {
            return Rest::Gone;
        }
        self.forget(count);
        if count < due { Rest::More } else { Rest::Clean }
    }

    fn forget(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let base = self.walk_birth(count);
        if let Form::Many(many) = &mut self.0 {
            many.base = base;
            many.start += count;
            if many.start * 2 > many.list.len() {
                many.list.drain(..many.start);
                many.list.shrink_to(many.list.len() * 2);
                many.start = 0;
            }
        }
        self.shrink();
    }

    /// Back to the short forms when one version is left.
    fn shrink(&mut self) {
        if let (Form::Many(many), [only]) = (&self.0, self.versions()) {
            *self = Self::new(*only, many.base);
        }
    }

    fn base(&self) -> Birth {
        match &self.0 {
            Form::First(version) => Birth::of(*version),
            Form::Last(last) => last.1,
            Form::Many(many) => many.base,
        }
    }

    /// Bytes held outside of the history itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::First(_) => 0,
            Form::Last(_) => size_of::<(Version, Birth)>(),
            Form::Many(many) => size_of::<Many>() + many.list.capacity() * size_of::<Version>(),
        }
    }
}

/// What compaction leaves of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing more to forget.
    Clean,
    /// The bound was reached first.
    More,
    /// No version is left.
    Gone,
}
