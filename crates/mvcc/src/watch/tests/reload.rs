//! A snapshot comes: every watch is told what it would have been told without one, or that it is
//! compacted.

use super::driver::{Driver, small};
use crate::watch::Config;

#[track_caller]
fn check(config: Config, script: &str, want: &str) {
    let told = Driver::new(config).run(script);
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), want);
}

#[test]
fn watches_go_on_from_their_own_next_revision() {
    check(
        Config::default(),
        "
        put a 1
        put b 1
        A watch a prev
        A watch b from=2
        B watch a ~ from=6
        B watch a from=99
        A watch c notify
        leader put a 2
        leader put b 2; put a 3
        leader del a
        install
        A watch b from=3 prev
        A progress
        tick
        reload
        tick
        tick
        B progress
        put a 4
        ",
        "
        A 0 @3 created
        A 1 @3 created
        A 1 @3 [b=1 c3 m3 v1]
        B 0 @3 created
        B 1 @3 created
        A 2 @3 created
        A 3 @3 created
        A 2 @3
        A 0 @6 [a=2 c2 m4 v2 was 1@2] [a=3 c2 m5 v3 was 2@4] [-a m6 was 3@5]
        A 1 @6 [b=2 c3 m5 v2]
        A 3 @6 [b=1 c3 m3 v1] [b=2 c3 m5 v2 was 1@3]
        A -1 @6
        B 0 @6 [-a m6]
        A 2 @6
        A 2 @6
        A 0 @7 [a=4 c7 m7 v1]
        B 0 @7 [a=4 c7 m7 v1]
        ",
    );
}

#[test]
fn a_watch_whose_next_revision_is_compacted_ends() {
    check(
        Config::default(),
        "
        put a 1
        put a 2
        A watch a prev
        A watch a from=5 prev
        A watch a from=6 prev
        A watch a from=7 prev
        A watch b from=50
        leader put a 3
        leader put a 4
        leader put a 5
        leader put a 6
        leader put b 1
        leader compact 6
        install
        reload
        A cancel 0
        A watch a from=5
        put b 2
        ",
        "
        A 0 @3 created
        A 1 @3 created
        A 2 @3 created
        A 3 @3 created
        A 4 @3 created
        A 0 @0 canceled compacted at 6
        A 1 @0 canceled compacted at 6
        A 2 @8 [a=5 c2 m6 v5] [a=6 c2 m7 v6 was 5@6]
        A 3 @8 [a=6 c2 m7 v6 was 5@6]
        A 0 @8 canceled
        A 5 @8 created
        A 5 @0 canceled compacted at 6
        ",
    );
}

#[test]
fn a_commit_published_late_is_not_told_twice() {
    let mut driver = Driver::new(Config::default());
    driver.run("A watch a\nput a 1");
    driver.run("leader put a 2\nleader put a 3");
    let late = {
        let mut txn = driver.store.write();
        txn.put("a".into(), "2".into(), 0);
        txn.commit(ketch_backend::Batch::new())
    };
    assert_eq!(driver.run("install\nreload"), "A 0 @4 [a=2 c2 m3 v2] [a=3 c2 m4 v3]\n");
    driver.hub.publish(&late).expect("readable");
    assert_eq!(driver.run("put a 4"), "A 0 @5 [a=4 c2 m5 v4]\n");
}

#[test]
fn nothing_is_read_of_a_database_before_its_history_is_taken_up() {
    check(
        small(),
        "
        put a 1
        put a 2
        put a 3
        put a 4
        put a 5
        - A watch a from=2
        - step
        - leader put a 6
        - install
        step
        reload
        ",
        "
        more
        done
        A 0 @6 created
        A 0 @6 [a=1 c2 m2 v1] [a=2 c2 m3 v2] [a=3 c2 m4 v3]
        A 0 @7 [a=4 c2 m5 v4] [a=5 c2 m6 v5] [a=6 c2 m7 v6]
        ",
    );
}

#[test]
fn a_slow_client_loses_nothing_over_a_snapshot() {
    let mut driver = Driver::new(small());
    driver.run("- A watch a prev");
    for _ in 0..30 {
        driver.run("- put a v*50\n- settle");
    }
    for _ in 0..30 {
        driver.run("- leader put a w*50");
    }
    driver.run("- install\n- settle\n- reload\n- settle");
    let mut all = String::new();
    while driver.hub.stats().lagging > 0 {
        all += &driver.run("settle");
    }
    let revisions: Vec<i64> = all
        .split('[')
        .skip(1)
        .filter_map(|event| event.split(" m").nth(1)?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(revisions, (2..=61).collect::<Vec<_>>(), "{all}");
    assert_eq!(all.matches(" was <50>@").count(), 59);
}
