//! The check fires on what it is for, and on nothing else.

use super::*;
use crate::checks::made::{auth_enable, authentication, changed, logged_in, user_add};
use crate::checks::trial;
use ketch_base::Term;

fn stands(member: u64, index: u64, digest: u32, tokens: &[(&str, &str)]) -> Fact {
    let owned = |(token, user): &(&str, &str)| ((*token).to_owned(), (*user).to_owned());
    let tokens = tokens.iter().map(owned).collect();
    Fact::AuthStands { member: MemberId(member), index: Index(index), digest, tokens }
}

fn run(more: Vec<Fact>) -> Result<u64, String> {
    let start = [
        authentication(),
        changed(3, 1, user_add("ann", "x")),
        stands(1, 3, 7, &[]),
        logged_in(5, "ann", "t.4"),
        stands(1, 5, 8, &[("t.4", "ann")]),
    ];
    trial(Box::new(EqualRights::default()), start.into_iter().chain(more).collect())
}

fn installed(member: u64, index: u64) -> Fact {
    Fact::Installed { member: MemberId(member), index: Index(index), term: Term(1) }
}

#[test]
fn the_same_or_forgotten() {
    assert_eq!(run(vec![stands(2, 3, 7, &[]), stands(2, 5, 8, &[("t.4", "ann")])]), Ok(2));
    assert_eq!(run(vec![stands(2, 4, 7, &[])]), Ok(1));
    assert_eq!(run(vec![installed(2, 9), stands(2, 9, 8, &[])]), Ok(1));
}

#[test]
fn fires() {
    let cases = [
        ("other users", vec![stands(2, 3, 8, &[])]),
        ("other users", vec![installed(2, 9), stands(2, 9, 7, &[])]),
        ("takes t.4", vec![stands(2, 5, 8, &[])]),
        ("takes t.4", vec![stands(2, 5, 8, &[("t.4", "bob")])]),
        ("takes u.3", vec![stands(2, 5, 8, &[("t.4", "ann"), ("u.3", "ann")])]),
        ("of entry 3", vec![changed(3, 1, auth_enable())]),
    ];
    for (expected, facts) in cases {
        let found = run(facts).expect_err(expected);
        assert!(found.contains(expected), "{found}");
    }
}
