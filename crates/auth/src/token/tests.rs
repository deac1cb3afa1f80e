//! The table of simple tokens, as transcripts: an operation and what it gives.
//!
//! ```text
//! N assign USER TOKEN | N look TOKEN | N tick | N drop USER | N clear      at N milliseconds
//! ```

use super::*;

/// Tokens live 3 seconds, and there are at most four.
fn check(transcript: &str) {
    let tokens = SimpleTokens::new(3_000, 4);
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (call, expected) = line.split_once("->").unwrap_or((line, "ok"));
        let words: Vec<&str> = call.split_whitespace().collect();
        let now_ms = words[0].parse().expect("a time");
        let found = match words[1..] {
            ["assign", user, token] => {
                tokens.assign(user, token);
                "ok".to_owned()
            }
            ["look", token] => match tokens.look_up(token, 7, now_ms) {
                Some(Caller { user, revision: 7 }) => user,
                Some(other) => format!("{other:?}"),
                None => "none".to_owned(),
            },
            ["tick"] => {
                tokens.tick(now_ms);
                tokens.len().to_string()
            }
            ["drop", user] => {
                tokens.invalidate_user(user);
                "ok".to_owned()
            }
            ["clear"] => {
                tokens.clear();
                "ok".to_owned()
            }
            _ => panic!("{line}"),
        };
        assert_eq!(found, expected.trim(), "{line}");
        let table = tokens.table.lock();
        assert_eq!(table.known.len(), table.by_age.len(), "{line}");
        let owned: usize = table.by_user.values().map(BTreeSet::len).sum();
        assert_eq!(table.known.len(), owned, "{line}");
    }
}

#[test]
fn a_use_renews() {
    check(
        "0 assign ann t.1
         0 look t.1        -> ann
         2900 look t.1     -> ann
         5800 look t.1     -> ann
         9801 look t.1     -> none
         9801 look t.1     -> none",
    );
}

#[test]
fn time_begins_with_the_first_tick() {
    check(
        "0 assign ann t.1
         5000 tick         -> 1
         9000 tick         -> 1
         9001 tick         -> 0
         9001 look t.1     -> none",
    );
}

#[test]
fn uses_within_a_second_are_one() {
    check(
        "0 assign ann t.1
         0 tick            -> 1
         900 look t.1      -> ann
         4001 look t.1     -> none",
    );
    check(
        "0 assign ann t.1
         0 tick            -> 1
         1000 look t.1     -> ann
         4001 look t.1     -> ann",
    );
}

#[test]
fn a_full_table_costs_who_fills_it() {
    check(
        "0 assign ann a.1
         0 assign bob b.2
         0 assign bob b.3
         0 assign bob b.4
         0 assign bob b.5
         0 look b.2        -> none
         0 look a.1        -> ann
         0 look b.3        -> bob
         0 assign eve e.6
         0 look b.4        -> none
         0 look a.1        -> ann
         0 tick            -> 4",
    );
}

#[test]
fn users_and_all_are_forgotten() {
    check(
        "0 assign ann a.1
         0 assign bob b.2
         0 assign ann a.3
         0 drop ann
         0 look a.1        -> none
         0 look b.2        -> bob
         0 drop nobody
         0 clear
         0 look b.2        -> none
         0 tick            -> 0",
    );
}

#[test]
fn only_some_texts_can_be_tokens() {
    let check = |token: &str, index| assert_eq!(index_of(token), index, "{token}");
    check("abc.12", Some(13));
    check(".3", Some(4));
    check("abc", None);
    check("abc.", None);
    check("abc.x", None);
    check("abc.+1", None);
    check("abc.1.2", None);
    check("abc.18446744073709551614", Some(u64::MAX));
    check("abc.18446744073709551615", None);
    check("abc.18446744073709551616", None);
}
