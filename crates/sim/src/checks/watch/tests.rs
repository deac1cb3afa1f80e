//! Made-up watches, good and bad.

use super::*;
use crate::checks::made::{called, delete_event, kept, kv, put, put_event, put_ok, returned};
use crate::checks::trial;
use ketch_base::MemberId;

const W: WatchKey = WatchKey(1);

fn watching(from: i64) -> Fact {
    let (key, range_end) = (Bytes::from("a"), Bytes::from("c"));
    Fact::Watching { watch: W, member: MemberId(1), key, range_end, from }
}

fn watched(events: &[Event]) -> Fact {
    Fact::Watched { watch: W, header_revision: 9, events: events.to_vec() }
}

fn progress(revision: i64) -> Fact {
    Fact::WatchProgress { watch: W, revision }
}

fn rest(revision: i64) -> Fact {
    Fact::WatchAtRest { watch: W, revision }
}

fn run(facts: Vec<Fact>) -> Result<u64, String> {
    trial(Box::new(WatchGuarantees::default()), facts)
}

fn event(key: &str, revision: i64) -> Event {
    put_event(kv(key, "v", revision))
}

#[test]
fn told_once_and_again_after_resuming() {
    let told = [event("a", 2), event("b", 3), delete_event("a", 4)];
    let facts = vec![
        watching(2),
        watched(&told[..1]),
        progress(2),
        watching(2),
        watched(&told),
        rest(5),
        kept(1, 0, &[told.as_slice(), &[event("z", 5)]].concat()),
    ];
    assert_eq!(run(facts), Ok(1 + 3));
}

#[test]
fn from_now_on_begins_with_the_first_word() {
    let facts = vec![
        watching(0),
        watched(&[event("a", 7)]),
        rest(8),
        kept(1, 5, &[event("b", 6), event("a", 7)]),
    ];
    assert_eq!(run(facts), Ok(1));
}

#[test]
fn from_now_on_begins_where_it_was_made() {
    let created = |revision| Fact::WatchCreated { watch: W, revision };
    let run_from = |revision| {
        let events = [event("b", 6), event("a", 7)];
        run(vec![watching(0), created(revision), watched(&events[1..]), kept(1, 5, &events)])
    };
    assert_eq!(run_from(6), Ok(1));
    assert!(run_from(5).is_err());
    assert!(run_from(7).is_err());
}

#[test]
fn fires_at_once() {
    let a2 = || event("a", 2);
    let mut follows = event("a", 3);
    follows.prev_kv = Some(kv("a", "v", 2));
    let canceled = Fact::WatchCanceled { watch: W, compact_revision: 2 };
    let cases = [
        ("was the next", vec![watched(&[event("a", 1)])]),
        ("was the next", vec![watched(&[event("a", 3)]), watched(&[a2()])]),
        ("was the next", vec![watched(&[a2()]), watched(&[event("b", 2)])]),
        ("was the next", vec![progress(4), watched(&[event("b", 4)])]),
        ("after 3", vec![watched(&[event("a", 3), a2()])]),
        ("told twice", vec![watched(&[a2(), a2()])]),
        ("not asked for", vec![watched(&[event("z", 2)])]),
        ("progress at 2 after 3", vec![watched(&[event("a", 3)]), progress(2)]),
        ("canceled at 3 by 2", vec![watched(&[a2()]), canceled]),
        ("does not follow", vec![watched(&[follows])]),
    ];
    for (expected, more) in cases {
        let facts = [watching(2)].into_iter().chain(more).collect();
        let found = run(facts).expect_err(expected);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn fires_at_the_end() {
    let told = || [watching(2), watched(&[event("a", 2)]), watched(&[event("b", 4)])];
    let put = || vec![called(1, 1, put("a", "v")), returned(1, put_ok(3))];
    let mut prev = event("b", 4);
    prev.kv.as_mut().expect("a kv").version = 2;
    prev.kv.as_mut().expect("a kv").create_revision = 1;
    prev.prev_kv = Some(kv("b", "v", 1));
    let other = Fact::Watching {
        watch: WatchKey(2),
        member: MemberId(1),
        key: Bytes::from("b"),
        range_end: Bytes::new(),
        from: 3,
    };
    let third =
        Fact::Watched { watch: WatchKey(2), header_revision: 9, events: vec![event("b", 3)] };
    let resumed =
        vec![watching(5), rest(6), kept(1, 0, &[event("a", 2), event("b", 4), event("a", 6)])];
    let cases = [
        ("nothing told", put()),
        ("nothing told", vec![kept(1, 2, &[event("a", 3), event("b", 4)])]),
        ("nothing told", vec![other.clone(), third.clone()]),
        ("nothing told", resumed),
        ("nobody keeps it", vec![kept(1, 3, &[])]),
    ];
    for (expected, more) in cases {
        let found = run(told().into_iter().chain(more).collect()).expect_err(expected);
        assert!(found.contains(expected), "{found}");
    }
    let facts = vec![watching(4), watched(&[prev]), other, third];
    let found = run(facts).expect_err("another version before");
    assert!(found.contains("before 4 stood"), "{found}");
}
