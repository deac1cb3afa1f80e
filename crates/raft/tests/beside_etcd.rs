//! What members of etcd put into messages, and what they look for in ours. They write fields that
//! are zero or leave them out, by their version (3.4 to 3.6 write them all, 3.7 most).

mod cluster;

use bytes::Bytes;
use cluster::{Cluster, Member};
use ketch_base::MemberId;
use ketch_raft::raftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState, Message, MessageType,
    Snapshot, SnapshotMetadata,
};
use ketch_raft::{Config, Role, StepError};
use prost::Message as _;

fn state(voters: &[u64], learners: &[u64]) -> ConfState {
    let (voters, learners) = (voters.to_vec(), learners.to_vec());
    ConfState { voters, learners, ..ConfState::default() }
}

/// Member 1 of a cluster.
fn member(voters: &[u64], learners: &[u64]) -> Member {
    Member::new(Config::new(MemberId(1), 1), state(voters, learners))
}

/// Member 1 leading members 2 and 3 in term 1, with its first entry committed and applied.
fn leader() -> Member {
    let mut member = member(&[1, 2, 3], &[]);
    member.raft.campaign();
    work(&mut member);
    member.raft.step(full(2, MessageType::MsgPreVoteResp, 1)).expect("sound");
    work(&mut member);
    member.raft.step(full(2, MessageType::MsgVoteResp, 1)).expect("sound");
    work(&mut member);
    let accept = Message { index: Some(1), ..full(2, MessageType::MsgAppResp, 1) };
    member.raft.step(accept).expect("sound");
    work(&mut member);
    assert_eq!((member.role(), member.raft.committed().0), (Role::Leader, 1));
    member
}

/// Everything that is due, with a disk that is never late; returns what is sent.
fn work(member: &mut Member) -> Vec<Message> {
    let mut sent = Vec::new();
    while let Some(ready) = member.take_ready() {
        sent.extend(ready.messages);
        while member.persist_one() {}
        member.apply(usize::MAX);
    }
    sent
}

/// A message with every scalar written out, as etcd 3.4 to 3.6 send it.
fn full(from: u64, kind: MessageType, term: u64) -> Message {
    Message {
        r#type: Some(kind as i32),
        to: Some(1),
        from: Some(from),
        term: Some(term),
        log_term: Some(0),
        index: Some(0),
        commit: Some(0),
        reject: Some(false),
        reject_hint: Some(0),
        ..Message::default()
    }
}

/// The same with the zeroes left out, as it may come from etcd 3.7.
fn sparse(message: &Message) -> Message {
    let keep = |field: Option<u64>| field.filter(|value| *value != 0);
    Message {
        term: keep(message.term),
        log_term: keep(message.log_term),
        index: keep(message.index),
        commit: keep(message.commit),
        reject: message.reject.filter(|reject| *reject),
        reject_hint: keep(message.reject_hint),
        ..message.clone()
    }
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { r#type: Some(0), term: Some(term), index: Some(index), data: Some(Bytes::new()) }
}

#[test]
fn zeroes_written_or_not_are_the_same() {
    let check = |message: Message| {
        let answer = |message: Message| {
            let mut member = member(&[1, 2, 3], &[]);
            member.raft.step(message).expect("sound");
            (work(&mut member), member.raft.status())
        };
        assert_eq!(answer(sparse(&message)), answer(message));
    };
    check(full(2, MessageType::MsgHeartbeat, 1));
    check(Message { entries: vec![entry(1, 1)], ..full(2, MessageType::MsgApp, 1) });
    check(full(2, MessageType::MsgVote, 1));
    check(full(2, MessageType::MsgPreVote, 1));
    check(full(2, MessageType::MsgVoteResp, 1));
    check(full(2, MessageType::MsgTimeoutNow, 1));
    let metadata = SnapshotMetadata {
        conf_state: Some(ConfState { auto_leave: Some(false), ..state(&[1, 2, 3], &[]) }),
        index: Some(5),
        term: Some(1),
    };
    let snapshot = Some(Snapshot { data: None, metadata: Some(metadata) });
    check(Message { snapshot, ..full(2, MessageType::MsgSnap, 1) });
}

#[test]
fn a_heartbeat_is_echoed_as_it_came() {
    // 3.7 numbers its rounds in eight bytes from the lowest; before, any context of a reader came.
    for context in [&b""[..], b"\x07\0\0\0\0\0\0\0", b"ctx", &[0xff; 40]] {
        let mut member = member(&[1, 2, 3], &[]);
        let context = Bytes::copy_from_slice(context);
        let beat = full(2, MessageType::MsgHeartbeat, 1);
        member.raft.step(Message { context: Some(context.clone()), ..beat }).expect("sound");
        let sent = work(&mut member);
        let echo = sent.iter().find(|m| m.r#type() == MessageType::MsgHeartbeatResp);
        assert_eq!(echo.expect("an echo").context(), context);
    }
}

#[test]
fn an_echo_of_another_kind_confirms_nothing() {
    for context in [&b"\x01\0\0\0\0\0\0\0"[..], b"x", &[0xff; 40]] {
        let mut member = leader();
        member.raft.read_index(Bytes::from_static(b"r")).expect("it leads");
        work(&mut member);
        let context = Some(Bytes::copy_from_slice(context));
        let echo = Message { context, ..full(2, MessageType::MsgHeartbeatResp, 1) };
        member.raft.step(echo).expect("sound");
        work(&mut member);
        assert_eq!(member.reads, []);
    }
}

/// A follower of etcd passes on what its clients ask, several at a time.
#[test]
fn forwarded_proposals_keep_their_order_and_kinds() {
    let mut member = leader();
    let change = ConfChange {
        id: Some(77),
        r#type: Some(ConfChangeType::ConfChangeAddLearnerNode as i32),
        node_id: Some(9),
        context: Some(Bytes::from_static(b"{\"id\":9}")),
    };
    let data = |text: &'static str| Entry {
        r#type: Some(0),
        term: Some(0),
        index: Some(0),
        data: Some(Bytes::from_static(text.as_bytes())),
    };
    let change = Entry {
        r#type: Some(EntryType::EntryConfChange as i32),
        data: Some(change.encode_to_vec().into()),
        ..data("")
    };
    // The second change finds the first under way and takes its place without effect.
    let entries = vec![data("a"), change.clone(), data("b"), change.clone()];
    let prop = Message { entries, ..full(3, MessageType::MsgProp, 0) };
    member.raft.step(prop).expect("sound");
    let sent = work(&mut member);
    let append = sent.iter().find(|m| m.r#type() == MessageType::MsgApp && m.to() == 2);
    let entries = append.expect("an append").entries.clone();
    let outline: Vec<_> = entries
        .iter()
        .map(|entry| (entry.term(), entry.index(), entry.r#type.unwrap_or(0), entry.data()))
        .collect();
    let change = change.data.unwrap_or_default();
    let want: [(u64, u64, i32, &[u8]); 4] =
        [(1, 2, 0, b"a"), (1, 3, 1, &change), (1, 4, 0, b"b"), (1, 5, 0, b"")];
    assert_eq!(outline, want);
}

#[test]
fn a_followers_question_comes_back_with_its_context() {
    let mut member = leader();
    let question = Entry { data: Some(Bytes::from_static(b"\0\x01ask")), ..entry(0, 0) };
    let entries = vec![question];
    let ask = Message { entries: entries.clone(), ..full(3, MessageType::MsgReadIndex, 0) };
    member.raft.step(ask).expect("sound");
    let beats = work(&mut member);
    let beat = beats.iter().find(|m| m.r#type() == MessageType::MsgHeartbeat && m.to() == 2);
    let context = beat.expect("a round").context.clone();
    assert_eq!(context.as_ref().map(Bytes::len), Some(8), "3.7 reads eight bytes, always");
    let echo = Message { context, ..full(2, MessageType::MsgHeartbeatResp, 1) };
    member.raft.step(echo).expect("sound");
    let sent = work(&mut member);
    let answer = sent.iter().find(|m| m.r#type() == MessageType::MsgReadIndexResp);
    let answer = answer.expect("an answer");
    assert_eq!((answer.to(), answer.term(), answer.index()), (3, 1, 1));
    assert_eq!(answer.entries, entries, "exactly one entry, as it came");
}

#[test]
fn late_and_odd_answers_to_a_question_are_passed_over() {
    let check = |term: u64, entries: usize, want: usize| {
        let mut member = member(&[1, 2, 3], &[]);
        member.raft.step(full(2, MessageType::MsgHeartbeat, 4)).expect("sound");
        let answer = Message {
            entries: vec![entry(0, 0); entries],
            index: Some(3),
            ..full(2, MessageType::MsgReadIndexResp, term)
        };
        let _ = member.raft.step(answer);
        work(&mut member);
        assert_eq!(member.reads.len(), want, "term {term}, {entries} entries");
    };
    check(4, 1, 1);
    check(3, 1, 0);
    check(4, 0, 0);
    check(4, 2, 0);
}

#[test]
fn what_only_a_driver_says_is_not_taken_from_a_peer() {
    let local = [
        MessageType::MsgHup,
        MessageType::MsgBeat,
        MessageType::MsgUnreachable,
        MessageType::MsgSnapStatus,
        MessageType::MsgCheckQuorum,
        MessageType::MsgStorageAppend,
        MessageType::MsgStorageAppendResp,
        MessageType::MsgStorageApply,
        MessageType::MsgStorageApplyResp,
        MessageType::MsgForgetLeader,
    ];
    for kind in local {
        let mut member = leader();
        let before = member.raft.status();
        let error = member.raft.step(full(2, kind, 1)).expect_err("not from a peer");
        assert_eq!(error, StepError::NotFromPeers(kind));
        assert_eq!((member.raft.status(), work(&mut member)), (before, vec![]));
    }
    let odd = [(Some(0), Some(1)), (None, Some(1)), (Some(1), Some(1)), (Some(2), Some(3))];
    for (from, to) in odd {
        let mut member = leader();
        let message = Message { from, to, ..full(2, MessageType::MsgHeartbeatResp, 1) };
        assert!(member.raft.step(message).is_err(), "{from:?} {to:?}");
    }
}

#[test]
fn a_snapshot_that_does_not_name_us_is_not_ours() {
    let check = |voters: &[u64], learners: &[u64], outgoing: &[u64], taken: bool| {
        let mut member = member(&[1, 2, 3], &[]);
        let conf_state =
            ConfState { voters_outgoing: outgoing.to_vec(), ..state(voters, learners) };
        let metadata =
            SnapshotMetadata { conf_state: Some(conf_state), index: Some(9), term: Some(1) };
        let snapshot = Some(Snapshot { data: None, metadata: Some(metadata) });
        member.raft.step(Message { snapshot, ..full(2, MessageType::MsgSnap, 1) }).expect("sound");
        let sent = work(&mut member);
        let answer = sent.iter().find(|m| m.r#type() == MessageType::MsgAppResp);
        let index = answer.expect("either way it hears of us").index();
        assert_eq!(index, if taken { 9 } else { 0 }, "{voters:?} {learners:?} {outgoing:?}");
    };
    check(&[1, 2, 3], &[], &[], true);
    check(&[2, 3], &[1], &[], true);
    check(&[2, 3], &[], &[1, 2], true);
    check(&[2, 3], &[], &[], false);
    check(&[2, 3], &[4], &[], false);
}

/// It may have been promoted without knowing.
#[test]
fn a_learner_votes_when_asked_and_never_asks() {
    let mut member = member(&[2, 3], &[1]);
    for _ in 0..60 {
        member.raft.tick();
    }
    assert_eq!(work(&mut member), vec![]);
    member.raft.step(full(2, MessageType::MsgPreVote, 1)).expect("sound");
    member.raft.step(full(2, MessageType::MsgVote, 1)).expect("sound");
    let sent = work(&mut member);
    let answers: Vec<_> = sent.iter().map(|m| (m.r#type(), m.term(), m.reject())).collect();
    let want = [(MessageType::MsgPreVoteResp, 1, false), (MessageType::MsgVoteResp, 1, false)];
    assert_eq!(answers, want);
    // Nor does it stand when told to.
    member.raft.step(full(2, MessageType::MsgTimeoutNow, 1)).expect("sound");
    assert_eq!(work(&mut member), vec![]);
}

#[test]
fn votes_name_the_term_asked_for_and_refusals_the_own() {
    let check = |kind, asked, log: (u64, u64), want: (u64, bool)| {
        let mut member = member(&[1, 2, 3], &[]);
        // In term 4 with an entry of it, and without a leader for long.
        let append = Message { entries: vec![entry(4, 1)], ..full(2, MessageType::MsgApp, 4) };
        member.raft.step(append).expect("sound");
        work(&mut member);
        for _ in 0..10 {
            member.raft.tick();
        }
        work(&mut member);
        let (log_term, index) = (Some(log.0), Some(log.1));
        let ask = Message { log_term, index, ..full(3, kind, asked) };
        member.raft.step(ask).expect("sound");
        let sent = work(&mut member);
        let answer = sent.iter().rfind(|m| m.to() == 3).expect("an answer");
        assert_eq!((answer.term(), answer.reject()), want, "{kind:?} {asked} {log:?}");
    };
    check(MessageType::MsgPreVote, 5, (4, 1), (5, false));
    check(MessageType::MsgPreVote, 5, (3, 9), (4, true));
    check(MessageType::MsgPreVote, 3, (4, 1), (4, true));
    check(MessageType::MsgVote, 5, (4, 1), (5, false));
    check(MessageType::MsgVote, 5, (3, 9), (5, true));
}

/// Members before 3.6 say where they end, not in which term.
#[test]
fn a_refusal_without_a_term_is_enough() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], |_| {});
    cluster.raft(1).campaign();
    assert!(cluster.settle());
    for data in ["a", "b", "c", "d"] {
        cluster.raft(1).propose(data.into()).expect("it leads");
    }
    assert!(cluster.settle());
    let leader = cluster.member(1);
    let refuse = Message {
        index: Some(5),
        reject: Some(true),
        reject_hint: Some(2),
        ..full(2, MessageType::MsgAppResp, 1)
    };
    leader.raft.unreachable(MemberId(2));
    leader.raft.step(refuse).expect("sound");
    let sent = work(leader);
    let probe = sent.iter().find(|m| m.r#type() == MessageType::MsgApp && m.to() == 2);
    // What it acknowledged once it has: the search does not go below.
    assert_eq!(probe.map(Message::index), Some(5));
}

#[test]
fn hard_states_with_zeroes_are_hard_states() {
    let hard_state = HardState { term: Some(0), vote: Some(0), commit: Some(0) };
    let disk = cluster::Disk { hard_state, conf_state: state(&[1], &[]), ..Default::default() };
    let mut member = Member::restore(Config::new(MemberId(1), 1), disk, Default::default());
    assert!(member.take_ready().is_none(), "nothing to write");
}
