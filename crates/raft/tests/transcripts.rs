//! Consensus by transcripts: `testdata/*.txt`, commands with everything they cause.
//!
//! `> command` is carried out; the lines up to the next blank one are what came of it. Members do
//! nothing by themselves: `ready` takes effects, `persist` and `apply` finish them, `deliver`
//! carries messages, `settle` does all of that until nothing is left. With `KETCH_REWRITE` set the
//! files are written anew, for a human to read the difference.

#![expect(clippy::disallowed_methods, reason = "the transcripts are files of the source tree")]

mod cluster;

use std::fmt::Write as _;
use std::path::Path;

use cluster::{Cluster, show};
use ketch_base::{Index, MemberId};
use ketch_raft::raftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, MessageType,
};

/// The value of `name=value` in a command.
fn option<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let field = |word: &'a str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    command.split(' ').find_map(field)
}

fn ids(text: &str) -> Vec<u64> {
    text.split(',').filter_map(|id| id.parse().ok()).collect()
}

/// `members 1,2,3 learners=4 pre-vote=off window=2 ..`
fn members(command: &str) -> Cluster {
    let voters = ids(command.split(' ').nth(1).unwrap_or(""));
    let learners = ids(option(command, "learners").unwrap_or(""));
    let number = |name: &str| option(command, name).and_then(|text| text.parse::<usize>().ok());
    Cluster::new(&voters, &learners, |config| {
        config.pre_vote = option(command, "pre-vote") != Some("off");
        config.check_quorum = option(command, "check-quorum") != Some("off");
        config.apply_unpersisted = option(command, "apply-unpersisted") != Some("off");
        config.step_down_on_removal = option(command, "step-down") != Some("off");
        config.max_inflight_messages = number("window").unwrap_or(256);
        config.max_inflight_bytes = number("window-bytes").unwrap_or(0);
        config.max_message_bytes = number("message-bytes").unwrap_or(1 << 20);
        config.max_uncommitted_bytes = number("uncommitted-bytes").unwrap_or(1 << 20);
        config.stall_ticks = number("stall").unwrap_or(0) as u32;
    })
}

fn change(words: &[&str]) -> ConfChangeV2 {
    let mut change = ConfChangeV2::default();
    for word in words {
        let (kind, id) = word.split_at(1);
        let kind = match (*word, kind) {
            ("joint", _) => {
                change.transition = Some(ConfChangeTransition::JointImplicit as i32);
                continue;
            }
            ("explicit", _) => {
                change.transition = Some(ConfChangeTransition::JointExplicit as i32);
                continue;
            }
            ("leave", _) => continue,
            (_, "v") => ConfChangeType::ConfChangeAddNode,
            (_, "l") => ConfChangeType::ConfChangeAddLearnerNode,
            _ => ConfChangeType::ConfChangeRemoveNode,
        };
        let node_id = id.parse().ok();
        change.changes.push(ConfChangeSingle { r#type: Some(kind as i32), node_id });
    }
    change
}

/// Commands that ask something of one member.
fn ask(cluster: &mut Cluster, words: &[&str], out: &mut String) {
    let id: u64 = words[1].parse().expect("a member");
    let argument = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(1);
    let raft = cluster.raft(id);
    let refused = match words[0] {
        "campaign" => {
            raft.campaign();
            None
        }
        "tick" => {
            (0..argument(2)).for_each(|_| raft.tick());
            None
        }
        "propose" => words[2..].iter().find_map(|data| raft.propose(data.to_string().into()).err()),
        "propose-bytes" => raft.propose(vec![b'x'; argument(2) as usize].into()).err(),
        "change" => raft.propose_change_v2(&change(&words[2..])).err(),
        "transfer" => raft.transfer(MemberId(argument(2))).err(),
        "read" => raft.read_index(words[2].to_string().into()).err(),
        "compact" => {
            raft.compact(Index(argument(2)));
            None
        }
        "unreachable" => {
            raft.unreachable(MemberId(argument(2)));
            None
        }
        "gone" => {
            raft.peer_gone(MemberId(argument(2)));
            None
        }
        "snapshot-arrived" | "snapshot-lost" => {
            raft.snapshot_sent(MemberId(argument(2)), words[0] == "snapshot-arrived");
            None
        }
        other => panic!("unknown command {other}"),
    };
    if let Some(refused) = refused {
        let _ = writeln!(out, "refused: {refused}");
    }
}

/// Carries messages to one member: all, or those of a kind, or none (`drop`).
fn carry(cluster: &mut Cluster, words: &[&str], out: &mut String) {
    let id: u64 = words[1].parse().expect("a member");
    while let Some(message) = cluster.next_for(id) {
        let _ = writeln!(out, "{}", show::message(&message));
        if words[0] == "deliver"
            && let Err(error) = cluster.raft(id).step(message)
        {
            let _ = writeln!(out, "refused: {error}");
        }
    }
}

fn run(cluster: &mut Cluster, command: &str, out: &mut String) {
    let words: Vec<&str> = command.split(' ').collect();
    let id: u64 = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    match words[0] {
        "members" => *cluster = members(command),
        // A newcomer knows what stood before the log began: `join 4 1,2,3`.
        "join" => {
            let voters = ids(words.get(2).copied().unwrap_or(""));
            cluster.add(id, ConfState { voters, ..ConfState::default() }, |_| {});
        }
        "ready" => match cluster.ready(id) {
            Some(ready) => *out += &show::ready(&ready),
            None => *out += "nothing\n",
        },
        "persist" => {
            if !cluster.member(id).persist_one() {
                *out += "nothing to write\n";
            }
        }
        "apply" => cluster.member(id).apply(usize::MAX),
        "keep" => cluster.member(id).keep(u64::MAX),
        "deliver" | "drop" => carry(cluster, &words, out),
        "settle" => assert!(cluster.settle(), "no end"),
        "cut" => cluster.cut.push(id),
        "heal" => cluster.cut.clear(),
        "crash" => cluster.member(id).crash(),
        "status" => {
            for member in cluster.members.values() {
                let _ = writeln!(out, "{}", show::member(member));
            }
        }
        "peers" => *out += &show::peers(cluster.member(id)),
        "log" => *out += &format!("{}\n", show::log(cluster.member(id))),
        "membership" => *out += &format!("{}\n", show::membership(cluster.member(id))),
        "network" => {
            for message in &cluster.network {
                let _ = writeln!(out, "{}", show::message(message));
            }
        }
        "lose" => {
            let kind = words[1];
            cluster.network.retain(|message| {
                let this: MessageType = message.r#type();
                !format!("{this:?}").ends_with(kind)
            });
        }
        _ => ask(cluster, &words, out),
    }
}

/// Runs a transcript; returns it with what really came.
fn play(script: &str) -> String {
    let mut cluster = Cluster::default();
    let mut played = String::new();
    let mut in_output = false;
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(played, "{line}");
            run(&mut cluster, command, &mut played);
            in_output = true;
        } else if line.is_empty() || line.starts_with('#') {
            in_output = false;
        }
        if !in_output {
            let _ = writeln!(played, "{line}");
        }
    }
    played
}

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let files = std::fs::read_dir(folder).expect("transcripts are part of the source");
    let rewrite = std::env::var_os("KETCH_REWRITE").is_some();
    let mut seen = 0;
    for file in files {
        let path = file.expect("readable").path();
        let script = std::fs::read_to_string(&path).expect("text");
        let played = play(&script);
        seen += 1;
        if rewrite {
            std::fs::write(&path, &played).expect("writable");
            continue;
        }
        let differs = played.lines().zip(script.lines()).find(|(now, then)| now != then);
        assert_eq!(played, script, "{}: first difference {differs:?}", path.display());
    }
    assert!(seen >= 10, "transcripts are missing");
}
