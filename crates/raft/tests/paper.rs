//! The rules of the Raft paper, one by one. Section numbers are those of the extended version
//! (Ongaro and Ousterhout, 2014); pre-vote and leases, which it leaves out, are turned off.

mod cluster;

use bytes::Bytes;
use cluster::{Cluster, Member};
use ketch_base::MemberId;
use ketch_raft::raftpb::{ConfState, Entry, HardState, Message, MessageType};
use ketch_raft::{Config, EntryId, Raft, Restored, Role, StepError};

/// Member 1 of `size`, in `term`, with a durable log of entries of the given terms, of which
/// `commit` are committed.
fn member_with_log(size: u64, term: u64, terms: &[u64], commit: u64) -> Member {
    let entry = |(place, term): (usize, &u64)| Entry {
        term: Some(*term),
        index: Some(place as u64 + 1),
        ..Entry::default()
    };
    let mut config = Config::new(MemberId(1), 1);
    (config.pre_vote, config.check_quorum) = (false, false);
    let conf_state = ConfState { voters: (1..=size).collect(), ..ConfState::default() };
    let mut member = Member::new(config.clone(), conf_state.clone());
    let restored = Restored {
        hard_state: HardState { term: Some(term), vote: None, commit: Some(commit) },
        entries: terms.iter().enumerate().map(entry).collect(),
        conf_state,
        ..Restored::default()
    };
    member.raft = Raft::new(config, restored.clone()).expect("sound");
    member.disk.entries = restored.entries;
    member
}

fn member(size: u64) -> Member {
    member_with_log(size, 0, &[], 0)
}

/// Everything that is due, with a disk that is never late; returns what is sent.
fn work(member: &mut Member) -> Vec<Message> {
    let mut sent = Vec::new();
    loop {
        let ready = member.take_ready();
        let busy = ready.is_some();
        sent.extend(ready.map(|ready| ready.messages).unwrap_or_default());
        while member.persist_one() {}
        member.apply(usize::MAX);
        if !busy && !member.raft.has_ready() {
            return sent;
        }
    }
}

fn from(from: u64, kind: MessageType, term: u64) -> Message {
    let (from, to) = (Some(from), Some(1));
    Message { r#type: Some(kind as i32), from, to, term: Some(term), ..Message::default() }
}

fn step(member: &mut Member, message: Message) {
    member.raft.step(message).expect("a sound message");
}

fn kinds(messages: &[Message]) -> Vec<(MessageType, u64)> {
    messages.iter().map(|message| (message.r#type(), message.to())).collect()
}

/// Elects the member in the next term by the votes of 2, 3, .. as needed.
fn elect(member: &mut Member, size: u64) {
    member.raft.campaign();
    work(member);
    let term = member.raft.status().term.0;
    for voter in 2..=size / 2 + 1 {
        step(member, from(voter, MessageType::MsgVoteResp, term));
    }
    assert_eq!(member.role(), Role::Leader);
}

/// 5.1: a term above the own is taken over, by every role, and makes a follower.
#[test]
fn s5_1_higher_terms_are_taken_over() {
    let check = |prepare: fn(&mut Member)| {
        let mut member = member(3);
        prepare(&mut member);
        step(&mut member, from(2, MessageType::MsgApp, 7));
        let status = member.raft.status();
        assert_eq!((status.role, status.term.0), (Role::Follower, 7));
        assert_eq!(status.leader, Some(MemberId(2)));
    };
    check(|_| {});
    check(|member| member.raft.campaign());
    check(|member| elect(member, 3));
}

/// 5.1: a request of an older term is rejected, here by not being answered.
#[test]
fn s5_1_lower_terms_are_ignored() {
    let mut member = member_with_log(3, 5, &[1], 0);
    step(&mut member, Message { index: Some(1), ..from(2, MessageType::MsgApp, 4) });
    step(&mut member, Message { index: Some(9), ..from(2, MessageType::MsgVote, 4) });
    assert!(work(&mut member).is_empty());
    assert_eq!(member.raft.status().leader, None);
}

/// 5.2: everyone begins as a follower, and stays it as long as a leader is heard.
#[test]
fn s5_2_followers_wait_for_leaders() {
    let mut member = member(3);
    assert_eq!(member.role(), Role::Follower);
    for _ in 0..100 {
        step(&mut member, from(2, MessageType::MsgHeartbeat, 1));
        (0..9).for_each(|_| member.raft.tick());
    }
    assert_eq!((member.role(), member.raft.status().term.0), (Role::Follower, 1));
}

/// 5.2: without one, a new term, the own vote, and the vote of all others asked for; again and
/// again until decided.
#[test]
fn s5_2_an_election_begins_after_the_timeout() {
    let mut member = member(3);
    for term in 1..=3 {
        while member.raft.status().term.0 < term {
            member.raft.tick();
        }
        assert_eq!(member.role(), Role::Candidate);
        let sent = work(&mut member);
        assert_eq!(kinds(&sent), [(MessageType::MsgVote, 2), (MessageType::MsgVote, 3)]);
        assert!(sent.iter().all(|message| message.term() == term));
        assert_eq!(member.disk.hard_state.vote(), 1);
    }
}

/// 5.2: a majority of votes elects; a majority against sends back.
#[test]
fn s5_2_majorities_decide() {
    // Votes of 2, 3, ..; the own one is a yes.
    let check = |size: u64, votes: &[bool], want: Role| {
        let mut member = member(size);
        member.raft.campaign();
        work(&mut member);
        for (voter, granted) in (2..).zip(votes) {
            let reject = (!granted).then_some(true);
            step(&mut member, Message { reject, ..from(voter, MessageType::MsgVoteResp, 1) });
        }
        assert_eq!(member.role(), want, "{size} {votes:?}");
    };
    let (yes, no) = (true, false);
    check(1, &[], Role::Leader);
    check(2, &[], Role::Candidate);
    check(2, &[yes], Role::Leader);
    check(2, &[no], Role::Follower);
    check(3, &[yes], Role::Leader);
    check(3, &[no, yes], Role::Leader);
    check(3, &[no, no], Role::Follower);
    check(5, &[yes], Role::Candidate);
    check(5, &[yes, yes], Role::Leader);
    check(5, &[no, no, yes], Role::Candidate);
    check(5, &[no, no, no], Role::Follower);
}

/// 5.2: a vote is given to one candidate a term, first come, first served; also after a crash.
#[test]
fn s5_2_one_vote_a_term() {
    let check = |first: u64, second: u64, granted: bool| {
        let mut member = member(3);
        step(&mut member, from(first, MessageType::MsgVote, 1));
        let sent = work(&mut member);
        assert!(!sent[0].reject(), "free");
        member.crash();
        step(&mut member, from(second, MessageType::MsgVote, 1));
        let sent = work(&mut member);
        assert_eq!(!sent[0].reject(), granted, "{first} then {second}");
    };
    check(2, 2, true);
    check(2, 3, false);
    check(3, 2, false);
}

/// 5.2: a candidate that hears a leader of its term follows it.
#[test]
fn s5_2_candidates_follow_a_leader_of_their_term() {
    for kind in [MessageType::MsgApp, MessageType::MsgHeartbeat] {
        let mut member = member(3);
        member.raft.campaign();
        step(&mut member, from(3, kind, 1));
        let status = member.raft.status();
        assert_eq!((status.role, status.leader), (Role::Follower, Some(MemberId(3))));
    }
}

/// 5.2: timeouts are spread over one to two election timeouts, and differ between members and
/// rounds, so that split votes are rare.
#[test]
fn s5_2_timeouts_are_spread() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut config = Config::new(MemberId(1), seed);
        config.pre_vote = false;
        let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
        let mut member = Member::new(config, conf_state);
        let mut ticks = 0;
        while member.role() == Role::Follower {
            member.raft.tick();
            ticks += 1;
        }
        seen.insert(ticks);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (10..20).collect::<Vec<_>>());
}

/// 5.3: committed once a majority has it, the leader's own disk included; with it everything
/// before.
#[test]
fn s5_3_a_majority_commits() {
    let check = |size: u64, acks: &[u64], own_disk: bool, want: bool| {
        let mut member = member_with_log(size, 1, &[1], 0);
        elect(&mut member, size);
        let _ = member.take_ready();
        while own_disk && member.persist_one() {}
        for voter in acks {
            let index = Some(2);
            step(&mut member, Message { index, ..from(*voter, MessageType::MsgAppResp, 2) });
        }
        let commit = member.raft.committed().0;
        assert_eq!(commit, if want { 2 } else { 0 }, "{size} {acks:?} {own_disk}");
    };
    check(1, &[], true, true);
    check(3, &[], true, false);
    check(3, &[2], true, true);
    check(3, &[2], false, false);
    check(3, &[2, 3], false, true);
    check(5, &[2], true, false);
    check(5, &[2, 4], true, true);
    check(5, &[2, 4], false, false);
    check(5, &[2, 3, 4, 5], false, true);
}

/// 5.3: the leader tells how far is committed, and followers apply in the order of the log.
#[test]
fn s5_3_followers_learn_the_commit() {
    let mut member = member_with_log(3, 1, &[1, 1, 1], 0);
    let told = Message { index: Some(3), log_term: Some(1), ..from(2, MessageType::MsgApp, 1) };
    step(&mut member, Message { commit: Some(2), ..told.clone() });
    work(&mut member);
    assert_eq!(member.applied.keys().copied().collect::<Vec<_>>(), [1, 2]);
    step(&mut member, Message { commit: Some(9), ..told });
    work(&mut member);
    assert_eq!(member.raft.committed().0, 3, "not beyond the own log");
}

/// 5.3: a commit of the leader says nothing about entries that it did not compare.
#[test]
fn s5_3_uncompared_entries_are_not_committed() {
    let mut member = member_with_log(3, 3, &[1, 1, 2, 2], 0);
    let (index, log_term) = (Some(1), Some(1));
    let entries = vec![Entry { term: Some(1), index: Some(2), ..Entry::default() }];
    let append = Message { index, log_term, entries, ..from(2, MessageType::MsgApp, 3) };
    step(&mut member, Message { commit: Some(4), ..append });
    assert_eq!(member.raft.committed().0, 2);
}

/// 5.3: an append is refused unless the entry before it is there in the same term.
#[test]
fn s5_3_the_consistency_check() {
    // The log is 1/1, 2/2 with 1/1 committed.
    let check = |log_term: u64, index: u64, refused: bool, hint: u64| {
        let mut member = member_with_log(3, 2, &[1, 2], 1);
        let append = from(2, MessageType::MsgApp, 2);
        let (log_term, index) = (Some(log_term), Some(index));
        step(&mut member, Message { log_term, index, ..append });
        let sent = work(&mut member);
        let answer = sent.iter().find(|m| m.r#type() == MessageType::MsgAppResp);
        let answer = answer.expect("an answer");
        assert_eq!((answer.reject(), answer.reject_hint()), (refused, hint));
    };
    check(0, 0, false, 0);
    check(1, 1, false, 0);
    check(2, 2, false, 0);
    check(1, 2, true, 1);
    check(2, 3, true, 2);
}

/// 5.3, figure 7: whatever a follower's log looks like, it becomes the leader's.
#[test]
fn s5_3_figure_7() {
    let leader_log = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let check = |name: &str, log: &[u64]| {
        let mut cluster = Cluster::new(&[1, 2, 3], &[], |config| {
            (config.pre_vote, config.check_quorum) = (false, false);
        });
        let place = |cluster: &mut Cluster, id: u64, terms: &[u64]| {
            let member = cluster.member(id);
            let entry = |(place, term): (usize, &u64)| Entry {
                term: Some(*term),
                index: Some(place as u64 + 1),
                data: Some(Bytes::from(format!("{term}"))),
                ..Entry::default()
            };
            member.disk.entries = terms.iter().enumerate().map(entry).collect();
            member.disk.hard_state.term = Some(7);
            member.crash();
        };
        place(&mut cluster, 1, &leader_log);
        place(&mut cluster, 2, log);
        // 3 has nothing, so that 1 can be elected for term 8 whatever 2 thinks.
        place(&mut cluster, 3, &[]);
        cluster.raft(1).campaign();
        while cluster.member(1).role() != Role::Leader {
            assert!(cluster.settle());
            cluster.tick(1, 1);
        }
        assert!(cluster.settle());
        let leader = cluster.member(1).disk.entries.clone();
        assert_eq!(cluster.member(2).disk.entries, leader, "({name})");
        assert!(leader.len() > leader_log.len());
    };
    check("a", &[1, 1, 1, 4, 4, 5, 5, 6, 6]);
    check("b", &[1, 1, 1, 4]);
    check("c", &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]);
    check("d", &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]);
    check("e", &[1, 1, 1, 4, 4, 4, 4]);
    check("f", &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]);
}

/// 5.4.1: a vote is refused to a log that is less up to date: first by term, then by length.
#[test]
fn s5_4_1_voters_compare_logs() {
    let check = |own: &[u64], asker: EntryId, granted: bool| {
        let mut member = member_with_log(3, 3, own, 0);
        let (log_term, index) = (Some(asker.term), Some(asker.index));
        step(&mut member, Message { log_term, index, ..from(2, MessageType::MsgVote, 4) });
        let sent = work(&mut member);
        assert_eq!(!sent[0].reject(), granted, "{own:?} {asker:?}");
    };
    let id = |term, index| EntryId { term, index };
    check(&[1], id(1, 1), true);
    check(&[1], id(1, 2), true);
    check(&[1, 1], id(1, 1), false);
    check(&[1], id(2, 1), true);
    check(&[1, 1], id(2, 1), true);
    check(&[2], id(1, 1), false);
    check(&[2], id(1, 2), false);
    check(&[1, 2], id(1, 1), false);
}

/// 5.4.2, figure 8: an entry of an earlier term is never committed by counting, only by an entry
/// of the own term behind it.
#[test]
fn s5_4_2_only_own_terms_are_counted() {
    let check = |acked: u64, want: u64| {
        let mut member = member_with_log(3, 2, &[1, 2], 0);
        elect(&mut member, 3);
        work(&mut member);
        let index = Some(acked);
        step(&mut member, Message { index, ..from(2, MessageType::MsgAppResp, 3) });
        assert_eq!(member.raft.committed().0, want, "acknowledged up to {acked}");
    };
    check(1, 0);
    check(2, 0);
    check(3, 3);
}

/// 5.5: what is asked twice does no harm.
#[test]
fn s5_5_appends_may_come_again() {
    let mut member = member_with_log(3, 1, &[1, 1], 0);
    let entry = |index| Entry { term: Some(1), index: Some(index), ..Entry::default() };
    let append = |index: u64, entries: Vec<Entry>| Message {
        log_term: (index > 0).then_some(1),
        index: Some(index),
        entries,
        ..from(2, MessageType::MsgApp, 1)
    };
    step(&mut member, append(2, vec![entry(3), entry(4)]));
    // Late and again: what came after it stays.
    step(&mut member, append(0, vec![entry(1)]));
    step(&mut member, append(2, vec![entry(3)]));
    work(&mut member);
    assert_eq!(member.raft.status().last.index, 4);
}

/// A leader that speaks of entries which were acknowledged here once, and are not here now, talks
/// to a member that lost its disk: it must not go on.
#[test]
fn a_lost_log_is_noticed() {
    let mut member = member_with_log(3, 1, &[1], 0);
    let beat = Message { commit: Some(5), ..from(2, MessageType::MsgHeartbeat, 1) };
    let error = member.raft.step(beat).expect_err("entries 2 to 5 were acknowledged");
    assert_eq!(error, StepError::LogLost { commit: 5, last: 1 });
}

/// Nothing a peer can send makes a member fail.
#[test]
fn contradictions_are_refused() {
    let check = |message: Message| {
        let mut member = member_with_log(3, 5, &[1, 2], 1);
        let before = member.raft.status();
        assert!(member.raft.step(message.clone()).is_err(), "{message:?}");
        assert_eq!(member.raft.status(), before);
    };
    let entry = |term, index| Entry { term: Some(term), index: Some(index), ..Entry::default() };
    let append = |term, log_term, index, entries| Message {
        log_term: Some(log_term),
        index: Some(index),
        entries,
        ..from(2, MessageType::MsgApp, term)
    };
    check(append(5, 2, 2, vec![entry(5, 4)]));
    check(append(5, 2, 2, vec![entry(5, 3), entry(5, 3)]));
    check(append(5, 2, 2, vec![entry(5, 3), entry(4, 4)]));
    check(append(5, 2, 2, vec![entry(6, 3)]));
    check(append(5, 6, 2, vec![]));
    check(append(5, 2, u64::MAX, vec![entry(5, 0)]));
    check(append(0, 0, 0, vec![]));
    check(from(2, MessageType::MsgProp, 0));
    check(from(2, MessageType::MsgHup, 5));
    check(from(2, MessageType::MsgCheckQuorum, 5));
    check(from(2, MessageType::MsgStorageAppendResp, 5));
    check(Message { r#type: Some(99), ..from(2, MessageType::MsgApp, 5) });
    check(Message { r#type: None, ..from(2, MessageType::MsgApp, 5) });
}
