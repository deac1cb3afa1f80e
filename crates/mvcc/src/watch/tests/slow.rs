//! Slow clients and long ways back: bounded queues, bounded steps, nothing lost.

use super::driver::{Driver, small};
use crate::watch::Stats;

#[track_caller]
fn check(driver: &mut Driver, script: &str, want: &str) {
    let told = driver.run(script);
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), want);
}

#[test]
fn a_client_that_does_not_read_holds_little_and_loses_nothing() {
    let mut driver = Driver::new(small());
    let stream = driver.stream("A");
    driver.run("- A watch a prev");
    for _ in 0..100 {
        driver.run("- put a v*50\n- settle");
        assert!(driver.hub.queued_bytes(stream) < 1_400);
    }
    assert_eq!(driver.hub.stats().lagging, 1);
    assert_eq!(driver.hub.ready(), [stream]);
    let mut all = String::new();
    driver.run("- A progress");
    while driver.hub.stats().lagging > 0 {
        all += &driver.run("settle");
    }
    let revisions: Vec<i64> = all
        .split('[')
        .skip(1)
        .map(|event| event.split(" m").nth(1).expect("modified").split(' ').next())
        .map(|m| m.expect("a number").parse().expect("a number"))
        .collect();
    assert_eq!(revisions, (2..=101).collect::<Vec<_>>(), "{all}");
    assert_eq!(all.matches(" was <50>@").count(), 99);
    assert!(all.ends_with("A -1 @101\n"), "{all}");
    let stats = Stats { streams: 1, watchers: 1, lagging: 0, events: 100, pending: 0 };
    assert_eq!(driver.hub.stats(), stats);
}

#[test]
fn a_stalled_client_is_cut_off_by_compaction_and_holds_no_rows() {
    let mut driver = Driver::new(small());
    driver.run("- A watch a\n- B watch a");
    for _ in 0..30 {
        driver.run("- put a v*50\n- B take 100000");
    }
    assert_eq!(driver.hub.stats().lagging, 1);
    driver.compact(30);
    let removed = driver.store.reader().finished_compaction();
    driver.run("- settle");
    assert_eq!(driver.hub.stats().lagging, 0);
    let told = driver.run("settle");
    assert!(told.ends_with("A 0 @0 canceled compacted at 30\n"), "{told}");
    driver.compact(31);
    assert!(driver.store.reader().finished_compaction() > removed.min(30));
    assert_eq!(driver.store.reader().finished_compaction(), 31);
}

#[test]
fn a_previous_pair_outlives_compaction_until_it_is_told() {
    let mut driver = Driver::new(small());
    driver.run("- A watch a prev");
    // The queue is full from here on.
    driver.run("- put a v*700\n- put a w*700");
    driver.run("- put a 4");
    assert_eq!(driver.hub.stats().lagging, 1);
    driver.compact(4);
    check(
        &mut driver,
        "
        - settle
        A take 100000
        settle
        ",
        "
        A 0 @1 created
        A 0 @2 [a=<700> c2 m2 v1]
        A 0 @3 [a=<700> c2 m3 v2 was <700>@2]
        A 0 @4 [a=4 c2 m4 v3 was <700>@3]
        ",
    );
}

#[test]
fn steps_are_bounded_and_shared() {
    let mut driver = Driver::new(small());
    for key in ["a", "b", "c", "a", "b", "c", "a", "b"] {
        driver.run(&format!("put {key} 1"));
    }
    check(
        &mut driver,
        "
        - A watch a from=2
        - B watch b from=4
        - B watch c from=7
        - A progress
        step
        step
        step
        step
        ",
        "
        more
        A 0 @9 created
        A 0 @9 [a=1 c2 m2 v1]
        B 0 @9 created
        B 1 @9 created
        more
        A 0 @9 [a=1 c2 m5 v2]
        B 0 @9 [b=1 c3 m6 v2]
        B 1 @9 [c=1 c4 m7 v2]
        done
        A 0 @9 [a=1 c2 m8 v3]
        A -1 @9
        B 0 @9 [b=1 c3 m9 v3]
        done
        ",
    );
}
