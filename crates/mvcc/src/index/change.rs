//! One change to the index: from the root to a leaf and back, summaries mended on the way.

use ketch_base::Revision;

use super::Index;
use super::history::{Birth, History, KeyState};
use super::key::Key;
use super::node::{self, Child, Entry, Node, Summary};
use super::version::Version;

/// What happens to which key, and as what revision.
pub(crate) struct Change<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) revision: Revision,
    pub(crate) what: What<'a>,
}

/// The three things that can happen to a key.
pub(crate) enum What<'a> {
    /// A new version. The length of its row depends on its birth, which only the index knows.
    Put(&'a dyn Fn(Birth) -> usize),
    /// The end of its life; nothing happens to a key that is not alive.
    Delete,
    /// The version of exactly this revision is taken back.
    Undo,
}

/// What a change found and made.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The state before, if the key was alive.
    pub(crate) previous: Option<KeyState>,
    /// Birth of the version made, for a put.
    pub(crate) birth: Option<Birth>,
}

/// How a node came out of a change.
#[derive(Default)]
struct Effect {
    before: Summary,
    after: Summary,
    /// A right sibling that was split off. The summaries above include it.
    split: Option<Child>,
}

impl Index {
    pub(crate) fn change(&mut self, change: &Change<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let effect = descend(&mut self.root, change, &mut outcome);
        self.summary.exchange(effect.before, effect.after);
        if let Some(right) = effect.split {
            self.grow(right);
        }
        outcome
    }
}

fn descend(node: &mut Node, change: &Change<'_>, outcome: &mut Outcome) -> Effect {
    let children = match node {
        Node::Leaf(entries) => return change_leaf(entries, change, outcome),
        Node::Branch(children) => children,
    };
    let place = node::child_of(children, change.key);
    let child = &mut children[place];
    let mut effect = descend(&mut child.node, change, outcome);
    if place == 0 && outcome.birth.is_some() && change.key < child.first.as_slice() {
        child.first = Key::new(change.key);
    }
    match effect.split.take() {
        None => child.summary.exchange(effect.before, effect.after),
        Some(right) => {
            child.summary = Summary::of(&child.node);
            effect.split = node::insert_child(children, place + 1, right);
        }
    }
    effect
}

fn change_leaf(entries: &mut Vec<Entry>, change: &Change<'_>, outcome: &mut Outcome) -> Effect {
    match node::entry_of(entries, change.key) {
        Ok(place) => change_entry(entries, place, change, outcome),
        Err(place) => match change.what {
            What::Put(length) => add_entry(entries, place, change, length, outcome),
            What::Delete | What::Undo => Effect::default(),
        },
    }
}

fn add_entry(
    entries: &mut Vec<Entry>,
    place: usize,
    change: &Change<'_>,
    length: &dyn Fn(Birth) -> usize,
    outcome: &mut Outcome,
) -> Effect {
    let birth = Birth { create: change.revision.main, number: 1 };
    outcome.birth = Some(birth);
    let version = Version::put(change.revision, row_length(length(birth)));
    let entry = Entry { key: Key::new(change.key), history: History::new(version, birth) };
    let after = entry.summary();
    let split = node::insert_entry(entries, place, entry);
    Effect { before: Summary::default(), after, split }
}

fn change_entry(
    entries: &mut Vec<Entry>,
    place: usize,
    change: &Change<'_>,
    outcome: &mut Outcome,
) -> Effect {
    let entry = &mut entries[place];
    let before = entry.summary();
    let history = &mut entry.history;
    outcome.previous = history.live().map(|_| history.state(history.versions().len() - 1));
    match change.what {
        What::Put(length) => {
            let birth = history.next_birth(change.revision.main);
            outcome.birth = Some(birth);
            history.push(Version::put(change.revision, row_length(length(birth))), birth);
        }
        What::Delete if outcome.previous.is_some() => {
            history.push(Version::tombstone(change.revision), Birth { create: 0, number: 0 });
        }
        What::Undo if history.newest().revision() == change.revision && !history.pop() => {
            entries.remove(place);
            return Effect { before, after: Summary::default(), split: None };
        }
        What::Delete | What::Undo => {}
    }
    Effect { before, after: entries[place].summary(), split: None }
}

/// A row of four gigabytes cannot arrive: messages are bounded far below.
fn row_length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
