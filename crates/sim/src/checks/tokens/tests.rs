//! The check fires on what it is for, and on nothing else.

use super::*;
use crate::checks::made::{
    applied, auth_enable, authentication, called_by, changed, get, logged_in, password, range_ok,
    returned, user_add,
};
use crate::checks::trial_at;
use ketch_base::{Index, Term};

fn login(call: u64, password: &str) -> Fact {
    let (user, password) = ("ann".to_owned(), password.to_owned());
    called_by(call, 1, Badge::None, Call::Authenticate { user, password })
}

fn used(call: u64, member: u64) -> Fact {
    called_by(call, member, Badge::Token("t.2".to_owned()), get("a"))
}

fn invalid(call: u64) -> Fact {
    returned(call, Outcome::Refused(Code::InvalidAuthToken))
}

/// Ann's password is `x`; her login is entry 3.
fn run_at(more: Vec<(u64, Fact)>) -> Result<u64, String> {
    let mut facts = vec![
        authentication(),
        changed(1, 1, user_add("ann", "x")),
        changed(2, 1, auth_enable()),
        logged_in(3, "ann", "t.2"),
        applied(2, 3, 1),
    ];
    let told = Outcome::Auth { index: Index(2) };
    facts.extend([called_by(99, 1, Badge::None, Call::Auth(Box::default())), returned(99, told)]);
    let facts = facts.into_iter().map(|fact| (0, fact)).chain(more);
    trial_at(Box::new(TokensEverywhere::default()), facts.collect())
}

fn run(more: Vec<Fact>) -> Result<u64, String> {
    run_at(more.into_iter().map(|fact| (10, fact)).collect())
}

fn given(call: u64) -> Fact {
    returned(call, Outcome::Authenticate { token: "t.2".to_owned() })
}

#[test]
fn good_tokens_everywhere() {
    let on_another = vec![login(1, "x"), given(1), used(2, 2), returned(2, range_ok(1, &[]))];
    assert_eq!(run(on_another), Ok(1));
    let changed = vec![changed(4, 1, password("ann", "y")), used(2, 2), invalid(2)];
    assert_eq!(run(changed), Ok(0));
    let installed = Fact::Installed { member: MemberId(2), index: Index(3), term: Term(1) };
    assert_eq!(run(vec![installed, used(2, 2), invalid(2)]), Ok(0));
    assert_eq!(run_at(vec![(299_000, used(2, 2)), (301_000, invalid(2))]), Ok(0));
    let failed = returned(1, Outcome::Refused(Code::AuthFailed));
    assert_eq!(run(vec![login(1, "y"), failed]), Ok(0));
}

#[test]
fn fires() {
    let failed = |code| returned(1, Outcome::Refused(code));
    let cases = [
        ("does not take", vec![used(2, 2), invalid(2)]),
        ("another password", vec![login(1, "y"), given(1)]),
        ("right password", vec![login(1, "x"), failed(Code::AuthFailed)]),
        ("right password", vec![login(1, "x"), failed(Code::AuthNotEnabled)]),
        ("no entry made", {
            let token = "u.7".to_owned();
            vec![login(1, "x"), returned(1, Outcome::Authenticate { token })]
        }),
    ];
    for (expected, facts) in cases {
        let found = run(facts).expect_err(expected);
        assert!(found.contains(expected), "{found}");
    }
}
