//! Random use against a twin in plain maps, with power cuts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::RevisionKey;
use proptest::prelude::*;

use super::*;
use crate::View;

type Content = (BTreeMap<RevisionKey, Bytes>, BTreeMap<(Bucket, Bytes), Bytes>);

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<Change>),
    Drain,
    Reclaim,
    Look,
    /// Another database comes, with what a pick of the rows and keys leaves.
    Install(u8),
    Reopen,
    CutPower(u64),
}

#[derive(Clone, Debug)]
enum Change {
    PutRow { bytes: usize },
    DeleteRow { pick: usize },
    Put { bucket: usize, key: u8, bytes: usize },
    Delete { bucket: usize, key: u8 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => prop_oneof![0..300_usize, 3900..4200_usize].prop_map(|bytes| Change::PutRow { bytes }),
        3 => any::<usize>().prop_map(|pick| Change::DeleteRow { pick }),
        2 => (0..9_usize, 0..12_u8, 0..80_usize)
            .prop_map(|(bucket, key, bytes)| Change::Put { bucket, key, bytes }),
        1 => (0..9_usize, 0..12_u8).prop_map(|(bucket, key)| Change::Delete { bucket, key }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => prop::collection::vec(change(), 1..60).prop_map(Op::Append),
        5 => Just(Op::Drain),
        5 => Just(Op::Reclaim),
        2 => Just(Op::Look),
        1 => (2..5_u8).prop_map(Op::Install),
        1 => Just(Op::Reopen),
        1 => any::<u64>().prop_map(Op::CutPower),
    ]
}

struct Twin {
    disk: Arc<MemoryDisk>,
    real: Option<(Backend, Drain)>,
    /// What the content was after each batch; the batch number is the applied index.
    history: Vec<Content>,
    /// Views taken earlier, with what they must go on showing.
    views: Vec<(View, Content)>,
}

impl Twin {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let real = Some(opened(&disk));
        Self { disk, real, history: vec![Content::default()], views: Vec::new() }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Append(changes) => self.append(changes),
            Op::Drain => {
                let step = self.drain().step().expect("the disk takes it");
                assert_eq!(step.durable_index, self.backend().durable().index);
            }
            Op::Reclaim => {
                self.drain().reclaim(5_000).expect("there is space");
            }
            Op::Look => {
                self.check();
                let now = self.history.last().expect("never empty").clone();
                let view = self.backend().view();
                self.views.push((view, now));
            }
            Op::Install(every) => self.install(usize::from(every)),
            Op::Reopen => {
                self.close();
                self.recover();
            }
            Op::CutPower(seed) => {
                let mut state = seed | 1;
                let left = self.disk.cut_power(|| coin(&mut state));
                self.close();
                self.disk = left;
                self.recover();
            }
        }
    }

    fn backend(&self) -> &Backend {
        &self.real.as_ref().expect("open between operations").0
    }

    fn drain(&mut self) -> &mut Drain {
        &mut self.real.as_mut().expect("open between operations").1
    }

    fn append(&mut self, changes: Vec<Change>) {
        let mut content = self.history.last().expect("never empty").clone();
        let index = self.history.len() as u64;
        let mut batch = Batch::new();
        for (sub, change) in (0..).zip(changes) {
            match change {
                Change::PutRow { bytes } => {
                    let mut key = key(index as i64, sub);
                    key.tombstone = bytes % 5 == 0;
                    let row = Bytes::from(vec![sub as u8; bytes]);
                    content.0.insert(key, row.clone());
                    batch.put_row(key, row);
                }
                Change::DeleteRow { pick } => {
                    let Some(at) = pick.checked_rem(content.0.len()) else { continue };
                    let key = *content.0.keys().nth(at).expect("below the length");
                    content.0.remove(&key);
                    batch.delete_row(key);
                }
                Change::Put { bucket, key, bytes } => {
                    let (bucket, key) = (small(bucket), Bytes::from(vec![key]));
                    let value = Bytes::from(vec![index as u8; bytes]);
                    content.1.insert((bucket, key.clone()), value.clone());
                    batch.put(bucket, key, value);
                }
                Change::Delete { bucket, key } => {
                    let (bucket, key) = (small(bucket), Bytes::from(vec![key]));
                    content.1.remove(&(bucket, key.clone()));
                    batch.delete(bucket, key);
                }
            }
        }
        stamp(&mut batch, index);
        content.1.extend(stamps(index));
        self.backend().append(batch);
        self.history.push(content);
    }

    fn install(&mut self, every: usize) {
        let mut content = self.history.last().expect("never empty").clone();
        let mut count = 0;
        let mut keep = || {
            count += 1;
            count % every != 0
        };
        content.0.retain(|_, _| keep());
        content.1.retain(|_, _| keep());
        let index = self.history.len() as u64;
        let mut batch = Batch::new();
        content.0.iter().for_each(|(key, row)| batch.put_row(*key, row.clone()));
        for ((bucket, key), value) in &content.1 {
            batch.put(*bucket, key.clone(), value.clone());
        }
        stamp(&mut batch, index);
        content.1.extend(stamps(index));
        let path = Path::new("/member/snap/prepared.redb");
        let config = Config { cache_bytes: CACHE_BYTES };
        let (other, mut drain) = Backend::open(self.disk.clone(), path, config).expect("new");
        other.append(batch);
        drain_all(&mut drain);
        drop((other, drain));
        self.drain().install(path).expect("the disk takes it");
        self.history.push(content);
        assert_eq!(self.backend().durable().index.0, index);
    }

    fn close(&mut self) {
        for (view, content) in self.views.drain(..) {
            assert_eq!(read(&view), content);
        }
        self.real = None;
    }

    /// Only what was durable is back, and the applied index says which that is.
    fn recover(&mut self) {
        let (backend, drain) = opened(&self.disk);
        let index = backend.durable().index.0 as usize;
        assert!(index < self.history.len());
        self.history.truncate(index + 1);
        self.real = Some((backend, drain));
        assert_eq!(self.disk.files().len(), 2, "only the database and its lock are left");
        self.check();
    }

    fn check(&self) {
        let content = self.history.last().expect("never empty");
        assert_eq!(&read(&self.backend().view()), content);
        for (key, row) in &content.0 {
            assert_eq!(self.backend().row(*key).expect("readable").as_ref(), Some(row));
        }
        let size = self.backend().size_live();
        assert!(size <= self.backend().size_file() && size >= 0);
    }
}

/// What [`stamp`] puts.
fn stamps(index: u64) -> [((Bucket, Bytes), Bytes); 2] {
    let number = |n: u64| Bytes::copy_from_slice(&n.to_be_bytes());
    let key = |name: &'static [u8]| (Bucket::Meta, Bytes::from_static(name));
    [(key(Durable::INDEX_KEY), number(index)), (key(Durable::TERM_KEY), number(1))]
}

fn small(number: usize) -> Bucket {
    crate::schema::small_buckets().nth(number).expect("nine of them")
}

fn coin(state: &mut u64) -> bool {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state & 4 == 0
}

fn read(view: &View) -> Content {
    let mut content = Content::default();
    for item in view.rows(Revision::default(), END) {
        let (key, row) = item.expect("readable");
        assert!(content.0.last_key_value().is_none_or(|(last, _)| *last < key), "in order");
        content.0.insert(key, row);
    }
    for bucket in crate::schema::small_buckets() {
        for item in view.iter(bucket) {
            let (key, value) = item.expect("readable");
            assert_eq!(view.get(bucket, &key).expect("readable").as_ref(), Some(&value));
            content.1.insert((bucket, key), value);
        }
    }
    content
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_database_says_what_its_twin_says(ops in prop::collection::vec(op(), 1..80)) {
        let mut twin = Twin::new();
        for op in ops {
            twin.run(op);
        }
        twin.run(Op::Look);
        twin.run(Op::Reopen);
    }
}
