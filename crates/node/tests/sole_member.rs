//! One whole member from the node down, on a disk that loses power: log, state machine and
//! storage together, from its founding through many lives.
//!
//! Each life runs jobs of the three workers in an order drawn from the seed, and ends in the
//! middle of something. What was answered must be there in the next life, at its revision.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_apply::{Answer, Applied, Config as MachineConfig, Machine};
use ketch_backend::{Backend, Drain};
use ketch_base::{ClusterId, MemberId, RequestId};
use ketch_env::Disk;
use ketch_env::sim::{Fault, SimDisk, SimRng};
use ketch_node::recover::{self, Begin, Founder, Founding, Kept};
use ketch_node::{
    ApplyJob, ApplyWorker, Effect, Event, LogJob, LogWorker, Node, RaftConfig, Settings,
};
use ketch_proto::etcdserverpb::{InternalRaftRequest, PutRequest, RequestHeader};
use ketch_proto::mvccpb::KeyValue;
use ketch_wal::Config as LogConfig;
use prost::Message;

const ID: MemberId = MemberId(0x8e9e_05c5_2164_694d);

/// What clients know: the newest acknowledged value of each key, with its revision.
#[derive(Default)]
struct Truth {
    acknowledged: BTreeMap<Bytes, (i64, Bytes)>,
    /// The data of puts under way, by request.
    asked: BTreeMap<u64, (Bytes, Bytes)>,
    next: u64,
    answers: u64,
}

/// One life of the member.
struct Life {
    node: Node,
    log: LogWorker,
    apply: ApplyWorker,
    drain: Drain,
    log_jobs: VecDeque<LogJob>,
    apply_jobs: VecDeque<ApplyJob>,
    events: VecDeque<Event>,
    reads: BTreeMap<u64, i64>,
}

fn founding() -> Founding {
    let context = r#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"a"}"#;
    let founder = Founder { id: ID, context: context.into() };
    Founding { member: ID, cluster: ClusterId(7), founders: vec![founder] }
}

impl Life {
    fn begin(disk: &SimDisk, seed: u64) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        for folder in ["/member", "/member/snap"] {
            disk.create_dir_all(Path::new(folder)).expect("a sound disk");
        }
        let path = Path::new("/member/snap/ketch.redb");
        let opened = Backend::open(Arc::clone(&disk), path, ketch_backend::Config::default());
        let (backend, drain) = opened.expect("power cuts are no damage");
        let kept = backend.durable().index;
        let config = LogConfig { segment_bytes: 64 * 1024, ..LogConfig::default() };
        let log = recover::open(
            &disk,
            Path::new("/member/wal"),
            config,
            Some(&Begin::Found(founding())),
            kept,
            5,
        );
        let log = log.expect("power cuts are no damage");
        let machine = MachineConfig { local: log.member, ..MachineConfig::default() };
        let machine = Machine::open(backend, machine).expect("a sound database");
        let (index, term) = machine.applied();
        let conf_state = machine.conf_state().clone();
        let started = log.join(Kept { index, term, conf_state }).expect("they fit together");
        let settings =
            Settings { snapshot_count_entries: 50, catchup_entries: 10, ..Settings::default() };
        let config = RaftConfig::new(ID, seed);
        let node = Node::start(config, settings, started.restored, started.marked);
        Self {
            node: node.expect("a sound start"),
            log: LogWorker::new(started.writer),
            apply: ApplyWorker::new(machine),
            drain,
            log_jobs: VecDeque::new(),
            apply_jobs: VecDeque::new(),
            events: VecDeque::new(),
            reads: BTreeMap::new(),
        }
    }

    /// Hands all waiting events in and sorts what comes out.
    fn turn(&mut self, truth: &Truth) {
        let mut effects = Vec::new();
        for event in self.events.drain(..) {
            self.node.handle(event, &mut effects);
        }
        self.node.flush(&mut effects);
        let machine = self.apply.machine();
        if self.node.alone_from().is_some_and(|from| from <= machine.applied().0) {
            let newest = truth.acknowledged.values().map(|(revision, _)| *revision);
            assert!(newest.max().unwrap_or(0) <= machine.reader().revision(), "an old state");
        }
        for effect in effects {
            match effect {
                Effect::Append(job) => self.log_jobs.push_back(job),
                Effect::Apply(job) => self.apply_jobs.push_back(job),
                Effect::ReadReady { token, index } => {
                    let newest = truth.acknowledged.values().map(|(revision, _)| *revision);
                    assert!(newest.max().unwrap_or(0) >= self.reads[&token]);
                    assert!(index.0 > 0);
                }
                Effect::Leader { term, is_self, .. } => assert!(is_self && term.0 >= 2),
                Effect::Refused { code, .. } => panic!("refused: {code}"),
                Effect::Fatal(error) => panic!("fatal: {error}"),
                _ => {}
            }
        }
    }

    /// One worker does something; `false` if the power went.
    fn work(&mut self, truth: &mut Truth, rng: &mut SimRng) -> bool {
        match rng.below(6) {
            0 | 1 => {
                let jobs: Vec<LogJob> = self.log_jobs.drain(..).collect();
                match self.log.run(jobs) {
                    Ok(events) => self.events.extend(events),
                    Err(_) => return false,
                }
            }
            2 | 3 => {
                if let Some(job) = self.apply_jobs.pop_front() {
                    let event = self.apply.run(job, &mut |applied| acknowledge(truth, &applied));
                    self.events.push_back(event.expect("applying does not touch the disk"));
                }
            }
            4 => match self.drain.step() {
                Ok(step) => {
                    self.events.push_back(Event::Durable { index: step.durable_index });
                }
                Err(_) => return false,
            },
            _ => {
                for _ in 0..rng.below(4) {
                    self.events.push_back(put(truth, rng));
                }
                if rng.once_in(8) {
                    let newest = truth.acknowledged.values().map(|(revision, _)| *revision).max();
                    self.reads.insert(truth.next, newest.unwrap_or(0));
                    self.events.push_back(Event::Read { token: truth.next });
                }
            }
        }
        true
    }
}

fn put(truth: &mut Truth, rng: &mut SimRng) -> Event {
    truth.next += 1;
    let id = truth.next;
    let key = Bytes::from(format!("key-{}", rng.below(20)));
    let value = Bytes::from(format!("value-{id}").repeat(1 + rng.below(30) as usize));
    truth.asked.insert(id, (key.clone(), value.clone()));
    let request = InternalRaftRequest {
        header: Some(RequestHeader { id, ..RequestHeader::default() }),
        put: Some(PutRequest { key, value, ..PutRequest::default() }),
        ..InternalRaftRequest::default()
    };
    Event::Propose { id: RequestId(id), data: request.encode_to_vec().into() }
}

/// The client gets its answer.
fn acknowledge(truth: &mut Truth, applied: &Applied) {
    let Some((key, value)) = applied.request.and_then(|id| truth.asked.remove(&id.0)) else {
        return;
    };
    let Ok(Answer::Put(answer)) = &applied.result else { panic!("{:?}", applied.result) };
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    let newest = truth.acknowledged.values().map(|(revision, _)| *revision).max().unwrap_or(1);
    assert!(revision > newest, "revisions rise and never repeat");
    truth.answers += 1;
    truth.acknowledged.insert(key, (revision, value));
}

/// Everything acknowledged is there, as soon as the log of the last life is applied again.
fn verify(life: &mut Life, truth: &mut Truth, seed: u64) {
    // What was asked but not answered may be done or not; it is not asked again.
    truth.asked.clear();
    while life.node.status().applied.0 < life.node.status().last.index {
        life.turn(truth);
        let jobs: Vec<LogJob> = life.log_jobs.drain(..).collect();
        life.events.extend(life.log.run(jobs).expect("a sound disk"));
        while let Some(job) = life.apply_jobs.pop_front() {
            life.events.push_back(life.apply.run(job, &mut |_| {}).expect("a sound state"));
        }
    }
    let reader = life.apply.machine().reader();
    for (key, (revision, value)) in &mut truth.acknowledged {
        let state = reader.current(key).expect("acknowledged");
        let found = state.revision.main;
        assert!(found >= *revision, "seed {seed}: {key:?} at {found}, acknowledged {revision}");
        let row = reader.row(state.revision).expect("a row");
        let row = KeyValue::decode(row).expect("as written");
        if found == *revision {
            assert_eq!(row.value, *value, "seed {seed}: {key:?} has another value");
        }
        // A put that was done but never answered: from now on it counts.
        (*revision, *value) = (found, row.value);
    }
}

#[test]
fn what_was_answered_survives_every_life() {
    let mut answers = 0;
    for seed in 0..60 {
        let mut rng = SimRng::new(seed);
        let disk = SimDisk::new(seed);
        let mut truth = Truth::default();
        for round in 0..5 {
            let mut life = Life::begin(&disk, seed * 10 + round);
            verify(&mut life, &mut truth, seed);
            disk.fail_sync_after(rng.below(25), Fault::Io);
            for _ in 0..rng.below(400) {
                life.turn(&truth);
                if !life.work(&mut truth, &mut rng) {
                    break;
                }
            }
            drop(life);
            disk.crash();
        }
        answers += truth.answers;
    }
    assert!(answers > 1000, "only {answers} answers: nothing was tested");
}
