//! Random writes and watches against plain lists: ordered, unique, reliable, atomic.

use std::collections::BTreeMap;

use ketch_base::KeyRange;
use proptest::prelude::*;

use super::driver::{Driver, show_event, small};
use crate::watch::{Create, Output, StreamId};

#[derive(Clone, Debug)]
enum Op {
    Write(Vec<(bool, u8, usize)>),
    Watch {
        stream: usize,
        create: Create,
        offset: i64,
    },
    Cancel {
        stream: usize,
        pick: usize,
    },
    Take {
        stream: usize,
        bytes: usize,
    },
    Progress {
        stream: usize,
    },
    Compact {
        back: i64,
    },
    CatchUp,
    Tick,
    /// From now on a leader goes on alone.
    Lose,
    /// Its database comes, or (again) its history is taken up.
    Snapshot,
}

/// Where the member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Present,
    Lost,
    /// Another database is there already.
    Between,
}

fn key() -> impl Strategy<Value = String> {
    (0..6_u8).prop_map(|n| char::from(b'a' + n).to_string())
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(|key| KeyRange::Key(key.into())),
        (key(), key()).prop_map(|(from, to)| KeyRange::HalfOpen(from.into(), to.into())),
        key().prop_map(|key| KeyRange::From(key.into())),
    ]
}

fn create() -> impl Strategy<Value = Create> {
    (range(), any::<[bool; 5]>()).prop_map(|(range, [notify, puts, deletes, prev, fragment])| {
        Create {
            watch_id: 0,
            range,
            start_revision: 0,
            progress_notify: notify,
            no_put: puts && !deletes,
            no_delete: deletes && !puts,
            prev_kv: prev,
            fragment,
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let change = (prop::bool::weighted(0.3), 0..6_u8, 0..150_usize);
    prop_oneof![
        8 => prop::collection::vec(change, 1..5).prop_map(Op::Write),
        3 => (0..3_usize, create(), -20..4_i64)
            .prop_map(|(stream, create, offset)| Op::Watch { stream, create, offset }),
        1 => (0..3_usize, any::<usize>()).prop_map(|(stream, pick)| Op::Cancel { stream, pick }),
        4 => (0..3_usize, 0..2_000_usize).prop_map(|(stream, bytes)| Op::Take { stream, bytes }),
        1 => (0..3_usize).prop_map(|stream| Op::Progress { stream }),
        1 => (0..15_i64).prop_map(|back| Op::Compact { back }),
        6 => Just(Op::CatchUp),
        1 => Just(Op::Tick),
        1 => Just(Op::Lose),
        1 => Just(Op::Snapshot),
    ]
}

/// A change as every watch would be told it.
struct Change {
    main: i64,
    key: String,
    tombstone: bool,
    plain: String,
    full: String,
}

/// What a watch must still be told.
struct Expected {
    create: Create,
    next: i64,
    /// The first change of the open revision that was not yet told, in fragments.
    inside: Option<usize>,
}

struct Twin {
    driver: Driver,
    streams: Vec<StreamId>,
    history: Vec<Change>,
    alive: BTreeMap<String, (usize, i64, i64, i64)>,
    watches: BTreeMap<(usize, i64), Expected>,
    created: Vec<Vec<(Create, i64)>>,
    standing: Standing,
    /// The last compaction, wherever it was made.
    compacted: i64,
}

impl Twin {
    fn new() -> Self {
        let mut driver = Driver::new(small());
        let streams = (0..3).map(|_| driver.hub.open_stream()).collect();
        let created = (0..3).map(|_| Vec::new()).collect();
        let (history, alive) = (Vec::new(), BTreeMap::new());
        Self {
            driver,
            streams,
            history,
            alive,
            watches: BTreeMap::new(),
            created,
            standing: Standing::Present,
            compacted: -1,
        }
    }

    fn run(&mut self, op: Op) {
        let now = self.driver.hub.revision();
        match op {
            Op::Write(changes) => self.write(changes),
            Op::Watch { stream, mut create, offset } => {
                create.start_revision = (now + offset).max(0);
                self.driver.hub.create(self.streams[stream], create.clone());
                if !create.range.is_empty() {
                    let start = create.start_revision;
                    let start = if start == 0 { now + 1 } else { start };
                    self.created[stream].push((create, start));
                }
            }
            Op::Cancel { stream, pick } => {
                let ids: Vec<i64> =
                    self.watches.keys().filter(|(s, _)| *s == stream).map(|(_, id)| *id).collect();
                if let Some(at) = pick.checked_rem(ids.len()) {
                    self.driver.hub.cancel(self.streams[stream], ids[at]);
                }
            }
            Op::Take { stream, bytes } => self.take(stream, bytes),
            Op::Progress { stream } => self.driver.hub.request_progress(self.streams[stream]),
            Op::Compact { back } => self.compact(self.newest() - back),
            Op::CatchUp => {
                self.driver.hub.catch_up().expect("readable");
            }
            Op::Tick => self.driver.hub.tick_progress(),
            Op::Lose if self.standing == Standing::Present => self.standing = Standing::Lost,
            Op::Lose => {}
            Op::Snapshot => self.snapshot(),
        }
    }

    /// The last revision, wherever it was made.
    fn newest(&self) -> i64 {
        self.history.last().map_or(1, |change| change.main)
    }

    fn compact(&mut self, at: i64) {
        if at <= self.compacted.max(0) {
            return;
        }
        match self.standing {
            Standing::Present => self.driver.compact(at),
            Standing::Lost => self.driver.command(&format!("leader compact {at}")),
            Standing::Between => return,
        }
        self.compacted = at;
    }

    fn snapshot(&mut self) {
        match self.standing {
            Standing::Present => {}
            Standing::Lost => {
                // It is begun by its first line.
                self.driver.command("leader del nothing");
                self.driver.command("install");
                self.standing = Standing::Between;
            }
            Standing::Between => {
                self.driver.command("reload");
                self.standing = Standing::Present;
                assert_eq!(self.driver.hub.revision(), self.newest());
            }
        }
    }

    fn write(&mut self, changes: Vec<(bool, u8, usize)>) {
        if self.standing == Standing::Between {
            return;
        }
        let main = self.newest() + 1;
        let mut ops: BTreeMap<u8, String> = BTreeMap::new();
        for (delete, letter, bytes) in changes {
            let key = char::from(b'a' + letter).to_string();
            if ops.contains_key(&letter) || delete && !self.alive.contains_key(&key) {
                continue;
            }
            let gone = delete.then(|| self.alive.remove(&key)).flatten();
            let (plain, was) = match gone {
                Some((bytes, modified, ..)) => {
                    ops.insert(letter, format!("del {key}"));
                    (format!("[-{key} m{main}"), Some((bytes, modified)))
                }
                None => {
                    ops.insert(letter, format!("put {key} v*{bytes}"));
                    let old = self.alive.get(&key).copied();
                    let (created, version) = old.map_or((main, 1), |(_, _, c, v)| (c, v + 1));
                    self.alive.insert(key.clone(), (bytes, main, created, version));
                    let value = value(bytes);
                    let plain = format!("[{key}={value} c{created} m{main} v{version}");
                    (plain, old.map(|(bytes, modified, ..)| (bytes, modified)))
                }
            };
            let was = was.map_or(String::new(), |(b, m)| format!(" was {}@{m}", value(b)));
            let (full, plain) = (format!("{plain}{was}]"), format!("{plain}]"));
            self.history.push(Change { main, key, tombstone: delete, plain, full });
        }
        // The store orders the changes of a transaction as they come.
        let order =
            self.history.iter().filter(|c| c.main == main).map(|c| c.key.as_bytes()[0] - b'a');
        let line: Vec<String> = order.map(|letter| ops[&letter].clone()).collect();
        match self.standing {
            _ if line.is_empty() => {}
            Standing::Present => self.driver.write(&line.join("; ")),
            _ => self.driver.command(&format!("leader {}", line.join("; "))),
        }
    }

    fn take(&mut self, stream: usize, bytes: usize) {
        for output in self.driver.hub.take(self.streams[stream], bytes) {
            self.told(stream, output);
        }
    }

    fn told(&mut self, stream: usize, output: Output) {
        match output {
            Output::Created { watch_id, .. } => {
                let (create, next) = self.created[stream].remove(0);
                self.watches.insert((stream, watch_id), Expected { create, next, inside: None });
            }
            Output::Canceled { watch_id: -1, created, .. } => assert!(created),
            Output::Canceled { watch_id, compact_revision, .. } => {
                let gone = self.watches.remove(&(stream, watch_id));
                if compact_revision > 0 {
                    let next = gone.expect("canceled once").next;
                    assert!(next <= compact_revision, "{next} was not compacted");
                }
            }
            Output::Progress { watch_id: -1, revision } => {
                let all: Vec<_> =
                    self.watches.keys().filter(|(s, _)| *s == stream).copied().collect();
                for key in all {
                    self.progress(key, revision);
                }
            }
            Output::Progress { watch_id, revision } => self.progress((stream, watch_id), revision),
            Output::Events { watch_id, revision, events, fragment } => {
                let events: Vec<_> = events.iter().map(|bytes| show_event(bytes)).collect();
                self.events((stream, watch_id), revision, &events, fragment);
            }
        }
    }

    /// Nothing up to a revision that was announced may be still to come.
    fn progress(&mut self, key: (usize, i64), revision: i64) {
        let expected = &self.watches[&key];
        let due = self.due(expected).find(|(_, change)| change.main <= revision);
        assert!(due.is_none(), "{key:?} was told {revision} before {:?}", due.map(|d| &d.1.full));
        self.watches.get_mut(&key).expect("just read").next = revision + 1;
    }

    fn due<'a>(&'a self, watch: &'a Expected) -> impl Iterator<Item = (usize, &'a Change)> {
        self.history.iter().enumerate().filter(move |(place, change)| {
            change.main >= watch.next
                && watch.inside.is_none_or(|first| *place >= first)
                && watch.create.range.contains(change.key.as_bytes())
                && if change.tombstone { !watch.create.no_delete } else { !watch.create.no_put }
        })
    }

    fn events(&mut self, key: (usize, i64), revision: i64, told: &[String], fragment: bool) {
        let watch = &self.watches[&key];
        let due: Vec<_> = self.due(watch).collect();
        assert!(told.len() <= due.len(), "{key:?}: told too much {told:?}");
        for (event, (_, change)) in told.iter().zip(&due) {
            // What was before is gone for the first of a watch that began late, and for one at
            // the compaction of a snapshot.
            let first = change.main == watch.create.start_revision;
            let gone = first || change.main <= self.compacted;
            let full = watch.create.prev_kv && (event == &change.full || !gone);
            assert_eq!(event, if full { &change.full } else { &change.plain });
            assert!(change.main <= revision);
        }
        let (_, last) = due[told.len() - 1];
        let rest = due.get(told.len()).filter(|(_, change)| change.main == last.main);
        assert!(!fragment || watch.create.fragment);
        // A response of several revisions that is cut may be cut between two of them, marked all
        // the same (etcd): the mark says that the response goes on, whatever comes next in it.
        assert!(fragment || rest.is_none(), "a revision is split only with a mark");
        let (next, inside) = match rest {
            Some((place, change)) => (change.main, Some(*place)),
            None => (last.main + 1, None),
        };
        let watch = self.watches.get_mut(&key).expect("just read");
        (watch.next, watch.inside) = (next, inside);
    }

    /// Everything left is told in the end, to every watch that is still there.
    fn finish(mut self) {
        while self.standing != Standing::Present {
            self.snapshot();
        }
        loop {
            let more = self.driver.hub.catch_up().expect("readable");
            let waiting = self.streams.iter().any(|stream| self.driver.hub.has_output(*stream));
            (0..3).for_each(|stream| self.take(stream, usize::MAX));
            if !more && !waiting {
                break;
            }
        }
        for (key, watch) in &self.watches {
            assert!(self.due(watch).next().is_none(), "{key:?} was not told all");
        }
        assert_eq!(self.driver.hub.stats().lagging, 0);
        assert_eq!(self.driver.hub.stats().watchers, self.watches.len());
    }
}

fn value(bytes: usize) -> String {
    if bytes > 8 { format!("<{bytes}>") } else { "v".repeat(bytes) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_watch_is_told_exactly_what_a_list_says(ops in prop::collection::vec(op(), 1..150)) {
        let mut twin = Twin::new();
        for op in ops {
            twin.run(op);
        }
        twin.finish();
    }
}
