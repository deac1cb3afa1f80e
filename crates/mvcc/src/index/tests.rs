//! The index against a twin: a sorted map with every version, kept naively.
//!
//! Nodes are tiny here (see `bounds`), so a few hundred keys make a deep tree. After every
//! change the tree is checked from root to leaves; ranges, counts and sizes are compared at
//! revisions old and new, in chunks, while a compaction stands half done.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::node::{Child, Node};
use super::*;
use crate::bounds;
use crate::row;

#[derive(Clone, Debug)]
enum Op {
    Put(u16),
    PutRun(u16, u8),
    Delete(u16),
    DeleteRun(u16, u8),
    Undone(u16, bool),
    Compact(u8),
    Sweep,
    Rebuild,
    Look { from: u16, to: Option<u16>, at: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..400_u16;
    prop_oneof![
        6 => key.clone().prop_map(Op::Put),
        2 => (key.clone(), 1..40_u8).prop_map(|(k, n)| Op::PutRun(k, n)),
        3 => key.clone().prop_map(Op::Delete),
        1 => (key.clone(), 1..40_u8).prop_map(|(k, n)| Op::DeleteRun(k, n)),
        1 => (key.clone(), any::<bool>()).prop_map(|(k, put)| Op::Undone(k, put)),
        1 => any::<u8>().prop_map(Op::Compact),
        3 => Just(Op::Sweep),
        1 => Just(Op::Rebuild),
        4 => (key.clone(), proptest::option::of(key), any::<u8>())
            .prop_map(|(from, to, at)| Op::Look { from, to, at }),
    ]
}

fn name(key: u16) -> Vec<u8> {
    // Some are short, some long enough to be boxed.
    let tail = if key.is_multiple_of(3) { "-with-a-tail-that-is-boxed" } else { "" };
    format!("{key:03}{tail}").into_bytes()
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Put {
    main: i64,
    length: u32,
    birth: Option<Birth>,
}

#[derive(Default)]
struct Pair {
    index: Index,
    twin: BTreeMap<Vec<u8>, Vec<Put>>,
    main: i64,
    compacted: i64,
    /// A compaction under way: its revision, and where it goes on.
    sweep: Option<(i64, Option<Key>)>,
    /// Main revisions that it must leave.
    keep: Vec<i64>,
}

impl Pair {
    fn run(&mut self, op: &Op) {
        match *op {
            Op::Put(key) => self.put(key),
            Op::PutRun(key, count) => (key..key + u16::from(count)).for_each(|k| self.put(k)),
            Op::Delete(key) => self.delete(key),
            Op::DeleteRun(key, count) => (key..key + u16::from(count)).for_each(|k| self.delete(k)),
            Op::Undone(key, put) => self.undone(key, put),
            Op::Compact(share) => self.compact(share),
            Op::Sweep => self.sweep_step(),
            Op::Rebuild => self.rebuild(),
            Op::Look { from, to, at } => self.look(from, to, at),
        }
        let summary = check_node(&self.index.root, None, None, true);
        assert_same(self.index.summary, summary);
    }

    fn put(&mut self, key: u16) {
        self.main += 1;
        let (key, revision) = (name(key), Revision { main: self.main, sub: 0 });
        let length = 20 + (self.main % 200) as u32;
        let what = What::Put(&|_| length as usize);
        let outcome = self.index.change(&Change { key: &key, revision, what });
        let versions = self.twin.entry(key).or_default();
        let live = versions.last().and_then(|put| put.birth);
        let birth = match live {
            Some(birth) => Birth { number: birth.number + 1, ..birth },
            None => Birth { create: self.main, number: 1 },
        };
        assert_eq!(outcome.birth, Some(birth));
        assert_eq!(outcome.previous.is_some(), live.is_some());
        versions.push(Put { main: self.main, length, birth: Some(birth) });
    }

    fn delete(&mut self, key: u16) {
        let (key, revision) = (name(key), Revision { main: self.main + 1, sub: 0 });
        let outcome = self.index.change(&Change { key: &key, revision, what: What::Delete });
        let alive = self
            .twin
            .get_mut(&key)
            .filter(|puts| puts.last().is_some_and(|put| put.birth.is_some()));
        assert_eq!(outcome.previous.is_some(), alive.is_some());
        if let Some(versions) = alive {
            self.main += 1;
            versions.push(Put { main: self.main, length: 0, birth: None });
        }
    }

    /// A change that is taken back leaves nothing behind.
    fn undone(&mut self, key: u16, put: bool) {
        let (key, revision) = (name(key), Revision { main: self.main + 1, sub: 0 });
        let before = self.index.summary;
        let what = if put { What::Put(&|_| 99) } else { What::Delete };
        self.index.change(&Change { key: &key, revision, what });
        self.index.change(&Change { key: &key, revision, what: What::Undo });
        assert_same(self.index.summary, before);
        let twin = self.twin.get(&key).and_then(|puts| puts.last()).map(|put| put.main);
        assert_eq!(self.index.history(&key).map(|h| h.newest().main()), twin);
    }

    fn compact(&mut self, share: u8) {
        if self.sweep.is_none() {
            self.compacted += (self.main - self.compacted) * i64::from(share) / 255;
            self.sweep = Some((self.compacted, None));
            self.keep = self.kept(self.compacted);
        }
    }

    fn sweep_step(&mut self) {
        let Some((at, from)) = self.sweep.take() else { return };
        let mut step = Sweep { at, budget_keys: 9, budget_rows: 5, removed: Vec::new() };
        let next = self.index.sweep(from.as_ref(), &mut step);
        assert!(step.removed.len() <= 5);
        for removed in step.removed {
            let found = self.twin.values().flatten().any(|put| {
                put.main == removed.revision.main && put.birth.is_none() == removed.tombstone
            });
            assert!(found, "{removed:?} was removed and never put, or twice");
            self.twin
                .values_mut()
                .for_each(|puts| puts.retain(|p| p.main != removed.revision.main));
        }
        self.twin.retain(|_, puts| !puts.is_empty());
        match next {
            Some(next) => self.sweep = Some((at, Some(next))),
            None => self.check_swept(at),
        }
    }

    /// What the rules keep at or below a revision: of each key the newest, but no tombstone
    /// from before it.
    fn kept(&self, at: i64) -> Vec<i64> {
        let newest = |puts: &Vec<Put>| puts.iter().rfind(|put| put.main <= at).copied();
        let kept = self.twin.values().filter_map(newest);
        let mut kept: Vec<i64> =
            kept.filter(|put| put.birth.is_some() || put.main == at).map(|put| put.main).collect();
        kept.sort_unstable();
        kept
    }

    fn check_swept(&self, at: i64) {
        let mut left: Vec<i64> = self.twin.values().flatten().map(|put| put.main).collect();
        left.retain(|main| *main <= at);
        left.sort_unstable();
        assert_eq!(left, self.keep);
    }

    fn rebuild(&mut self) {
        let mut builder = Builder::default();
        for (key, puts) in &self.twin {
            let mut history: Option<History> = None;
            for put in puts {
                let revision = Revision { main: put.main, sub: 0 };
                let (version, birth) = match put.birth {
                    Some(birth) => (Version::put(revision, put.length), birth),
                    None => (Version::tombstone(revision), Birth { create: 0, number: 0 }),
                };
                match &mut history {
                    Some(history) => history.push(version, birth),
                    None => history = Some(History::new(version, birth)),
                }
            }
            let history = history.expect("the twin keeps no empty list");
            builder.push(Entry { key: Key::new(key), history });
        }
        self.index = builder.finish();
    }

    fn look(&self, from: u16, to: Option<u16>, at: u8) {
        let at = self.compacted + (self.main - self.compacted) * i64::from(at) / 255;
        let (from, to) = (name(from), to.map(name));
        let inside = |key: &[u8]| key >= &from[..] && to.as_ref().is_none_or(|to| key < &to[..]);
        let mut expected = Vec::new();
        for (key, puts) in self.twin.iter().filter(|(key, _)| inside(key)) {
            let put = puts.iter().rfind(|put| put.main <= at);
            let state = put.and_then(|put| put.birth.map(|birth| (put, birth)));
            let found = self.index.state(key, at);
            assert_eq!(
                found.map(|s| (s.revision.main, s.create_revision, s.version)),
                state.map(|(put, birth)| (put.main, birth.create, birth.number))
            );
            expected.extend(state.map(|(put, birth)| (key.clone(), *put, birth)));
        }
        let span = Span { from: &from, end: to.as_deref() };
        let mut all = Seen { at, found: Vec::new(), count: 0, bytes: 0, skip: false };
        walk_all(&self.index, span, &mut all);
        let bytes: u64 = expected.iter().map(|(_, put, _)| row::kvs_bytes(put.length)).sum();
        assert_eq!(all.found, expected);
        let mut tally = Seen { at, found: Vec::new(), count: 0, bytes: 0, skip: true };
        walk_all(&self.index, span, &mut tally);
        assert_eq!((tally.count, tally.bytes), (expected.len() as u64, bytes));
    }
}

fn walk_all(index: &Index, span: Span<'_>, seen: &mut Seen) {
    let mut next = index.walk(span, bounds::CHUNK_KEYS, seen);
    while let Some(from) = next {
        let rest = Span { from: from.as_slice(), ..span };
        next = index.walk(rest, bounds::CHUNK_KEYS, seen);
    }
}

struct Seen {
    at: i64,
    found: Vec<(Vec<u8>, Put, Birth)>,
    count: u64,
    bytes: u64,
    skip: bool,
}

impl Visit for Seen {
    fn subtree(&mut self, summary: &Summary) -> bool {
        let known = self.skip && summary.newest <= self.at;
        if known {
            self.count += summary.live;
            self.bytes += summary.bytes;
        }
        known
    }

    fn entry(&mut self, entry: &Entry) -> bool {
        if let Some((place, version)) = entry.history.seen(self.at) {
            let birth = entry.history.birth(place);
            let (main, length) = (version.main(), version.length());
            let put = Put { main, length, birth: Some(birth) };
            self.found.push((entry.key.as_slice().to_vec(), put, birth));
            self.count += 1;
            self.bytes += row::kvs_bytes(length);
        }
        true
    }
}

/// Every invariant of the tree; returns the true summary.
fn check_node(node: &Node, from: Option<&[u8]>, to: Option<&[u8]>, root: bool) -> Summary {
    let inside = |key: &[u8]| from.is_none_or(|f| f <= key) && to.is_none_or(|t| key < t);
    match node {
        Node::Leaf(entries) => {
            assert!(entries.len() <= bounds::LEAF_KEYS);
            assert!(entries.windows(2).all(|w| w[0].key.as_slice() < w[1].key.as_slice()));
            assert!(entries.iter().all(|entry| inside(entry.key.as_slice())));
        }
        Node::Branch(children) => {
            assert!(!children.is_empty() && children.len() <= bounds::BRANCH_CHILDREN);
            assert!(!root || children.len() > 1);
            assert!(children.windows(2).all(|w| depth(&w[0].node) == depth(&w[1].node)));
            for (place, child) in children.iter().enumerate() {
                let end = children.get(place + 1).map(|next| next.first.as_slice()).or(to);
                check_child(child, end);
                assert!(inside(child.first.as_slice()));
            }
        }
    }
    Summary::of(node)
}

fn check_child(child: &Child, end: Option<&[u8]>) {
    let truth = check_node(&child.node, Some(child.first.as_slice()), end, false);
    assert_same(child.summary, truth);
}

fn assert_same(summary: Summary, truth: Summary) {
    assert!(summary.newest >= truth.newest);
    assert_eq!(Summary { newest: 0, ..summary }, Summary { newest: 0, ..truth });
}

fn depth(node: &Node) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Branch(children) => 1 + depth(&children[0].node),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_is_its_twin(ops in prop::collection::vec(op(), 1..150)) {
        let mut pair = Pair { main: 1, ..Pair::default() };
        for op in &ops {
            pair.run(op);
        }
        while pair.sweep.is_some() {
            pair.run(&Op::Sweep);
        }
        pair.run(&Op::Look { from: 0, to: None, at: 255 });
    }
}

#[test]
fn ascending_keys_fill_their_leaves() {
    let mut pair = Pair { main: 1, ..Pair::default() };
    (0..300).for_each(|key| pair.put(key));
    let leaves = count_leaves(&pair.index.root);
    assert_eq!(leaves, 300_usize.div_ceil(bounds::LEAF_KEYS));
}

#[test]
fn scattered_keys_leave_a_third_of_their_leaves_empty_at_most() {
    let mut pair = Pair { main: 1, ..Pair::default() };
    for key in 0..400_u16 {
        // 241 shares no divisor with 400: each key comes once.
        pair.put((u32::from(key) * 241 % 400) as u16);
        let leaves = count_leaves(&pair.index.root);
        let full = usize::from(key + 1).div_ceil(bounds::LEAF_KEYS);
        // Two, as branches divide them into groups that do not help each other.
        assert!(leaves <= full * 3 / 2 + 2, "{leaves} leaves for {} keys", key + 1);
    }
}

fn count_leaves(node: &Node) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Branch(children) => children.iter().map(|child| count_leaves(&child.node)).sum(),
    }
}
