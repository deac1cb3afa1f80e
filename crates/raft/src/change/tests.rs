//! Membership changes as a table: configuration, change, configuration or refusal.
//!
//! A configuration is written `1 2 3` or `1 2 4 & 1 2 3` when joint, then `learners=..`,
//! `next=..`, `auto`. A change is a list of `v4` (voter), `l4` (learner), `r4` (remove), `u4`
//! (update), with `joint` or `explicit` in front to ask for joint consensus; empty leaves it.

use super::*;

fn numbers(text: &str) -> Vec<u64> {
    text.split([',', ' ']).filter_map(|n| n.parse().ok()).collect()
}

fn show(configuration: &Configuration) -> String {
    let list = |ids: &mut dyn Iterator<Item = &u64>, by: &str| {
        ids.map(u64::to_string).collect::<Vec<_>>().join(by)
    };
    let state = configuration.to_conf_state();
    let mut text = list(&mut state.voters.iter(), " ");
    if !state.voters_outgoing.is_empty() {
        text += &format!(" & {}", list(&mut state.voters_outgoing.iter(), " "));
    }
    if !state.learners.is_empty() {
        text += &format!(" learners={}", list(&mut state.learners.iter(), ","));
    }
    if !state.learners_next.is_empty() {
        text += &format!(" next={}", list(&mut state.learners_next.iter(), ","));
    }
    if state.auto_leave() {
        text += " auto";
    }
    text
}

fn configuration(text: &str) -> Configuration {
    let (voters, rest) = match text.split_once(" &") {
        Some((voters, rest)) => (voters, rest),
        None => (text.split(" learners").next().unwrap_or(""), ""),
    };
    let field = |name: &str| {
        let at = text.split(' ').find_map(|word| word.strip_prefix(name));
        at.map(numbers).unwrap_or_default()
    };
    let plain: Vec<&str> = rest.split(' ').filter(|word| word.parse::<u64>().is_ok()).collect();
    let state = ConfState {
        voters: numbers(voters),
        voters_outgoing: numbers(&plain.join(" ")),
        learners: field("learners="),
        learners_next: field("next="),
        auto_leave: Some(text.ends_with("auto")),
    };
    Configuration::from_conf_state(&state).expect("the table holds possible configurations")
}

fn change(text: &str) -> ConfChangeV2 {
    let mut change = ConfChangeV2::default();
    for word in text.split_whitespace() {
        let kind = match (word, &word[..1]) {
            ("joint", _) => {
                change.transition = Some(ConfChangeTransition::JointImplicit as i32);
                continue;
            }
            ("explicit", _) => {
                change.transition = Some(ConfChangeTransition::JointExplicit as i32);
                continue;
            }
            (_, "v") => ConfChangeType::ConfChangeAddNode,
            (_, "l") => ConfChangeType::ConfChangeAddLearnerNode,
            (_, "r") => ConfChangeType::ConfChangeRemoveNode,
            (_, _) => ConfChangeType::ConfChangeUpdateNode,
        };
        let node_id = word[1..].parse().ok();
        change.changes.push(ConfChangeSingle { r#type: Some(kind as i32), node_id });
    }
    change
}

#[test]
fn changes() {
    let check = |from: &str, by: &str, want: &str| {
        let got = match configuration(from).after(&change(by)) {
            Ok(next) => show(&next),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(got, want, "{from} by {by}");
    };
    // One at a time.
    check("", "v1", "1");
    check("1", "v2", "1 2");
    check("1", "v1", "1");
    check("1 2", "r2", "1");
    check("1 2", "r9", "1 2");
    check("1", "r1", "error: all voters removed");
    check("1", "l2", "1 learners=2");
    check("1 learners=2", "v2", "1 2");
    check("1 learners=2", "r2", "1");
    check("1 2", "l2", "1 learners=2");
    check("1", "u1", "1");
    check("1", "v0", "1");
    // Joint.
    check("1", "v2 v3", "1 2 3 & 1 auto");
    check("1", "joint v2", "1 2 & 1 auto");
    check("1", "explicit v2", "1 2 & 1");
    check("1 2 3", "v4 r3", "1 2 4 & 1 2 3 auto");
    check("1 2 3", "joint l3", "1 2 & 1 2 3 next=3 auto");
    check("1 2 learners=3", "v3 l2", "1 3 & 1 2 next=2 auto");
    check("1 2", "r1 r2", "error: all voters removed");
    check("", "joint v1", "error: all voters removed");
    check("1 2 & 1", "v3", "error: configuration is already joint");
    check("1 2 & 1", "joint v3", "error: configuration is already joint");
    // Leaving.
    check("1 2 & 1 auto", "", "1 2");
    check("1 2 & 1 2 3 next=3 auto", "", "1 2 learners=3");
    check("1 2 4 & 1 2 3", "", "1 2 4");
    check("1 2", "", "error: configuration is not joint");
}

#[test]
fn impossible_configurations_are_refused() {
    let check = |voters: &[u64], outgoing: &[u64], learners: &[u64], next: &[u64]| {
        let state = ConfState {
            voters: voters.to_vec(),
            voters_outgoing: outgoing.to_vec(),
            learners: learners.to_vec(),
            learners_next: next.to_vec(),
            auto_leave: None,
        };
        assert!(Configuration::from_conf_state(&state).is_err(), "{state:?}");
    };
    check(&[1], &[], &[1], &[]);
    check(&[1], &[2], &[2], &[]);
    check(&[1], &[], &[], &[2]);
    check(&[1, 2], &[2], &[], &[2]);
    check(&[], &[1], &[], &[]);
}

#[test]
fn both_forms_of_entries_are_read() {
    let single = ConfChange {
        r#type: Some(ConfChangeType::ConfChangeAddLearnerNode as i32),
        node_id: Some(7),
        context: Some(b"{}".as_slice().into()),
        id: Some(3),
    };
    let entry = |kind: EntryType, data: Vec<u8>| Entry {
        r#type: Some(kind as i32),
        data: Some(data.into()),
        ..Entry::default()
    };
    let widened = conf_change_of(&entry(EntryType::EntryConfChange, single.encode_to_vec()));
    let widened = widened.expect("decodes").expect("is a change");
    assert_eq!((widened.changes[0].node_id(), widened.context()), (7, b"{}".as_slice()));
    let same = conf_change_of(&entry(EntryType::EntryConfChangeV2, widened.encode_to_vec()));
    assert_eq!(same, Ok(Some(widened)));
    assert_eq!(conf_change_of(&Entry::default()), Ok(None));
    let garbage = entry(EntryType::EntryConfChange, vec![0xff]);
    assert_eq!(conf_change_of(&garbage), Err(ChangeError::Decode));
}
