//! Founding, restart, and every way in which log and storage may disagree.

use ketch_env::sim::{Fault, SimDisk};
use ketch_raft::Config as RaftConfig;

use bytes::Bytes;
use ketch_raft_proto::raftpb::ConfChange;
use prost::Message;

use super::*;
use crate::{AppliedChange, Effect, Event, LogJob, LogWorker, Node, Settings};

const DIR: &str = "/member/wal";

fn founding(ids: &[u64]) -> Founding {
    let founder =
        |id: &u64| Founder { id: MemberId(*id), context: format!("{{\"id\":{id}}}").into() };
    Founding {
        member: MemberId(ids[0]),
        cluster: ClusterId(77),
        founders: ids.iter().map(founder).collect(),
    }
}

fn disk(seed: u64) -> (SimDisk, Arc<dyn Disk>) {
    let disk = SimDisk::new(seed);
    disk.create_dir_all(Path::new("/member")).expect("memory");
    (disk.clone(), Arc::new(disk))
}

fn config() -> Config {
    Config { segment_bytes: 64 * 1024, ..Config::default() }
}

fn begin(
    disk: &Arc<dyn Disk>,
    founders: Option<&[u64]>,
    kept: (u64, u64),
    catchup: u64,
) -> Result<Started, RecoverError> {
    let begin = founders.map(|ids| Begin::Found(founding(ids)));
    let (term, index) = (Term(kept.0), Index(kept.1));
    let opened = open(disk, Path::new(DIR), config(), begin.as_ref(), index, catchup)?;
    let voters = if index.0 > 0 { vec![1] } else { vec![] };
    opened.join(Kept { index, term, conf_state: ConfState { voters, ..ConfState::default() } })
}

/// `(term, index)` of the place before and of all entries, commit and applied.
fn outline(started: &Started) -> String {
    let Restored { hard_state, before, entries, applied, .. } = &started.restored;
    let id = |term: u64, index: u64| format!("{term}/{index}");
    let entries: Vec<String> = entries.iter().map(|e| id(e.term(), e.index())).collect();
    format!(
        "before {} entries [{}] term {} commit {} applied {applied} marked {}",
        id(before.term, before.index),
        entries.join(" "),
        hard_state.term(),
        hard_state.commit(),
        started.marked
    )
}

/// Appends entries `(term, index)` and a commit to the log as it is.
fn append(disk: &Arc<dyn Disk>, from: u64, ids: &[(u64, u64)], commit: u64) {
    let reader = Reader::open(Arc::clone(disk), Path::new(DIR), Index(from));
    let (_, writer) = reader.and_then(|reader| reader.recover(config())).expect("sound");
    let entry = |(term, index): &(u64, u64)| Entry {
        term: Some(*term),
        index: Some(*index),
        ..Entry::default()
    };
    let term = ids.last().map(|id| id.0);
    let job = LogJob {
        entries: ids.iter().map(entry).collect(),
        hard_state: Some(HardState { term, vote: None, commit: Some(commit) }),
        ..LogJob::default()
    };
    LogWorker::new(writer).run(vec![job]).expect("sound");
}

#[test]
fn founding_writes_the_members_in_order_of_their_ids() {
    let (_, disk) = disk(1);
    let opened =
        open(&disk, Path::new(DIR), config(), Some(&Begin::Found(founding(&[9, 3]))), Index(0), 5);
    let opened = opened.expect("an empty directory");
    assert!(opened.is_new);
    assert_eq!((opened.member, opened.cluster), (MemberId(9), ClusterId(77)));
    let started = opened.join(Kept::default()).expect("sound");
    let want = "before 0/0 entries [1/1 1/2] term 1 commit 2 applied 0 marked 0";
    assert_eq!(outline(&started), want);
    let change = ConfChange::decode(started.restored.entries[0].data.clone().unwrap_or_default());
    let change = change.expect("as written");
    assert_eq!((change.node_id(), change.context()), (3, b"{\"id\":3}".as_slice()));
    drop(started);
    // What it says of itself counts from then on, not what is asked for.
    let again =
        open(&disk, Path::new(DIR), config(), Some(&Begin::Found(founding(&[5]))), Index(0), 5);
    let again = again.expect("a log");
    assert!(!again.is_new);
    assert_eq!(again.member, MemberId(9));
    assert_eq!(outline(&again.join(Kept::default()).expect("sound")), want);
}

#[test]
fn a_founding_cut_short_is_done_again() {
    let (_, disk) = disk(2);
    let metadata = Metadata { member: MemberId(1), cluster: ClusterId(77) };
    drop(Writer::create(Arc::clone(&disk), Path::new(DIR), metadata, config()).expect("empty"));
    let other = begin(&disk, Some(&[4]), (0, 0), 5).map(|_| ()).expect_err("another member");
    assert!(matches!(other, RecoverError::OtherCluster { found: MemberId(1) }), "{other}");
    let started = begin(&disk, Some(&[1]), (0, 0), 5).expect("the same member");
    assert_eq!(started.restored.entries.len(), 1);
}

#[test]
fn no_start_without_a_log() {
    let (_, disk) = disk(3);
    let check = |founders: Option<&[u64]>, kept, want: &str| {
        let error = begin(&disk, founders, kept, 5).map(|_| ()).expect_err(want);
        assert_eq!(error.to_string(), want);
    };
    check(None, (0, 0), "no log, and no cluster to found or to join");
    check(Some(&[1]), (2, 7), "the database is at entry 7 but there is no log");
}

#[test]
fn log_and_storage_are_put_together() {
    // The log on disk is 1/1, then `logged`; the storage kept `kept`.
    let check = |logged: &[(u64, u64)], commit, kept: (u64, u64), catchup, want: &str| {
        let (_, disk) = disk(4);
        drop(begin(&disk, Some(&[1]), (0, 0), 0).expect("empty"));
        append(&disk, 0, logged, commit);
        let started = begin(&disk, None, kept, catchup).expect(want);
        assert_eq!(outline(&started), want, "{logged:?} {kept:?}");
        drop(started);
        // Looking does not change what is found.
        assert_eq!(outline(&begin(&disk, None, kept, catchup).expect(want)), want, "again");
    };
    let four = [(2, 2), (2, 3), (2, 4), (2, 5)];
    // Nothing was kept: all is applied again.
    let want = "before 0/0 entries [1/1 2/2 2/3 2/4 2/5] term 2 commit 4 applied 0 marked 0";
    check(&four, 4, (0, 0), 5, want);
    // The usual: a few before for followers, the rest behind.
    let want = "before 2/3 entries [2/4 2/5] term 2 commit 4 applied 4 marked 0";
    check(&four, 4, (2, 4), 2, want);
    let want = "before 2/4 entries [2/5] term 2 commit 4 applied 4 marked 0";
    check(&four, 4, (2, 4), 0, want);
    let want = "before 1/1 entries [2/2 2/3 2/4 2/5] term 2 commit 4 applied 4 marked 0";
    check(&four, 4, (2, 4), 99, want);
    // The commit as written may be older than what was applied.
    let want = "before 2/4 entries [2/5] term 2 commit 4 applied 4 marked 0";
    check(&four, 2, (2, 4), 0, want);
    // The storage holds just all, or more than the log has.
    let want = "before 2/5 entries [] term 2 commit 5 applied 5 marked 0";
    check(&four, 4, (2, 5), 0, want);
    let want = "before 3/8 entries [] term 3 commit 8 applied 8 marked 8";
    check(&four, 4, (3, 8), 2, want);
    // What stands at its place was overwritten in memory but not on disk.
    let want = "before 3/4 entries [] term 3 commit 4 applied 4 marked 4";
    check(&four, 3, (3, 4), 2, want);
    // An overwritten entry on disk counts as its successor says.
    let want = "before 2/2 entries [3/3] term 3 commit 3 applied 2 marked 0";
    check(&[(2, 2), (2, 3), (2, 4), (3, 3)], 3, (2, 2), 0, want);
}

/// As [`append`], with a received snapshot `(term, index)` in place of the log.
fn receive(disk: &Arc<dyn Disk>, from: u64, at: (u64, u64)) {
    let reader = Reader::open(Arc::clone(disk), Path::new(DIR), Index(from));
    let (_, writer) = reader.and_then(|reader| reader.recover(config())).expect("sound");
    let (term, index) = (Some(at.0), Some(at.1));
    let conf_state = Some(ConfState { voters: vec![1], ..ConfState::default() });
    let job = LogJob {
        received: Some(Box::new(walpb::Snapshot { index, term, conf_state })),
        hard_state: Some(HardState { term: Some(at.0 + 1), vote: None, commit: index }),
        ..LogJob::default()
    };
    LogWorker::new(writer).run(vec![job]).expect("sound");
}

#[test]
fn what_a_received_snapshot_replaced_does_not_come_back() {
    // The log is 1/1 2/2 and entries of `stale` from 3 to 9, then the snapshot 3/6.
    let check = |stale: u64, then: &[(u64, u64)], kept, catchup, want: &str| {
        let (_, disk) = disk(6);
        drop(begin(&disk, Some(&[1]), (0, 0), 0).expect("empty"));
        let old: Vec<_> = (3..10).map(|index| (stale, index)).collect();
        append(&disk, 0, &[&[(2, 2)], old.as_slice()].concat(), 2);
        receive(&disk, 0, (3, 6));
        let commit = then.last().map_or(6, |last| last.1);
        if !then.is_empty() {
            append(&disk, 6, then, commit);
        }
        let started = begin(&disk, None, kept, catchup).expect(want);
        assert_eq!(outline(&started), want, "{stale} {then:?} {kept:?} {catchup}");
    };
    let nothing = "before 3/6 entries [] term 4 commit 6 applied 6 marked 6";
    let two = "before 3/6 entries [4/7 4/8] term 4 commit 8 applied 6 marked 6";
    for (stale, catchup) in [(2, 0), (2, 5), (4, 0), (4, 2), (4, 5), (4, 99)] {
        check(stale, &[], (3, 6), catchup, nothing);
        check(stale, &[(4, 7), (4, 8)], (3, 6), catchup, two);
    }
    let want = "before 4/8 entries [] term 4 commit 8 applied 8 marked 8";
    check(4, &[(4, 7)], (4, 8), 99, want);
    // The log led to the snapshot: what is behind it counts.
    let want = "before 3/6 entries [3/7 3/8 3/9] term 4 commit 6 applied 6 marked 6";
    check(3, &[], (3, 6), 0, want);
}

#[test]
fn the_log_of_a_member_that_joins_is_empty() {
    let (_, disk) = disk(7);
    let join = Begin::Join { member: MemberId(9), cluster: ClusterId(77) };
    let open =
        |begin: Option<&Begin>, kept| open(&disk, Path::new(DIR), config(), begin, Index(kept), 5);
    let want = "before 0/0 entries [] term 0 commit 0 applied 0 marked 0";
    for is_new in [true, false] {
        let opened = open(is_new.then_some(&join), 0).expect("joining");
        assert_eq!((opened.member, opened.is_new), (MemberId(9), is_new));
        assert_eq!(outline(&opened.join(Kept::default()).expect("sound")), want);
    }
    let other = Begin::Join { member: MemberId(8), cluster: ClusterId(77) };
    let error = open(Some(&other), 0).err().expect("another member");
    assert!(matches!(error, RecoverError::OtherCluster { found: MemberId(9) }), "{error}");
    // A snapshot was installed, and the power went before the log knew of it.
    let conf_state = ConfState { voters: vec![1, 9], ..ConfState::default() };
    let kept = Kept { index: Index(40), term: Term(3), conf_state };
    let opened = open(Some(&join), 40).expect("joined");
    assert!(!opened.is_new);
    let want = "before 3/40 entries [] term 3 commit 40 applied 40 marked 40";
    assert_eq!(outline(&opened.join(kept).expect("sound")), want);
}

#[test]
fn one_that_goes_on_alone_drops_what_may_not_be_committed() {
    // Members 1, 5 and 9 founded; the log goes on with `logged`.
    let check = |logged: &[(u64, u64)], commit, kept: (u64, u64), voters: &[u64], want: &str| {
        let (_, disk) = disk(8);
        drop(begin(&disk, Some(&[1, 5, 9]), (0, 0), 0).expect("empty"));
        append(&disk, 0, logged, commit);
        let conf_state = ConfState { voters: voters.to_vec(), ..ConfState::default() };
        let kept = Kept { index: Index(kept.1), term: Term(kept.0), conf_state };
        let start = |alone: bool| {
            let opened = open(&disk, Path::new(DIR), config(), None, kept.index, 99);
            let mut opened = opened.expect("a log");
            if alone {
                opened.alone(&kept, Bytes::from_static(b"{}")).expect("sound");
            }
            opened.join(kept.clone()).expect("sound")
        };
        let started = start(true);
        assert_eq!(outline(&started), want, "{logged:?}");
        let changes = started.restored.entries.iter().filter(|entry| entry.index() > kept.index.0);
        let change = |entry: &Entry| {
            let change = ConfChange::decode(entry.data.clone().unwrap_or_default()).expect("ours");
            (entry.r#type() as i32 == 1).then(|| (change.r#type() as i32, change.node_id()))
        };
        let changes: Vec<_> = changes.filter_map(change).collect();
        assert_eq!(changes[changes.len() - 2..], [(1, 5), (1, 9)]);
        drop(started);
        assert_eq!(outline(&start(false)), want, "and it stays so");
    };
    let want = "before 1/1 entries [1/2 1/3 2/4 2/5 2/6] term 2 commit 6 applied 4 marked 0";
    check(&[(2, 4), (2, 5)], 4, (2, 4), &[1, 5, 9], want);
    // Committed and not applied; applied and not in the log; nothing applied at all.
    let want = "before 1/1 entries [1/2 1/3 2/4 2/5 2/6 2/7] term 2 commit 7 applied 4 marked 0";
    check(&[(2, 4), (2, 5)], 5, (2, 4), &[1, 5, 9], want);
    let want = "before 3/7 entries [3/8 3/9] term 3 commit 9 applied 7 marked 7";
    check(&[(2, 4), (2, 5)], 5, (3, 7), &[1, 5, 9], want);
    let want = "before 0/0 entries [1/1 1/2 1/3 2/4 2/5] term 2 commit 5 applied 0 marked 0";
    check(&[(2, 4), (2, 5)], 3, (0, 0), &[], want);
}

#[test]
fn a_log_goes_on_behind_a_storage_that_was_ahead() {
    let (_, disk) = disk(5);
    drop(begin(&disk, Some(&[1]), (0, 0), 0).expect("empty"));
    drop(begin(&disk, None, (3, 8), 2).expect("marked"));
    append(&disk, 8, &[(4, 9), (4, 10)], 9);
    let want = "before 3/8 entries [4/9 4/10] term 4 commit 9 applied 8 marked 8";
    assert_eq!(outline(&begin(&disk, None, (3, 8), 5).expect(want)), want);
    let want = "before 4/9 entries [4/10] term 4 commit 9 applied 9 marked 8";
    assert_eq!(outline(&begin(&disk, None, (4, 9), 0).expect(want)), want);
    // A storage from before the mark cannot be brought up by this log.
    let error = begin(&disk, None, (1, 1), 0).map(|_| ()).expect_err("a hole");
    assert!(error.to_string().contains("8") || error.to_string().contains("gap"), "{error}");
}

/// A sole member under a disk that loses power at any moment: what was reported durable, and thus
/// answered, is there after every restart.
#[test]
fn what_was_acknowledged_survives_power_cuts() {
    for seed in 0..200 {
        let (sim, disk) = disk(seed);
        let mut acknowledged = 0;
        for life in 0..4 {
            let started = begin(&disk, Some(&[1]), (0, 0), 5).expect("power cuts are no damage");
            // The power goes when so much has been synced: within a write, or between two.
            sim.fail_sync_after((seed + life) % 5, Fault::Io);
            let committed = live(started, seed * 7 + life);
            assert!(committed.0 >= acknowledged, "seed {seed} life {life}: lost entries");
            acknowledged = committed.1;
            sim.crash();
        }
    }
}

/// Runs for a while; returns how many entries were there at first and how many were acknowledged
/// in the end. The last write may be cut by the power.
fn live(started: Started, seed: u64) -> (u64, u64) {
    let found = started.restored.entries.len() as u64;
    let mut log = LogWorker::new(started.writer);
    let config = RaftConfig::new(MemberId(1), seed);
    let node = Node::start(config, Settings::default(), started.restored, started.marked);
    let mut node = node.expect("sound");
    let mut acknowledged = 0;
    let mut effects = Vec::new();
    for round in 0..seed % 7 + 3 {
        for id in 0..round % 3 {
            let data = Bytes::from(vec![b'x'; 700]);
            node.handle(Event::Propose { id: ketch_base::RequestId(id), data }, &mut effects);
        }
        node.flush(&mut effects);
        let (mut jobs, mut applied) = (Vec::new(), Vec::new());
        for effect in effects.drain(..) {
            match effect {
                Effect::Append(job) => jobs.push(job),
                Effect::Apply(job) => applied.extend(job.entries),
                _ => {}
            }
        }
        acknowledged = applied.last().map_or(acknowledged, Entry::index);
        let changes = applied.iter().filter(|entry| entry.r#type.unwrap_or(0) != 0);
        let changes = changes.map(|entry| AppliedChange {
            index: Index(entry.index()),
            change: ConfChange::decode(entry.data.clone().unwrap_or_default()).expect("ours"),
        });
        let changes = changes.collect();
        node.handle(Event::Applied { index: Index(acknowledged), changes }, &mut effects);
        let Ok(events) = log.run(jobs) else { break };
        for event in events {
            node.handle(event, &mut effects);
        }
    }
    (found, acknowledged)
}
