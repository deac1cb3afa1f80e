//! Entries as such: order, repetition, garbage, and what one leaves on disk.

use bytes::Bytes;
use ketch_backend::Bucket;
use ketch_base::{Index, MemberId, RequestId, Term};
use ketch_raft_proto::raftpb::{ConfChangeSingle, ConfChangeV2, Entry, EntryType};
use prost::Message;

use super::driver::Driver;
use crate::{Answer, Error};

fn entry(index: u64, kind: EntryType, data: &[u8]) -> Entry {
    let data = Some(Bytes::copy_from_slice(data));
    Entry { term: Some(3), index: Some(index), r#type: Some(kind as i32), data }
}

#[test]
fn entries_come_in_order_and_once() {
    let mut driver = Driver::new(MemberId(1), 0);
    let applied = driver.entry(EntryType::EntryNormal, Vec::new());
    assert_eq!((applied.index, applied.request), (Index(1), None));
    let machine = driver.machine();
    let again = machine.apply(&entry(1, EntryType::EntryNormal, b"")).expect("skipped");
    assert_eq!(again.result, Ok(Answer::Skipped));
    let gap = machine.apply(&entry(3, EntryType::EntryNormal, b"")).expect_err("gap");
    assert!(matches!(gap, Error::Gap { index: Index(3), applied: Index(1) }), "{gap}");
    assert_eq!(machine.applied(), (Index(1), Term(2)));
}

#[test]
fn garbage_stops_the_machine_and_is_not_passed_over() {
    let mut driver = Driver::new(MemberId(1), 0);
    for (kind, data) in [
        (EntryType::EntryNormal, &b"\xff\xff\xff"[..]),
        (EntryType::EntryConfChange, b"\xff"),
        // AddNode of 5 with a context that is not JSON.
        (EntryType::EntryConfChange, b"\x10\x00\x18\x05\x22\x01{"),
        (EntryType::EntryConfChangeV2, b"\xff"),
    ] {
        let error = driver.machine().apply(&entry(1, kind, data)).expect_err("garbage");
        assert_eq!(error.to_string(), "entry 1 cannot be decoded");
    }
    let one = ConfChangeSingle { r#type: Some(0), node_id: Some(4) };
    let joint = ConfChangeV2 { changes: vec![one, one], ..Default::default() };
    let data = joint.encode_to_vec();
    let error = driver.machine().apply(&entry(1, EntryType::EntryConfChangeV2, &data));
    assert!(matches!(error, Err(Error::JointChange { .. })));
    assert_eq!(driver.machine().applied().0, Index(0));
}

#[test]
fn every_entry_leaves_its_index_with_its_change() {
    let mut driver = Driver::new(MemberId(1), 0);
    let meta = |driver: &mut Driver, key: &[u8]| {
        let view = driver.machine().reader().backend().view();
        view.get(Bucket::Meta, key).expect("sim").expect("written").to_vec()
    };
    for (line, index) in [("put a 1", 1_u64), ("del none", 2), ("revoke 9", 3), ("get a", 4)] {
        driver.run(line);
        assert_eq!(meta(&mut driver, b"consistent_index"), index.to_be_bytes(), "{line}");
        assert_eq!(meta(&mut driver, b"term"), 2_u64.to_be_bytes());
    }
    driver.run("add 7 http://a");
    assert_eq!(meta(&mut driver, b"confState"), br#"{"voters":[7],"auto_leave":false}"#);
    let id = driver.entry(EntryType::EntryNormal, vec![0x08, 0x2a]).request;
    assert_eq!(id, Some(RequestId(42)));
}
