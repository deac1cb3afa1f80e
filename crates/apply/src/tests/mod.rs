//! Transcripts of the machine: a line is an entry, a line that begins with `->` its outcome,
//! one that begins with `+` goes on with the line before.
//!
//! ```text
//! put KEY VALUE [lease=N] [prev] [ignore-value] [ignore-lease]
//! del KEY [end=KEY] [prev]        get KEY [end=KEY] [rev=N]        compact N
//! txn COMPARE .. ? OP ; OP : OP   with OP as above, or ( COMPARE ? OP : OP )
//!     COMPARE is target(KEY[,END])=N, and <, >, != as well
//! grant ID TTL   revoke ID   alarm get|on|off nospace|corrupt MEMBER
//! add|learner|promote|update|remove ID [URL]     restart
//! name ID NAME URL    version VERSION    checkpoint LEASE SECONDS    lead
//! members         with their names        lease ID    seconds and keys
//! by USER@REVISION LINE    from a user; else from nobody
//! auth-enable|disable|status    login USER    user-add|del|pass|get NAME    user-list
//! user-grant|revoke USER ROLE   role-add|del|get NAME   role-list   role-revoke ROLE KEY [END]
//! role-grant ROLE KIND KEY [END]
//! leader LINE     the same on another member, out of reach
//! snapshot        whose state then takes the place of ours
//! ```

mod auth;
mod cluster;
mod driver;
mod keys;
mod ops;
mod raw;
mod snapshot;

use driver::Driver;

/// Runs a transcript on a machine of member 1.
fn check(transcript: &str) {
    let mut driver = Driver::new(ketch_base::MemberId(1), 0);
    check_on(&mut driver, transcript);
}

fn check_on(driver: &mut Driver, transcript: &str) {
    let mut lines: Vec<String> = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix('+'), lines.last_mut()) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => lines.push(line.to_owned()),
        }
    }
    let mut call = String::new();
    let mut answer: Option<String> = None;
    for line in lines {
        match line.strip_prefix("->") {
            Some(expected) => {
                let found = answer.take().expect("one answer per call");
                assert_eq!(found, expected.trim(), "{call}");
            }
            None => {
                answer = Some(driver.run(&line));
                call = line;
            }
        }
    }
}
