//! Transcripts of a lessor: a line is a call, an indented line its answer.
//!
//! `at N` moves the clock to N ms; it is told to every call that takes the time.

use bytes::Bytes;
use ketch_backend::Batch;
use ketch_base::{Code, LeaseId};

use crate::{Config, Lessor, Renewed};

struct Driver {
    lessor: Lessor,
    now_ms: u64,
}

impl Driver {
    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| words[place].parse::<i64>().expect("a number");
        let ms = |place: usize| number(place).unsigned_abs();
        let lease = |place: usize| LeaseId(number(place));
        let mut batch = Batch::new();
        let lessor = &self.lessor;
        match words[0] {
            "at" => {
                self.now_ms = ms(1);
                String::new()
            }
            "grant" => show(lessor.grant(lease(1), number(2), &mut batch)),
            "revoke" => match lessor.revoke(lease(1), &mut batch) {
                Ok(keys) => names(&keys),
                Err(code) => code.to_string(),
            },
            "attach" => {
                lessor.attach(&Bytes::copy_from_slice(words[1].as_bytes()), lease(2));
                String::new()
            }
            "detach" => {
                lessor.detach(words[1].as_bytes());
                String::new()
            }
            "lease-of" => {
                lessor.lease_of(words[1].as_bytes()).map_or("none".into(), |id| id.0.to_string())
            }
            "promote" => {
                lessor.promote(self.now_ms, ms(1));
                String::new()
            }
            "demote" => {
                lessor.demote();
                String::new()
            }
            "renew" => match lessor.renew(lease(1), self.now_ms) {
                Ok(Renewed { ttl_s, clear_checkpoint: false }) => ttl_s.to_string(),
                Ok(Renewed { ttl_s, .. }) => format!("{ttl_s}, checkpoint to be cleared"),
                Err(code) => code.to_string(),
            },
            "ttl" => match lessor.time_to_live(lease(1), self.now_ms, true) {
                None => "none".into(),
                Some(t) => format!("{} of {} [{}]", t.ttl_s, t.granted_ttl_s, names(&t.keys)),
            },
            "list" => ids(&lessor.leases()),
            "expired" => ids(&lessor.expired(self.now_ms, 10)),
            "checkpoint" => {
                lessor.checkpoint(lease(1), number(2), &mut batch);
                String::new()
            }
            "checkpoints" => format!("{:?}", lessor.checkpoints(self.now_ms, 10)),
            other => panic!("no such call: {other}"),
        }
    }
}

fn show(result: Result<i64, Code>) -> String {
    result.map_or_else(|code| code.to_string(), |ttl_s| ttl_s.to_string())
}

fn ids(list: &[LeaseId]) -> String {
    list.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(" ")
}

fn names(keys: &[Bytes]) -> String {
    keys.iter().map(|key| String::from_utf8_lossy(key)).collect::<Vec<_>>().join(" ")
}

fn check(transcript: &str) {
    let mut driver = Driver { lessor: Lessor::new(Config { ttl_min_s: 2 }), now_ms: 0 };
    let mut answer = String::new();
    let mut call = "";
    for line in transcript.lines().filter(|line| !line.trim().is_empty()) {
        match line.trim().strip_prefix("-> ") {
            Some(expected) => {
                assert_eq!(answer, expected, "{call}");
                answer.clear();
            }
            None => {
                assert_eq!(answer, "", "answer of `{call}` not expected");
                call = line.trim();
                answer = driver.run(call);
            }
        }
    }
    assert_eq!(answer, "", "answer of `{call}` not expected");
}

#[test]
fn grants_are_checked_as_etcd_does() {
    check(
        "grant 0 10
            -> etcdserver: requested lease not found
         grant 1 9000000001
            -> etcdserver: too large lease TTL
         grant 1 9000000000
            -> 9000000000
         grant 1 10
            -> etcdserver: lease already exists
         grant 2 0
            -> 2
         grant 3 -5
            -> 2
         revoke 4
            -> etcdserver: requested lease not found",
    );
}

#[test]
fn a_lease_runs_out_unless_renewed() {
    check(
        "promote 0
         grant 1 10
            -> 10
         grant 2 5
            -> 5
         at 1000
         ttl 1
            -> 9 of 10 []
         list
            -> 2 1
         at 5999
         expired
         at 6000
         expired
            -> 2
         renew 2
            -> etcdserver: requested lease not found
         renew 1
            -> 10
         at 8999
         expired
         at 9000
         expired
            -> 2
         ttl 2
            -> -3 of 5 []
         revoke 2
         ttl 2
            -> none
         at 15999
         expired
         at 16000
         expired
            -> 1",
    );
}

#[test]
fn a_grant_between_ticks_starts_at_the_next_and_never_earlier() {
    check(
        "promote 0
         at 500
         expired
         grant 1 2
            -> 2
         at 1000
         expired
         at 2999
         expired
         at 3000
         expired
            -> 1",
    );
}

#[test]
fn granted_again_between_two_ticks() {
    check(
        "promote 0
         grant 1 2
            -> 2
         revoke 1
         grant 1 5
            -> 5
         at 100
         expired
         at 5099
         expired
         at 5100
         expired
            -> 1
         at 5200
         expired",
    );
}

#[test]
fn keys_follow_their_last_lease() {
    check(
        "grant 1 10
            -> 10
         grant 2 10
            -> 10
         attach b 1
         attach a 1
         attach c 1
         lease-of a
            -> 1
         attach a 2
         lease-of a
            -> 2
         detach c
         lease-of c
            -> none
         attach b 0
         lease-of b
            -> none
         attach z 1
         attach y 1
         ttl 1
            -> 10 of 10 [y z]
         revoke 1
            -> y z
         lease-of y
            -> none
         attach q 9
         lease-of q
            -> none
         revoke 2
            -> a",
    );
}

#[test]
fn only_the_leader_keeps_time() {
    check(
        "grant 1 10
            -> 10
         at 60000
         expired
         renew 1
            -> not a primary lessor
         ttl 1
            -> 10 of 10 []
         promote 1000
         at 70999
         expired
         at 71000
         expired
            -> 1
         demote
         at 99000
         expired
         promote 0
         at 108999
         expired
         at 109000
         expired
            -> 1",
    );
}

#[test]
fn a_checkpoint_is_where_the_next_leader_starts() {
    check(
        "promote 0
         grant 1 1000
            -> 1000
         grant 2 300
            -> 300
         at 0
         checkpoints
            -> []
         at 299999
         checkpoints
            -> []
         at 300000
         checkpoints
            -> [(LeaseId(1), 700)]
         checkpoint 1 700
         checkpoints
            -> []
         demote
         promote 5000
         ttl 1
            -> 704 of 1000 []
         ttl 2
            -> 304 of 300 []
         checkpoints
            -> []
         at 604999
         checkpoints
            -> []
         at 605000
         checkpoints
            -> [(LeaseId(1), 400)]",
    );
}

#[test]
fn a_renewal_is_safe_when_the_checkpoint_is_cleared() {
    check(
        "promote 0
         grant 1 1000
            -> 1000
         renew 1
            -> 1000
         at 400000
         checkpoints
            -> [(LeaseId(1), 600)]
         checkpoint 1 600
         at 500000
         renew 1
            -> 1000, checkpoint to be cleared
         renew 1
            -> 1000, checkpoint to be cleared
         checkpoints
            -> []
         checkpoint 1 0
         renew 1
            -> 1000
         ttl 1
            -> 999 of 1000 []
         demote
         promote 0
         ttl 1
            -> 999 of 1000 []",
    );
}

#[test]
fn a_clearing_that_the_new_leader_applies_late_counts_from_its_promotion() {
    check(
        "grant 1 1000
            -> 1000
         checkpoint 1 100
         at 5000
         promote 1000
         at 6000
         ttl 1
            -> 99 of 1000 []
         checkpoint 1 0
         ttl 1
            -> 999 of 1000 []
         at 105999
         expired
         at 106000
         expired
         at 1005999
         expired
         at 1006000
         expired
            -> 1",
    );
}

#[test]
fn a_checkpoint_overtaken_by_a_renewal_is_corrected() {
    check(
        "promote 0
         grant 1 1000
            -> 1000
         at 0
         checkpoints
            -> []
         at 300000
         checkpoints
            -> [(LeaseId(1), 700)]
         renew 1
            -> 1000, checkpoint to be cleared
         checkpoint 1 0
         checkpoint 1 700
         checkpoints
            -> [(LeaseId(1), 0)]
         at 302999
         checkpoints
            -> []
         at 303000
         checkpoints
            -> [(LeaseId(1), 997)]
         checkpoint 1 997
         checkpoints
            -> []",
    );
}

#[test]
fn a_lost_checkpoint_is_named_again() {
    check(
        "promote 0
         grant 1 1000
            -> 1000
         at 0
         expired
         at 300500
         checkpoints
            -> [(LeaseId(1), 700)]
         at 303499
         checkpoints
            -> []
         at 303500
         checkpoints
            -> [(LeaseId(1), 697)]
         at 1000000
         checkpoints
            -> []
         expired
            -> 1",
    );
}

#[test]
fn a_promotion_spreads_what_would_expire_at_once() {
    let lessor = Lessor::new(Config { ttl_min_s: 2 });
    for id in 1..=2_000 {
        lessor.grant(LeaseId(id), 2, &mut Batch::new()).expect("new");
    }
    lessor.promote(0, 0);
    let found: Vec<usize> =
        [2_000, 3_000, 4_000, 5_000].map(|now_ms| lessor.expired(now_ms, 5_000).len()).into();
    assert_eq!(found, [750, 750, 500, 750], "the last are the first, named again");
}

#[test]
fn the_minimum_follows_the_election() {
    let check = |ticks, heartbeat_ms, expected| {
        assert_eq!(Config::for_election(ticks, heartbeat_ms).ttl_min_s, expected);
    };
    check(10, 100, 2);
    check(10, 500, 8);
    check(50, 100, 8);
    check(5, 100, 1);
}
