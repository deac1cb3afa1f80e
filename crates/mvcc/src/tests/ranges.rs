//! Ranges as etcd 3.7.1 answers them, line by line.

use ketch_base::Code;
use ketch_proto::etcdserverpb::RangeRequest;

use super::{Fixture, drain_plan, everything, range};

/// `key=value@create.mod.version[/lease] .. (count)[+]`
fn answer(fixture: &mut Fixture, request: &RangeRequest) -> String {
    let plan = match fixture.reader().plan(request) {
        Ok(plan) => plan,
        Err(code) => return format!("{code:?}"),
    };
    let tail = format!("({}){}", plan.count, if plan.more { "+" } else { "" });
    let mut out = String::new();
    for kv in drain_plan(plan, 64) {
        let (key, value) = (kv.key.escape_ascii(), kv.value.escape_ascii());
        out += &format!("{key}={value}@{}.{}.{}", kv.create_revision, kv.mod_revision, kv.version);
        out += &if kv.lease == 0 { " ".to_owned() } else { format!("/{} ", kv.lease) };
    }
    out + &tail
}

fn check(fixture: &mut Fixture, request: RangeRequest, expected: &str) {
    assert_eq!(answer(fixture, &request), expected, "{request:?}");
}

/// a: 1 at revision 2, 0 at 4. b: 2 at 3 under lease 77. c: 1 at 5.
fn small() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.put("a", "1");
    fixture.put_leased("b", "2", 77);
    fixture.put("a", "0");
    fixture.put("c", "1");
    fixture
}

const A: &str = "a=0@2.4.2 ";
const B: &str = "b=2@3.3.1/77 ";
const C: &str = "c=1@5.5.1 ";

#[test]
fn spans() {
    let f = &mut small();
    check(f, everything(), &format!("{A}{B}{C}(3)"));
    check(f, range("b", ""), &format!("{B}(1)"));
    check(f, range("bb", ""), "(0)");
    check(f, range("b", "\0"), &format!("{B}{C}(2)"));
    check(f, range("a", "c"), &format!("{A}{B}(2)"));
    check(f, range("c", "a"), "(0)");
    check(f, range("a", "a"), "(0)");
}

#[test]
fn limits() {
    let f = &mut small();
    let limit = |limit| RangeRequest { limit, ..everything() };
    check(f, limit(2), &format!("{A}{B}(3)+"));
    check(f, limit(3), &format!("{A}{B}{C}(3)"));
    check(f, limit(-1), &format!("{A}{B}{C}(3)"));
    check(f, RangeRequest { count_only: true, ..limit(1) }, "(3)");
}

#[test]
fn names_have_no_lease_unless_sorted_by_value() {
    let f = &mut small();
    let names = || RangeRequest { keys_only: true, ..everything() };
    check(f, names(), "a=@2.4.2 b=@3.3.1 c=@5.5.1 (3)");
    let by_value = || RangeRequest { sort_target: 4, ..names() };
    check(f, by_value(), "a=@2.4.2 c=@5.5.1 b=@3.3.1/77 (3)");
    let one = |from| RangeRequest { key: "b".into(), range_end: "".into(), ..from };
    check(f, one(names()), "b=@3.3.1 (1)");
    check(f, one(by_value()), "b=@3.3.1/77 (1)");
    let by_mod = RangeRequest { sort_target: 3, sort_order: 2, ..names() };
    check(f, by_mod, "c=@5.5.1 a=@2.4.2 b=@3.3.1 (3)");
}

#[test]
fn orders() {
    let f = &mut small();
    let order = |sort_target, sort_order| RangeRequest { sort_target, sort_order, ..everything() };
    check(f, order(0, 2), &format!("{C}{B}{A}(3)"));
    check(f, order(4, 0), &format!("{A}{C}{B}(3)"));
    check(f, order(4, 2), &format!("{B}{C}{A}(3)"));
    check(f, order(2, 1), &format!("{A}{B}{C}(3)"));
    check(f, order(3, 1), &format!("{B}{A}{C}(3)"));
    // A target without an order sorts upwards.
    check(f, RangeRequest { limit: 1, ..order(1, 0) }, &format!("{B}(3)+"));
    check(f, RangeRequest { limit: 2, ..order(1, 0) }, &format!("{B}{C}(3)+"));
    check(f, order(9, 0), "InvalidSortOption");
    check(f, order(0, 9), "InvalidSortOption");
}

#[test]
fn a_limit_cuts_before_a_target_without_order() {
    let f = &mut small();
    f.put("b", "3");
    f.put("a", "4");
    let by_mod = |sort_order| RangeRequest { sort_target: 3, sort_order, ..everything() };
    let first = |request| RangeRequest { limit: 1, ..request };
    // One more than the limit is fetched, by key: a and b.
    check(f, first(by_mod(0)), "b=3@3.6.2 (3)+");
    check(f, first(by_mod(1)), &format!("{C}(3)+"));
    check(f, RangeRequest { min_mod_revision: 1, ..first(by_mod(0)) }, &format!("{C}(3)+"));
    check(f, RangeRequest { limit: i64::MAX, ..by_mod(0) }, &format!("{C}b=3@3.6.2 a=4@2.7.3 (3)"));
}

#[test]
fn filters_do_not_change_the_count() {
    let f = &mut small();
    let all = everything;
    check(f, RangeRequest { min_mod_revision: 4, limit: 1, ..all() }, &format!("{A}(3)+"));
    check(f, RangeRequest { max_mod_revision: 3, limit: 1, ..all() }, &format!("{B}(3)"));
    check(f, RangeRequest { min_create_revision: 3, ..all() }, &format!("{B}{C}(3)"));
    check(f, RangeRequest { max_create_revision: 2, ..all() }, &format!("{A}(3)"));
    check(f, RangeRequest { min_mod_revision: -4, max_mod_revision: -1, ..all() }, "(3)");
    check(f, RangeRequest { count_only: true, min_mod_revision: 5, ..all() }, "(3)");
}

#[test]
fn revisions() {
    let f = &mut small();
    let at = |revision| RangeRequest { revision, ..everything() };
    check(f, at(-5), &format!("{A}{B}{C}(3)"));
    check(f, at(2), "a=1@2.2.1 (1)");
    check(f, at(1), "(0)");
    check(f, at(6), "FutureRev");
    f.compact(3);
    check(f, at(3), &format!("a=1@2.2.1 {B}(2)"));
    check(f, at(2), "Compacted");
    check(f, RangeRequest { count_only: true, ..at(2) }, "Compacted");
    check(f, RangeRequest { key: "a".into(), range_end: "".into(), ..at(2) }, "Compacted");
    assert_eq!(f.settle(), [3]);
    check(f, at(3), &format!("a=1@2.2.1 {B}(2)"));
}

#[test]
fn a_plan_survives_a_compaction() {
    let f = &mut small();
    let request = RangeRequest { revision: 3, ..everything() };
    let plan = f.reader().plan(&request).expect("not compacted yet");
    f.compact(5);
    assert_eq!(f.settle(), [], "the plan holds the rows");
    check(f, request, "Compacted");
    assert_eq!(drain_plan(plan, 1).len(), 2);
    assert_eq!(f.settle(), [5], "and lets them go");
}

#[test]
fn compaction_bounds() {
    let f = &mut small();
    let mut ask = |at| f.store().compact(at, &mut ketch_backend::Batch::new());
    assert_eq!(ask(6), Err(Code::FutureRev));
    assert_eq!(ask(5), Ok(()));
    assert_eq!(ask(5), Err(Code::Compacted));
    assert_eq!(ask(0), Err(Code::Compacted));
}
