//! The check fires on what it is for, and on nothing else.

use ketch_proto::etcdserverpb as pb;

use super::*;
use crate::checks::made::{
    allow, applied, auth_enable, authentication, called_by, changed, get, get_local, grant_role,
    kv, logged_in, put, put_event, put_ok, range_ok, returned, revoke_role, user_add,
};
use crate::checks::trial;
use ketch_base::Index;

fn ann() -> Badge {
    Badge::Name("ann".to_owned())
}

fn refused(call: u64, code: Code) -> Fact {
    returned(call, Outcome::Refused(code))
}

/// Ann may write `a` to `f` until entry 10, at revision 5, takes it from her; a client was told.
fn run(more: Vec<Fact>) -> Result<u64, String> {
    let told = |index: u64| [returned(900, Outcome::Auth { index: Index(index) })];
    let changes = [
        user_add("ann", "x"),
        grant_role("ann", "some"),
        allow("some", 2, "a", "c"),
        allow("some", 2, "b", "f"),
        allow("some", 0, "x", ""),
        auth_enable(),
    ];
    let mut facts = vec![authentication()];
    facts.extend((1..).zip(changes).map(|(index, change)| changed(index, 1, change)));
    facts.extend([logged_in(7, "ann", "t.6"), applied(1, 7, 1), applied(2, 7, 1)]);
    facts.extend(told(6));
    let early = more.iter().position(|fact| matches!(fact, Fact::FaultsEnded));
    let (before, after) = more.split_at(early.unwrap_or(more.len()));
    facts.extend_from_slice(before);
    if early.is_some() {
        facts.extend([changed(10, 5, revoke_role("ann", "some")), applied(1, 10, 5)]);
        facts.extend(told(10));
    }
    facts.extend_from_slice(after);
    trial(Box::new(Permissions::default()), facts)
}

fn delete(key: &str, range_end: &str) -> Call {
    crate::checks::made::delete(key, range_end)
}

#[test]
fn what_was_permitted_when_it_was_judged_passes() {
    let token = || Badge::Token("t.6".to_owned());
    let cases: [Vec<Fact>; 7] = [
        vec![called_by(1, 1, ann(), put("a", "v1")), returned(1, put_ok(2))],
        vec![called_by(1, 1, token(), put("e", "v1")), returned(1, put_ok(2))],
        // Two permissions cover the range together.
        vec![
            called_by(1, 1, ann(), delete("a", "f")),
            returned(1, crate::checks::made::delete_ok(2, 1)),
        ],
        vec![called_by(1, 1, ann(), put("f", "v1")), refused(1, Code::PermissionDenied)],
        vec![called_by(1, 1, Badge::None, put("a", "v1")), refused(1, Code::UserEmpty)],
        // It was asked for before the right was taken, and is in the log before that.
        vec![called_by(1, 1, ann(), put("a", "v1")), Fact::FaultsEnded, returned(1, put_ok(5))],
        // A member that is behind answers from its own state.
        vec![
            Fact::FaultsEnded,
            called_by(1, 2, ann(), get_local("x")),
            returned(1, range_ok(4, &[])),
        ],
    ];
    for facts in cases {
        let shown = format!("{facts:?}");
        assert!(run(facts).is_ok_and(|judged| judged > 0), "{shown}");
    }
}

#[test]
fn fires() {
    let after = |facts: Vec<Fact>| [vec![Fact::FaultsEnded], facts].concat();
    let write = || called_by(1, 1, ann(), put("a", "v1"));
    let nested = || {
        let op = |request| RequestOp { request: Some(request) };
        let Call::Put(put) = put("z", "v1") else { unreachable!() };
        let inner =
            TxnRequest { success: vec![op(Request::RequestPut(put))], ..Default::default() };
        let success = vec![op(Request::RequestTxn(inner))];
        Call::Txn(TxnRequest { success, ..Default::default() })
    };
    let txn_ok = Outcome::Txn(pb::TxnResponse::default());
    let event = put_event(kv("a", "v1", 6));
    let watched =
        Fact::Watched { watch: crate::fact::WatchKey(1), header_revision: 6, events: vec![event] };
    let cases = [
        ("no right", after(vec![write(), returned(1, put_ok(6))])),
        ("no right", vec![write(), Fact::FaultsEnded, returned(1, put_ok(6))]),
        ("no right", after(vec![write(), watched])),
        ("no right", vec![called_by(1, 1, ann(), put("z", "v1")), returned(1, put_ok(2))]),
        ("no right", vec![called_by(1, 1, ann(), nested()), returned(1, txn_ok)]),
        ("no right", vec![called_by(1, 1, Badge::None, get("x")), returned(1, range_ok(1, &[]))]),
        ("no right", after(vec![called_by(1, 1, ann(), get("x")), returned(1, range_ok(5, &[]))])),
        ("was refused", vec![write(), refused(1, Code::PermissionDenied)]),
        ("was refused", vec![write(), refused(1, Code::UserEmpty)]),
        ("was refused", vec![write(), refused(1, Code::AuthOldRevision)]),
    ];
    for (expected, facts) in cases {
        let shown = format!("{facts:?}");
        let found = run(facts).expect_err(&shown);
        assert!(found.contains(expected), "{found}");
    }
}
