//! Permissions against etcd's own store: verdicts it once gave, and those it gives on random cases.

mod cases;
mod etcd;
mod ours;

use cases::Cases;
use ours::Store;

/// `stored ROLES ? ASKED = VERDICTS` or `granted ..`, as etcd 3.7.1 gives them; `#` begins a
/// remark.
const VERDICTS: &str = include_str!("verdicts.txt");

fn table() -> Vec<(&'static str, &'static str)> {
    let lines = VERDICTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(" = ").expect("a case and its verdicts")).collect()
}

fn compare(cases: &[String]) {
    let Some(theirs) = etcd::answers(cases) else { return };
    let store = Store::new();
    assert_eq!(theirs.len(), cases.len());
    for (case, theirs) in cases.iter().zip(theirs) {
        assert_eq!(store.answer(case), theirs, "{case}");
    }
}

#[test]
fn verdicts_of_etcd_written_down() {
    let store = Store::new();
    for (case, expected) in table() {
        let answer = store.answer(case);
        let (_, verdicts) = answer.split_once("? ").expect("an answer");
        assert_eq!(verdicts, expected, "{case}");
    }
}

#[test]
fn the_table_is_what_etcd_says() {
    let cases: Vec<String> = table().iter().map(|(case, _)| (*case).to_owned()).collect();
    let Some(answers) = etcd::answers(&cases) else { return };
    for ((case, written), answer) in table().iter().zip(answers) {
        assert_eq!(answer.split_once("? ").map(|(_, verdicts)| verdicts), Some(*written), "{case}");
    }
}

#[test]
fn random_permissions_are_judged_alike() {
    let mut cases = Cases::new(1);
    compare(&(0..10_000).map(|_| cases.stored()).collect::<Vec<_>>());
}

#[test]
fn grants_leave_permissions_in_the_same_order() {
    let mut cases = Cases::new(2);
    compare(&(0..5_000).map(|_| cases.granted()).collect::<Vec<_>>());
}
