//! Users and roles through the log, and the gate at apply.

use ketch_auth::Tokens;
use ketch_backend::Bucket;
use ketch_base::MemberId;

use super::driver::Driver;
use super::{check, check_on};

/// Root and ann, who may read and write `a` to `c` and read `r`; auth revision 8.
const USERS: &str = "
    user-add root
    -> r1
    user-grant root root
    -> r1
    user-add ann
    -> r1
    role-add one
    -> r1
    role-grant one 2 a c
    -> r1
    role-grant one 0 r
    -> r1
    user-grant ann one
    -> r1
    auth-enable
    -> r1";

#[test]
fn operations_answer_with_the_revision_of_history() {
    check(
        "put k v
         -> r2 | put k @2.0
         auth-status
         -> r2 off 1
         auth-enable
         -> etcdserver: root user does not exist
         login root
         -> etcdserver: authentication is not enabled
         user-add root
         -> r2
         user-add root
         -> etcdserver: user name already exists
         user-grant root root
         -> r2
         role-add one
         -> r2
         role-grant one 2 a c
         -> r2
         role-get one
         -> r2 2:a..c
         role-list
         -> r2 one
         user-get root
         -> r2 root
         user-list
         -> r2 root
         auth-enable
         -> r2
         auth-status
         -> r2 on 5
         user-list
         -> etcdserver: user name is empty
         by root@5 user-list
         -> r2 root
         by root@5 role-revoke one a c
         -> r2
         by root@1 role-del one
         -> r2
         by root@1 auth-disable
         -> r2
         auth-status
         -> r2 off 8",
    );
}

#[test]
fn keys_are_judged_by_the_header() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    check_on(
        &mut driver,
        "put a 1
         -> etcdserver: user name is empty
         by ann@8 put a 1
         -> r2 | put a @2.0
         by ann@7 put a 2
         -> etcdserver: revision of auth store is old
         by ann@8 put r 1
         -> etcdserver: permission denied
         by root@8 put r 1
         -> r3 | put r @3.0
         by ann@8 del a end=d
         -> etcdserver: permission denied
         by ann@8 del r
         -> etcdserver: permission denied
         by ann@8 txn ? put b 1 ; ( ? : del r )
         -> etcdserver: permission denied
         by ann@8 txn version(r)=1 ? put b 1
         -> r4 yes: put r4 | put b @4.0
         by eve@8 get a
         -> etcdserver: permission denied
         by ann@8 get a
         -> r4 n=1 a=1(2,2,1)",
    );
}

#[test]
fn leases_are_judged_by_their_keys() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    check_on(
        &mut driver,
        "grant 5 60
         -> r1 id=5 ttl=60
         by root@8 put z 1 lease=5
         -> r2 | put z @2.0
         by ann@8 put a 1 lease=5
         -> etcdserver: permission denied
         by ann@8 revoke 5
         -> etcdserver: permission denied
         revoke 5
         -> etcdserver: user name is empty
         by ann@8 revoke 6
         -> etcdserver: requested lease not found
         by root@1 revoke 5
         -> r3 | del z @3.0",
    );
}

#[test]
fn what_members_propose_has_no_user() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    check_on(
        &mut driver,
        "by root@8 put a 1
         -> r2 | put a @2.0
         compact 2
         -> r2
         grant 5 60
         -> r2 id=5 ttl=60
         checkpoint 5 30
         -> r2
         version 3.7.0
         -> empty
         alarm on nospace 1
         -> alarms [1:1]
         by ann@8 put r 1
         -> etcdserver: mvcc: database space exceeded
         by root@8 user-add bob
         -> r2",
    );
}

/// etcd makes the token before it counts the entry.
#[test]
fn a_token_carries_the_index_before_its_own() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    check_on(
        &mut driver,
        "login ann
         -> r1 ann@8 prefix.8
         login eve
         -> etcdserver: authentication failed, invalid user ID or password
         login ann
         -> r1 ann@8 prefix.10",
    );
    let auth = driver.machine().auth();
    let user = |token: &str| auth.tokens().look_up(token, 8, 0).map(|caller| caller.user);
    assert_eq!(user("prefix.8").as_deref(), Some("ann"));
    assert_eq!(user("prefix.9"), None);
    check_on(&mut driver, "by root@8 user-del ann\n-> r1");
    assert_eq!(user("prefix.8"), None);
}

#[test]
fn a_new_database_has_its_auth_revision_with_its_first_entry() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, "del none\n-> r1 n=0");
    let view = driver.machine().reader().backend().view();
    let stored = view.get(Bucket::Auth, b"authRevision").expect("sim");
    assert_eq!(stored.as_deref(), Some(1_u64.to_be_bytes().as_slice()));
    assert_eq!(view.get(Bucket::Auth, b"authEnabled").expect("sim"), None);
}

#[test]
fn users_are_there_after_a_restart_and_with_a_snapshot() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    check_on(
        &mut driver,
        "restart
         -> ok
         by ann@8 put a 1
         -> r2 | put a @2.0
         login ann
         -> r2 ann@8 prefix.9",
    );
    let auth = driver.machine().auth();
    check_on(
        &mut driver,
        "leader by root@8 user-pass ann
         -> r2
         leader by root@9 user-add bob
         -> r2
         snapshot
         -> ok
         auth-status
         -> r2 on 10
         by ann@9 put a 2
         -> etcdserver: revision of auth store is old
         by ann@10 put a 2
         -> r3 | put a @3.0",
    );
    // Ours had seen the login, and nothing of what made it worthless.
    assert_eq!(auth.tokens().look_up("prefix.9", 10, 0), None);
}

/// Nothing of it is in the database that comes: only that something happened.
#[test]
fn tokens_do_not_outlive_a_disable_that_came_with_a_snapshot() {
    let check = |meanwhile: &str, user: Option<&str>| {
        let mut driver = Driver::new(MemberId(1), 0);
        check_on(&mut driver, USERS);
        check_on(&mut driver, "login ann\n-> r1 ann@8 prefix.8");
        check_on(&mut driver, meanwhile);
        check_on(&mut driver, "snapshot\n-> ok");
        let auth = driver.machine().auth();
        let caller = auth.tokens().look_up("prefix.8", auth.revision(), 0);
        assert_eq!(caller.map(|caller| caller.user).as_deref(), user, "{meanwhile}");
    };
    check("leader by root@8 put a 1\n-> r2 | put a @2.0", Some("ann"));
    check("leader by root@8 auth-disable\n-> r1\nleader auth-enable\n-> r1", None);
}

/// The gate looks at the keys of leases; their clocks begin when the leader looks at the time.
#[test]
fn a_judgement_starts_no_clock_of_a_lease() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, USERS);
    let lessor = driver.machine().lessor();
    lessor.promote(1_000_000, 0);
    check_on(
        &mut driver,
        "grant 5 60
         -> r1 id=5 ttl=60
         by ann@8 put a 1 lease=5
         -> r2 | put a @2.0",
    );
    assert_eq!(lessor.expired(1_000_000, 10), []);
    assert_eq!(lessor.expired(1_060_000, 10), [ketch_base::LeaseId(5)]);
}
