//! Puts, deletes, transactions, leases.

use super::driver::Driver;
use super::{check, check_on};

#[test]
fn single_operations() {
    check(
        r"put a 1
            -> r2 | put a @2.0
          put a 2 prev
            -> r3 was a=1(2,2,1) | put a @3.0
          put b 1
            -> r4 | put b @4.0
          get a end=z
            -> r4 n=2 a=2(2,3,2) b=1(4,4,1)
          get a rev=2
            -> r4 n=1 a=1(2,2,1)
          get a rev=9
            -> etcdserver: mvcc: required revision is a future revision
          del x
            -> r4 n=0
          del a end=\0 prev
            -> r5 n=2 was a=2(2,3,2) b=1(4,4,1) | del a @5.0, del b @5.1
          put a 3
            -> r6 | put a @6.0
          get a
            -> r6 n=1 a=3(6,6,1)",
    );
}

#[test]
fn keeping_value_or_lease() {
    check(
        "put a ignore-value
            -> etcdserver: key not found
         put a ignore-lease
            -> etcdserver: key not found
         put a ignore-value lease=9
            -> etcdserver: requested lease not found
         grant 5 60
            -> r1 id=5 ttl=60
         put a 1 lease=5
            -> r2 | put a @2.0
         put a 2 ignore-lease
            -> r3 | put a @3.0
         put a ignore-value prev
            -> r4 was a=2(2,3,2,L5) | put a @4.0
         get a
            -> r4 n=1 a=2(2,4,3)
         revoke 5
            -> r4",
    );
}

#[test]
fn leases_take_their_keys_with_them_in_one_revision() {
    check(
        "grant 0 60
            -> etcdserver: requested lease not found
         grant 5 0
            -> r1 id=5 ttl=2
         grant 5 60
            -> etcdserver: lease already exists
         put c 1 lease=5
            -> r2 | put c @2.0
         put a 1 lease=5
            -> r3 | put a @3.0
         put b 1 lease=5
            -> r4 | put b @4.0
         put b 2
            -> r5 | put b @5.0
         put d 1 lease=6
            -> etcdserver: requested lease not found
         restart
            -> ok
         revoke 5
            -> r6 | del a @6.0, del c @6.1
         revoke 5
            -> etcdserver: requested lease not found
         get a end=z
            -> r6 n=1 b=2(4,5,2)
         grant 7 60
            -> r6 id=7 ttl=60
         revoke 7
            -> r6",
    );
}

#[test]
fn a_transaction_is_one_revision_and_reads_its_own_writes() {
    check(
        "put a 1
            -> r2 | put a @2.0
         put b 1
            -> r3 | put b @3.0
         txn ? get a ; put x 1 prev ; get x ; del none ; del b prev ; get b
            -> r4 yes: get r3 n=1 a=1(2,2,1); put r4; get r4 n=1 x=1(4,4,1); del r4 n=0;
              + del r4 n=1 was b=1(3,3,1); get r4 n=0 | put x @4.0, del b @4.1
         txn ? del none ; get a
            -> r4 yes: del r4 n=0; get r4 n=1 a=1(2,2,1)
         txn mod(a)=9 ? put y 1 : put z 1
            -> r5 no: put r5 | put z @5.0
         txn mod(a)=9 ? put y 1
            -> r5 no:",
    );
}

#[test]
fn compares() {
    check(
        r"grant 5 60
            -> r1 id=5 ttl=60
          put a 1
            -> r2 | put a @2.0
          put a 2
            -> r3 | put a @3.0
          put ab x lease=5
            -> r4 | put ab @4.0
          txn version(a)=2 create(a)=2 mod(a)=3 value(a)=2 lease(ab)=5 ?
            -> r4 yes:
          txn version(a)>1 create(a)<3 mod(a)!=2 value(a)>1 lease(ab)>4 ?
            -> r4 yes:
          txn version(a)>2 ?
            -> r4 no:
          txn version(none)=0 create(none)=0 mod(none)<1 lease(none)=0 ?
            -> r4 yes:
          txn value(none)= ?
            -> r4 no:
          txn value(none)!=x ?
            -> r4 no:
          txn version(a,b)>0 ?
            -> r4 yes:
          txn version(a,b)=2 ?
            -> r4 no:
          txn value(a,b)>1 ?
            -> r4 yes:
          txn lease(a,\0)<9 ?
            -> r4 yes:
          txn mod(x,z)=0 ?
            -> r4 yes:
          txn mod(x,z)=1 ?
            -> r4 no:
          txn value(x,z)!=1 ?
            -> r4 no:",
    );
}

#[test]
fn nested_branches_are_chosen_before_the_first_write() {
    check(
        "put a 1
            -> r2 | put a @2.0
         txn ? put a 2 ; ( value(a)=2 ? put yes 1 : put no 1 ) ; get a end=z
            -> r3 yes: put r3; ( r0 no: put r3 );
              + get r3 n=2 a=2(2,3,2) no=1(3,3,1) | put a @3.0, put no @3.1
         txn ? ( version(a)=2 ? ( mod(a)=3 ? get a ) ; del no )
            -> r4 yes: ( r0 yes: ( r0 yes: get r3 n=1 a=2(2,3,2) ); del r4 n=1 ) | del no @4.0",
    );
}

#[test]
fn a_transaction_that_fails_changes_nothing() {
    check(
        "put a 1
            -> r2 | put a @2.0
         put a 2
            -> r3 | put a @3.0
         compact 3
            -> r3
         txn ? put b 1 ; put c 1 lease=9
            -> etcdserver: requested lease not found
         txn ? put b 1 ; put b ignore-value
            -> etcdserver: key not found
         txn ? put b 1 ; get a rev=2
            -> etcdserver: mvcc: required revision has been compacted
         txn ? put b 1 ; get a rev=4
            -> etcdserver: mvcc: required revision is a future revision
         txn ? put b 1 ; ( ? put c ignore-lease )
            -> etcdserver: key not found
         txn ? del a end=z ; put a ignore-value
            -> etcdserver: key not found
         txn ? ( ? del a ) ; put a 3 ignore-lease
            -> etcdserver: key not found
         txn ? get a rev=9 ; put c 1 lease=9
            -> etcdserver: mvcc: required revision is a future revision
         txn ? put b 1 ; get a rev=-1 ; get a rev=3
            -> r4 yes: put r4; get r4 n=1 a=2(2,3,2); get r4 n=1 a=2(2,3,2) | put b @4.0
         txn mod(a)=9 ? put c 1 lease=9 : get b
            -> r4 no: get r4 n=1 b=1(4,4,1)",
    );
}

#[test]
fn transactions_that_only_read_need_no_entry() {
    check(
        "put a 1
            -> r2 | put a @2.0
         put a 2
            -> r3 | put a @3.0
         read value(a)=2 ? get a ; get a rev=2 ; ( value(a)=1 ? : get none ) ; get a rev=-1
            -> r3 yes: get r3 n=1 a=2(2,3,2); get r3 n=1 a=1(2,2,1); ( r0 no: get r3 n=0 );
              + get r3 n=1 a=2(2,3,2)
         read ? get a rev=4
            -> etcdserver: mvcc: required revision is a future revision
         compact 3
            -> r3
         read ? get a rev=2
            -> etcdserver: mvcc: required revision has been compacted",
    );
}

#[test]
fn compaction_is_refused_as_etcd_does() {
    check(
        "put a 1
            -> r2 | put a @2.0
         compact 3
            -> etcdserver: mvcc: required revision is a future revision
         compact 2
            -> r2
         compact 2
            -> etcdserver: mvcc: required revision has been compacted
         restart
            -> ok
         compact 1
            -> etcdserver: mvcc: required revision has been compacted",
    );
}

#[test]
fn a_write_above_the_quota_is_made_and_answered_with_the_error() {
    let mut driver = Driver::new(ketch_base::MemberId(1), 10);
    check_on(
        &mut driver,
        "put a 1
            -> etcdserver: mvcc: database space exceeded over-quota | put a @2.0
         txn ? get a
            -> r2 yes: get r2 n=1 a=1(2,2,1)
         alarm on nospace 1
            -> alarms [1:1]
         put a 2
            -> etcdserver: mvcc: database space exceeded
         txn ? put a 2
            -> etcdserver: mvcc: database space exceeded
         grant 5 60
            -> etcdserver: mvcc: database space exceeded
         txn ? del a
            -> r3 yes: del r3 n=1 | del a @3.0
         compact 3
            -> r3",
    );
}
