//! HashKV of etcd 3.7.1 for the same histories, seen on the real one.

use super::Fixture;
use crate::Error;

/// Asks for hashes: asked revision, hash, compacted and hashed revision of the answer.
fn check(fixture: &mut Fixture, table: &[(i64, u32, i64, i64)]) {
    for (asked, hash, compacted, hashed) in table {
        let found = fixture.reader().hash_kv(*asked).expect("can be hashed");
        let found = (found.hash, found.compact_revision, found.hash_revision);
        assert_eq!(found, (*hash, *compacted, *hashed), "asked for {asked}");
    }
}

fn refused(fixture: &mut Fixture, asked: i64, code: ketch_base::Code) {
    let hash = fixture.reader().hash_kv(asked);
    assert!(matches!(hash, Err(Error::Refused(found)) if found == code), "{hash:?}");
}

/// Compacts, and checks that it does not matter how far that is.
fn compact(fixture: &mut Fixture, at: i64, table: &[(i64, u32, i64, i64)]) {
    fixture.compact(at);
    check(fixture, table);
    for _ in 0..3 {
        fixture.open().compactor.step().expect("compacted");
        check(fixture, table);
    }
    fixture.settle();
    assert_eq!(fixture.reader().finished_compaction(), at);
    check(fixture, table);
}

#[test]
fn a_small_history() {
    let f = &mut Fixture::new();
    check(f, &[(0, 1_084_519_789, -1, 1)]);
    f.put("a", "1");
    check(f, &[(0, 2_587_454_935, -1, 2)]);
    f.put_leased("b", "2", 77);
    check(f, &[(3, 1_151_892_986, -1, 3), (2, 2_587_454_935, -1, 2)]);
    f.put("a", "0");
    f.put("c", "1");
    compact(f, 3, &[(0, 3_116_897_807, 3, 5), (4, 4_265_193_257, 3, 4)]);
    check(f, &[(3, 1_151_892_986, -1, 3), (-1, 1_084_519_789, 3, -1)]);
    refused(f, 2, ketch_base::Code::Compacted);
    refused(f, 6, ketch_base::Code::FutureRev);
    f.delete("a");
    check(f, &[(0, 4_015_373_480, 3, 6)]);
    compact(f, 6, &[(0, 3_024_921_601, 6, 6)]);
    check(f, &[(6, 4_015_373_480, 3, 6)]);
    f.delete("b");
    f.delete("c");
    check(f, &[(0, 4_029_009_140, 6, 8), (7, 3_288_754_083, 6, 7)]);
    compact(f, 8, &[(0, 1_084_519_789, 8, 8)]);
    check(f, &[(8, 2_149_714_385, 6, 8)]);
    f.put("a", "9");
    check(f, &[(0, 3_530_346_224, 8, 9), (9, 3_530_346_224, 8, 9)]);
    compact(f, 9, &[(0, 3_530_346_224, 9, 9)]);
    // The hashes of compactions outlive them.
    check(f, &[(8, 2_149_714_385, 6, 8), (6, 4_015_373_480, 3, 6), (3, 1_151_892_986, -1, 3)]);
}

#[test]
fn nobody_is_alive() {
    let f = &mut Fixture::new();
    f.put("a", "1");
    f.put("b", "1");
    f.delete("b");
    compact(f, 3, &[(4, 1_803_159_327, 3, 4)]);
    f.delete("a");
    check(f, &[(5, 2_634_573_885, 3, 5), (4, 1_803_159_327, 3, 4)]);
    compact(f, 4, &[(5, 741_188_013, 4, 5)]);
    check(f, &[(4, 1_803_159_327, 3, 4), (3, 2_143_169_314, -1, 3)]);
    compact(f, 5, &[(0, 1_084_519_789, 5, 5)]);
    check(f, &[(5, 647_182_538, 4, 5)]);
}

#[test]
fn one_revision_with_many_changes() {
    let f = &mut Fixture::new();
    // As many revisions as the history the numbers come from.
    f.put("a", "1");
    f.put("b", "1");
    f.delete("b");
    f.delete("a");
    f.compact(5);
    f.settle();
    f.put("k1", "1");
    f.put("k1", "2");
    let mut txn = f.store().write();
    txn.put("x".into(), "1".into(), 0);
    txn.delete_range(&ketch_base::KeyRange::Key("k1".into()));
    txn.put("y".into(), "1".into(), 0);
    txn.commit(ketch_backend::Batch::new());
    check(f, &[(8, 738_793_732, 5, 8), (7, 835_682_807, 5, 7)]);
    compact(f, 7, &[(8, 2_047_361_819, 7, 8)]);
    check(f, &[(7, 835_682_807, 5, 7)]);
    compact(f, 8, &[(0, 2_249_557_345, 8, 8)]);
    check(f, &[(8, 2_047_361_819, 7, 8)]);
    f.put("x", "2");
    check(f, &[(9, 739_052_481, 8, 9)]);
    f.put("x", "3");
    f.put("x", "4");
    compact(f, 10, &[(0, 2_907_603_952, 10, 11)]);
    check(f, &[(10, 304_907_094, 8, 10)]);
}
