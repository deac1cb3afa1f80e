//! Transcripts of the store and the gate; all but the lines with `@` hold for etcd 3.7.1 as well.
//!
//! A line is a call, with what it gives after `->`, or nothing if that is `ok`; `#` begins a
//! remark.
//!
//! ```text
//! user add NAME [nopass]   user del|get|pass NAME   user grant|revoke NAME ROLE   user list
//! role add|del|get NAME    role list                role revoke NAME KEYS
//! role grant NAME read|write|readwrite|KIND KEYS        with KEYS as KEY or KEY..END; * is byte 0
//! enable   disable   status   restart   login NAME      hash NAME
//! lease NUMBER KEY ..                                   the keys a lease has
//! as USER[@REVISION] REQUEST                            before dispatch; nobody has no credentials
//! apply@ USER[@REVISION] REQUEST                        at apply
//! ```
//!
//! A request is a word: `get:KEYS`, `put:KEY`, `del:KEYS`, with `+prev` and `+lease=N` behind it,
//! or `txn if:KEYS .. OP .. | OP ..` with `( .. )` around a nested one, or the name of another
//! call with what it takes.

mod cover;
mod driver;
mod golden;
mod request;

use driver::Driver;

fn check(transcript: &str) {
    let mut driver = Driver::new();
    for line in transcript.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (call, expected) = line.split_once("->").unwrap_or((line, "ok"));
        assert_eq!(driver.run(call.trim()), expected.trim(), "{line}");
    }
}

#[test]
fn operations_their_errors_and_the_revision() {
    check(include_str!("operations.txt"));
}

#[test]
fn ranges_of_keys() {
    check(include_str!("keys.txt"));
}

#[test]
fn everything_within_a_transaction_counts() {
    check(include_str!("txn.txt"));
}

#[test]
fn leases_stand_for_their_keys() {
    check(include_str!("leases.txt"));
}

#[test]
fn calls_other_than_on_keys() {
    check(include_str!("calls.txt"));
}

#[test]
fn old_revisions_and_what_is_asked_at_apply() {
    check(include_str!("revisions.txt"));
}
