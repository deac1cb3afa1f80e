//! Alarms, members, versions.

use ketch_base::MemberId;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};
use ketch_proto::membershippb as mb;
use ketch_raft_proto::raftpb::EntryType;
use prost::Message;

use super::driver::Driver;
use super::{check, check_on};
use crate::Answer;

#[test]
fn alarms_bind_until_lowered() {
    check(
        "alarm on nospace 1
            -> alarms [1:1]
         alarm on nospace 1
            -> alarms [1:1]
         alarm on corrupt 2
            -> alarms [2:2]
         alarm on all 3
            -> alarms []
         restart
            -> ok
         alarm get all
            -> alarms [1:1 2:2]
         alarm get corrupt
            -> alarms [2:2]
         put a 1
            -> etcdserver: corrupt cluster
         get a
            -> etcdserver: corrupt cluster
         compact 1
            -> etcdserver: corrupt cluster
         alarm off corrupt 2
            -> alarms [2:2]
         alarm off corrupt 2
            -> alarms []
         put a 1
            -> etcdserver: mvcc: database space exceeded
         del a
            -> r1 n=0
         alarm off nospace 1
            -> alarms [1:1]
         put a 1
            -> r2 | put a @2.0",
    );
}

#[test]
fn members_come_and_go() {
    check(
        "add 1 http://a
            -> [1 http://a] told=1 voters=[1] learners=[]
         add 1 http://b
            -> etcdserver: member ID already exist told=0 voters=[1] learners=[]
         learner 2 http://a
            -> etcdserver: Peer URLs already exists told=0 voters=[1] learners=[]
         promote 2
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         learner 2 http://b
            -> [1 http://a; 2? http://b] told=2 voters=[1] learners=[2]
         learner 3 http://c
            -> etcdserver: too many learner members in cluster told=0 voters=[1] learners=[2]
         promote 1
            -> etcdserver: can only promote a learner member told=0 voters=[1] learners=[2]
         promote 2
            -> [1 http://a; 2 http://b] told=2 voters=[1, 2] learners=[]
         update 2 http://a
            -> etcdserver: Peer URLs already exists told=0 voters=[1, 2] learners=[]
         update 2 http://d
            -> [1 http://a; 2 http://d] told=2 voters=[1, 2] learners=[]
         restart
            -> ok
         remove 2
            -> [1 http://a] told=2 voters=[1] learners=[]
         add 2 http://e
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         remove 3
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         restart
            -> ok
         remove 1
            -> [] told=1 voters=[] learners=[] removed-self",
    );
}

#[test]
fn what_a_member_published_stays_with_it() {
    check(
        "add 1 http://a
            -> [1 http://a] told=1 voters=[1] learners=[]
         learner 2 http://b
            -> [1 http://a; 2? http://b] told=2 voters=[1] learners=[2]
         name 2 two http://bc
            -> empty
         update 2 http://c
            -> [1 http://a; 2? http://c] told=2 voters=[1] learners=[2]
         members
            -> 1 http://a =; 2? http://c two=http://bc | 1+1
         promote 2
            -> [1 http://a; 2 http://c] told=2 voters=[1, 2] learners=[]
         promote 2
            -> etcdserver: can only promote a learner member told=0 voters=[1, 2] learners=[]
         members
            -> 1 http://a =; 2 http://c two=http://bc | 2+0
         name 2 zwei http://bd
            -> empty
         restart
            -> ok
         members
            -> 1 http://a =; 2 http://c zwei=http://bd | 2+0
         remove 2
            -> [1 http://a] told=2 voters=[1] learners=[]
         name 2 ghost http://bd
            -> empty
         promote 2
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         update 2 http://c
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         learner 2 http://c
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         remove 2
            -> etcdserver: member not found told=0 voters=[1] learners=[]
         learner 3 http://c
            -> [1 http://a; 3? http://c] told=3 voters=[1] learners=[3]
         remove 3
            -> [1 http://a] told=3 voters=[1] learners=[]
         members
            -> 1 http://a = | 1+0",
    );
}

#[test]
fn versions_and_attributes_are_kept() {
    let mut driver = Driver::new(MemberId(1), 0);
    driver.run("add 1 http://a");
    let version = mb::ClusterVersionSetRequest { ver: "3.7.0".into() };
    let attributes = mb::ClusterMemberAttrSetRequest {
        member_id: 1,
        member_attributes: Some(mb::Attributes {
            name: "m".into(),
            client_urls: vec!["http://c".into()],
        }),
    };
    let downgrade = mb::DowngradeInfoSetRequest { enabled: true, ver: "3.6.0".into() };
    for request in [
        InternalRaftRequest { cluster_version_set: Some(version), ..Default::default() },
        InternalRaftRequest { cluster_member_attr_set: Some(attributes), ..Default::default() },
        InternalRaftRequest { downgrade_info_set: Some(downgrade), ..Default::default() },
    ] {
        assert_eq!(driver.propose(request), "empty");
    }
    assert_eq!(driver.run("restart"), "ok");
    let membership = driver.machine().shared().membership();
    let member = membership.member(MemberId(1)).expect("added");
    assert_eq!(
        (member.name.as_str(), member.client_urls.as_slice()),
        ("m", &["http://c".into()][..])
    );
    assert_eq!(membership.cluster_version(), Some("3.7.0"));
    assert!(membership.downgrade().enabled);
    assert_eq!(membership.downgrade().target_version, "3.6.0");
}

#[test]
fn requests_of_the_old_store_are_read() {
    let mut driver = Driver::new(MemberId(1), 0);
    driver.run("add 1 http://a");
    let old = |method: &str, path: &str, val: &str| {
        let request = pb::Request {
            id: Some(9),
            method: Some(method.into()),
            path: Some(path.into()),
            val: Some(val.into()),
            ..Default::default()
        };
        request.encode_to_vec()
    };
    let attributes = r#"{"name":"old","clientURLs":["http://c"]}"#;
    for data in [
        old("PUT", "/0/version", "3.5.0"),
        old("PUT", "/0/members/1/attributes", attributes),
        old("PUT", "/0/members/zz/attributes", attributes),
        old("PUT", "/0/members/1/attributes", "{"),
        old("SYNC", "", ""),
    ] {
        let applied = driver.entry(EntryType::EntryNormal, data);
        assert_eq!(applied.result, Ok(Answer::Empty));
    }
    let membership = driver.machine().shared().membership();
    assert_eq!(membership.cluster_version(), Some("3.5.0"));
    assert_eq!(membership.member(MemberId(1)).map(|m| m.name.as_str()), Some("old"));
}

#[test]
fn a_request_without_a_request_changes_nothing() {
    let mut driver = Driver::new(MemberId(1), 0);
    check_on(&mut driver, "nothing\n-> unimplemented\nput a 1\n-> r2 | put a @2.0");
}
