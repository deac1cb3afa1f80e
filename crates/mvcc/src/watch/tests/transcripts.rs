//! What a client is told. Where etcd 3.7.1 can be asked, these are its answers.

use super::driver::{Driver, small};
use crate::watch::Config;

#[track_caller]
fn check(config: Config, script: &str, want: &str) {
    let told = Driver::new(config).run(script);
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), want);
}

#[test]
fn ids_and_refusals() {
    check(
        Config::default(),
        r#"
        A progress
        A watch a
        A watch a id=1
        A watch b id=5
        A watch a
        A watch a id=5
        A watch a id=-5
        A watch a id=-1
        A watch b a id=9
        A watch b from=-3 id=9
        A watch b a from=-3
        A watch ""
        A watch "" ~
        A watch "" b
        A watch b b
        put a 1
        put ~ z
        A cancel 77
        A cancel 5
        A cancel 5
        A watch b id=5
        A cancel -1
        A progress
        "#,
        "
        A 0 @1 created
        A 1 @1 created
        A 5 @1 created
        A 2 @1 created
        A -1 @1 created canceled: mvcc: duplicate watch ID provided on the WatchStream
        A -5 @1 created
        A -1 @1 created
        A -1 @1 created canceled: mvcc: watcher range is empty
        A -1 @1 created canceled: etcdserver: mvcc: required revision has been compacted
        A -1 @1 created canceled: etcdserver: mvcc: required revision has been compacted
        A 3 @1 created
        A 4 @1 created
        A 6 @1 created
        A -1 @1 created canceled: mvcc: watcher range is empty
        A 0 @2 [a=1 c2 m2 v1]
        A 1 @2 [a=1 c2 m2 v1]
        A 2 @2 [a=1 c2 m2 v1]
        A -5 @2 [a=1 c2 m2 v1]
        A -1 @2 [a=1 c2 m2 v1]
        A 4 @2 [a=1 c2 m2 v1]
        A 6 @2 [a=1 c2 m2 v1]
        A 3 @3 [~=z c3 m3 v1]
        A 4 @3 [~=z c3 m3 v1]
        A 6 @3 [~=z c3 m3 v1]
        A 5 @3 canceled
        A 5 @3 created
        A -1 @3 canceled
        A -1 @3
        ",
    );
}

#[test]
fn the_future_waits_and_holds_back_progress() {
    check(
        Config::default(),
        "
        put a 2
        put a 3
        F watch a from=6
        F progress
        F watch a from=3
        put a 4
        F progress
        put a 5
        put a 6
        F progress
        ",
        "
        F 0 @3 created
        F 1 @3 created
        F 1 @3 [a=3 c2 m3 v2]
        F 1 @4 [a=4 c2 m4 v3]
        F 1 @5 [a=5 c2 m5 v4]
        F 0 @6 [a=6 c2 m6 v5]
        F 1 @6 [a=6 c2 m6 v5]
        F -1 @6
        ",
    );
}

#[test]
fn the_past_with_previous_pairs_and_filters() {
    check(
        Config::default(),
        "
        put a 1
        put x 1
        put a 4
        P watch a from=2 prev
        del a
        del a
        put a 9
        P watch a from=1 prev noput
        put a t1; put aa t2; del x
        P watch a ~ from=7 nodelete
        P watch a ~ from=7 noput nodelete
        ",
        "
        P 0 @4 created
        P 0 @4 [a=1 c2 m2 v1] [a=4 c2 m4 v2 was 1@2]
        P 0 @5 [-a m5 was 4@4]
        P 0 @6 [a=9 c6 m6 v1]
        P 1 @6 created
        P 1 @6 [-a m5 was 4@4]
        P 0 @7 [a=t1 c6 m7 v2 was 9@6]
        P 2 @7 created
        P 2 @7 [a=t1 c6 m7 v2] [aa=t2 c7 m7 v1]
        P 3 @7 created
        ",
    );
}

#[test]
fn compacted_revisions() {
    check(
        Config::default(),
        "
        put a 2
        put a 3
        put a 4
        put a 5
        put a 6
        del a
        put a 8
        compact 6
        Q watch a from=3 prev
        Q watch a from=5
        Q watch a from=6 prev
        Q watch a from=7 prev
        Q cancel 0
        Q watch a from=2 id=40
        Q watch a id=40
        Q cancel 40
        Q watch a id=40
        Q progress
        ",
        "
        Q 0 @8 created
        Q 0 @0 canceled compacted at 6
        Q 1 @8 created
        Q 1 @0 canceled compacted at 6
        Q 2 @8 created
        Q 2 @8 [a=6 c2 m6 v5] [-a m7 was 6@6] [a=8 c8 m8 v1]
        Q 3 @8 created
        Q 3 @8 [-a m7 was 6@6] [a=8 c8 m8 v1]
        Q 0 @8 canceled
        Q 40 @8 created
        Q 40 @0 canceled compacted at 6
        Q -1 @8 created canceled: mvcc: duplicate watch ID provided on the WatchStream
        Q 40 @8 canceled
        Q 40 @8 created
        Q -1 @8
        ",
    );
}

#[test]
fn progress_of_single_watches() {
    check(
        Config::default(),
        "
        put a 1
        N watch n notify
        N watch n notify from=100
        N watch n
        N watch a notify from=2
        tick
        tick
        put n 1
        tick
        tick
        ",
        "
        N 0 @2 created
        N 1 @2 created
        N 2 @2 created
        N 3 @2 created
        N 3 @2 [a=1 c2 m2 v1]
        N 0 @2
        N 0 @2
        N 3 @2
        N 0 @3 [n=1 c3 m3 v1]
        N 2 @3 [n=1 c3 m3 v1]
        N 3 @3
        N 0 @3
        N 3 @3
        ",
    );
}

#[test]
fn large_responses_are_cut() {
    check(
        small(),
        "
        - A watch a ~
        - B watch a ~ fragment
        put a x*180; put b y*180; put c z*180
        C watch a ~ from=1
        D watch a ~ from=1 fragment
        ",
        "
        A 0 @1 created
        A 0 @2 [a=<180> c2 m2 v1] [b=<180> c2 m2 v1] [c=<180> c2 m2 v1]
        B 0 @1 created
        B 0 @2 [a=<180> c2 m2 v1] ..
        B 0 @2 [b=<180> c2 m2 v1] ..
        B 0 @2 [c=<180> c2 m2 v1]
        C 0 @2 created
        C 0 @2 [a=<180> c2 m2 v1] [b=<180> c2 m2 v1] [c=<180> c2 m2 v1]
        D 0 @2 created
        D 0 @2 [a=<180> c2 m2 v1] ..
        D 0 @2 [b=<180> c2 m2 v1] ..
        D 0 @2 [c=<180> c2 m2 v1]
        ",
    );
}

#[test]
fn streams_are_apart_and_end() {
    check(
        Config::default(),
        "
        A watch a
        B watch a id=7
        put a 1
        A close
        put a 2
        A watch a
        put a 3
        ",
        "
        A 0 @1 created
        B 7 @1 created
        A 0 @2 [a=1 c2 m2 v1]
        B 7 @2 [a=1 c2 m2 v1]
        B 7 @3 [a=2 c2 m3 v2]
        A 0 @3 created
        A 0 @4 [a=3 c2 m4 v3]
        B 7 @4 [a=3 c2 m4 v3]
        ",
    );
}

#[test]
fn the_pair_before_is_that_before_the_transaction() {
    check(
        Config::default(),
        "
        put a 1
        A watch a prev
        put a 2; del a
        put a 3; put a 4
        put a 5; put a 6
        - A close
        B watch a from=5 prev
        ",
        "
        A 0 @2 created
        A 0 @3 [a=2 c2 m3 v2 was 1@2] [-a m3 was 1@2]
        A 0 @4 [a=3 c4 m4 v1] [a=4 c4 m4 v2]
        A 0 @5 [a=5 c4 m5 v3 was 4@4] [a=6 c4 m5 v4 was 4@4]
        B 0 @5 created
        B 0 @5 [a=5 c4 m5 v3 was 4@4] [a=6 c4 m5 v4 was 4@4]
        ",
    );
}
