//! A member that was left behind takes up what the leader has.

use super::check;

#[test]
fn everything_is_that_of_the_leader() {
    check(
        "add 1 http://a
            -> [1 http://a] told=1 voters=[1] learners=[]
         put a 1
            -> r2 | put a @2.0
         grant 7 100
            -> r2 id=7 ttl=100
         put l 1 lease=7
            -> r3 | put l @3.0
         grant 8 100
            -> r3 id=8 ttl=100
         alarm on nospace 1
            -> alarms [1:1]
         leader alarm off nospace 1
            -> alarms [1:1]
         leader put b 1
            -> r4 | put b @4.0
         leader del a
            -> r5 n=1 | del a @5.0
         leader revoke 8
            -> r5
         leader grant 9 1000
            -> r5 id=9 ttl=1000
         leader put m 1 lease=9
            -> r6 | put m @6.0
         leader checkpoint 9 600
            -> r6
         leader compact 5
            -> r6
         leader learner 2 http://b
            -> [1 http://a; 2? http://b] told=2 voters=[1] learners=[2]
         leader alarm on corrupt 2
            -> alarms [2:2]
         leader alarm off corrupt 2
            -> alarms [2:2]
         leader name 2 two http://bc
            -> empty
         leader version 3.7.0
            -> empty
         snapshot
            -> ok
         members
            -> 1 http://a =; 2? http://b two=http://bc | 1+1
         alarm get all
            -> alarms []
         read ? get a end=z ; get a rev=4
            -> etcdserver: mvcc: required revision has been compacted
         read ? get a end=z
            -> r6 yes: get r6 n=3 b=1(4,4,1) l=1(3,3,1,L7) m=1(6,6,1,L9)
         lease 7
            -> 100 of 100 [l]
         lease 8
            -> none
         lease 9
            -> 1000 of 1000 [m]
         lead
            -> ok
         lease 9
            -> 599 of 1000 [m]
         revoke 9
            -> r7 | del m @7.0
         promote 2
            -> [1 http://a; 2 http://b] told=2 voters=[1, 2] learners=[]
         restart
            -> ok
         put b 2
            -> r8 | put b @8.0",
    );
}

#[test]
fn one_that_was_removed_meanwhile_learns_of_it() {
    check(
        "add 1 http://a
            -> [1 http://a] told=1 voters=[1] learners=[]
         add 2 http://b
            -> [1 http://a; 2 http://b] told=2 voters=[1, 2] learners=[]
         leader remove 1
            -> [2 http://b] told=1 voters=[2] learners=[]
         snapshot
            -> ok
         members
            -> 2 http://b = | 1+0
         add 1 http://c
            -> etcdserver: member not found told=0 voters=[2] learners=[]",
    );
}
