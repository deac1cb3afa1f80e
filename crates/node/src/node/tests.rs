//! The node by transcripts: `testdata/*.txt`, commands with the effects they must cause.
//!
//! A line `> command` is carried out on a node with a log and an apply side that do nothing until
//! told to; the lines up to the next blank one are the effects. With `KETCH_REWRITE` set the files
//! are written anew, for a human to read the difference.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;

use ketch_base::RequestId;
use ketch_raft_proto::raftpb::{ConfChange, ConfState, Entry, HardState};

use super::*;

/// A node and the jobs it gave out.
#[derive(Default)]
struct World {
    node: Option<Node>,
    log: VecDeque<LogJob>,
    apply: VecDeque<ApplyJob>,
    alone_from: Option<Index>,
}

/// The value of `name=value` in a command.
fn option<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let field = |word: &'a str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    command.split(' ').find_map(field)
}

fn number(command: &str, name: &str, default: u64) -> u64 {
    option(command, name).map_or(default, |text| text.parse().expect("a number"))
}

fn ids(command: &str, name: &str) -> Vec<u64> {
    let ids = option(command, name).unwrap_or("").split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse().expect("an id")).collect()
}

fn add_node(id: u64) -> ConfChange {
    ConfChange { r#type: Some(0), node_id: Some(id), ..ConfChange::default() }
}

impl World {
    /// `start voters=1 founded=1 commit=1 applied=0 last=1 term=1 ..`: a log of `last` entries,
    /// of which the first `founded` add the members 1..
    fn start(&mut self, command: &str) {
        let (last, founded) = (number(command, "last", 0), number(command, "founded", 0));
        let term = number(command, "term", u64::from(last > 0));
        let entry = |index: u64| Entry {
            term: Some(term),
            index: Some(index),
            r#type: Some(i32::from(index <= founded)),
            data: (index <= founded)
                .then(|| prost::Message::encode_to_vec(&add_node(index)).into()),
        };
        let restored = Restored {
            hard_state: HardState {
                term: Some(term),
                vote: None,
                commit: Some(number(command, "commit", 0)),
            },
            entries: (1..=last).map(entry).collect(),
            conf_state: ConfState { voters: ids(command, "voters"), ..ConfState::default() },
            applied: Index(number(command, "applied", 0)),
            ..Restored::default()
        };
        let settings = Settings {
            snapshot_count_entries: number(command, "snapshot-count", 10),
            catchup_entries: number(command, "catchup", 3),
            wait_ticks: number(command, "wait", 20),
            ..Settings::default()
        };
        let mut config = Config::new(MemberId(1), 1);
        config.max_proposal_bytes = 100;
        let node = Node::start(config, settings, restored, Index(0));
        *self = Self { node: Some(node.expect("a sound start")), ..Self::default() };
    }

    /// The events a command stands for.
    fn events(&mut self, command: &str) -> Vec<Event> {
        let words: Vec<&str> = command.split(' ').collect();
        let argument = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(1);
        match words[0] {
            "flush" => vec![],
            "tick" => vec![Event::Tick; argument(1) as usize],
            "propose" => words[1..].iter().map(|word| propose(word)).collect(),
            "propose-bytes" => {
                let data = vec![b'x'; argument(1) as usize].into();
                vec![Event::Propose { id: RequestId(1), data }]
            }
            "propose-many" => vec![propose("1"); argument(1) as usize],
            "change" => {
                vec![Event::ProposeChange { id: RequestId(9), change: add_node(argument(1)) }]
            }
            "read" => {
                let tokens = words[1..].iter().map(|word| word.parse().expect("a token"));
                tokens.map(|token| Event::Read { token }).collect()
            }
            "persisted" => self.persisted(argument(1)),
            "applied" => self.applied(argument(1)),
            "durable" => vec![Event::Durable { index: Index(argument(1)) }],
            "message" => vec![Event::Message(Box::new(message(command)))],
            "stop" => vec![Event::Stop],
            other => panic!("unknown command {other}"),
        }
    }

    /// The oldest `count` jobs are durable; one event tells of all.
    fn persisted(&mut self, count: u64) -> Vec<Event> {
        let count = (count as usize).min(self.log.len());
        let last = self.log.drain(..count).next_back();
        last.map(|last| Event::Persisted { job: last.job }).into_iter().collect()
    }

    fn applied(&mut self, count: u64) -> Vec<Event> {
        let done: Vec<ApplyJob> =
            self.apply.drain(..(count as usize).min(self.apply.len())).collect();
        let event = |job: ApplyJob| {
            let index = Index(job.entries.last().expect("never empty").index());
            let is_change = |entry: &&Entry| entry.r#type.unwrap_or(0) != 0;
            let changes = job.entries.iter().filter(is_change).map(|entry| AppliedChange {
                index: Index(entry.index()),
                change: prost::Message::decode(entry.data.clone().unwrap_or_default())
                    .expect("as proposed"),
            });
            Event::Applied { index, changes: changes.collect() }
        };
        done.into_iter().map(event).collect()
    }

    fn run(&mut self, command: &str) -> String {
        let mut effects = Vec::new();
        if command.starts_with("start") {
            self.start(command);
        }
        let events = if self.node.is_some() && !command.starts_with("start") {
            self.events(command)
        } else {
            vec![]
        };
        let node = self.node.as_mut().expect("started");
        for event in events {
            node.handle(event, &mut effects);
        }
        node.flush(&mut effects);
        let mut text = String::new();
        if node.alone_from() != self.alone_from {
            self.alone_from = node.alone_from();
            match self.alone_from {
                Some(index) => writeln!(text, "alone from {index}").expect("memory"),
                None => text += "not alone\n",
            }
        }
        for effect in effects {
            writeln!(text, "{}", describe(&effect)).expect("memory");
            match effect {
                Effect::Append(job) => self.log.push_back(job),
                Effect::Apply(job) => self.apply.push_back(job),
                _ => {}
            }
        }
        text
    }
}

/// `propose 16 17`: the number is the request's id and its data.
fn propose(word: &str) -> Event {
    let id = u64::from_str_radix(word, 16).expect("a hexadecimal id");
    Event::Propose { id: RequestId(id), data: word.to_string().into() }
}

/// `message vote from=2 term=3 ..`
fn message(command: &str) -> Message {
    let kind = match command.split(' ').nth(1) {
        Some("vote") => MessageType::MsgVote,
        Some("prevote-yes") => MessageType::MsgPreVoteResp,
        Some("vote-yes") => MessageType::MsgVoteResp,
        Some("accept") => MessageType::MsgAppResp,
        Some("heartbeat") => MessageType::MsgHeartbeat,
        Some("echo") => MessageType::MsgHeartbeatResp,
        other => panic!("unknown message {other:?}"),
    };
    let some = |name: &str| option(command, name).map(|text| text.parse().expect("a number"));
    let round = some("round").map(|round: u64| round.to_be_bytes().to_vec().into());
    Message {
        r#type: Some(kind as i32),
        from: some("from"),
        to: Some(1),
        term: some("term"),
        index: some("index"),
        log_term: some("log-term"),
        commit: some("commit"),
        context: round,
        ..Message::default()
    }
}

fn span(entries: &[Entry]) -> String {
    match entries {
        [] => "none".to_string(),
        [only] => only.index().to_string(),
        [first, .., last] => format!("{}..{}", first.index(), last.index()),
    }
}

fn describe_job(job: &LogJob) -> String {
    let mut text = format!("append job={} entries={}", job.job, span(&job.entries));
    if let Some(state) = &job.hard_state {
        text += &format!(" term={} vote={} commit={}", state.term(), state.vote(), state.commit());
    }
    if let Some(mark) = &job.mark {
        let voters = mark.conf_state.as_ref().map(|state| state.voters.clone());
        text += &format!(" mark={}/{} voters={:?}", mark.term(), mark.index(), voters);
    }
    if let Some(release) = job.release {
        text += &format!(" release={release}");
    }
    text
}

fn describe(effect: &Effect) -> String {
    let message = |message: &Message| {
        let kind = format!("{:?}", message.r#type());
        let entries = span(&message.entries);
        let (to, index, commit) = (message.to(), message.index(), message.commit());
        format!("{kind} to={to} index={index} entries={entries} commit={commit}")
    };
    match effect {
        Effect::Append(job) => describe_job(job),
        Effect::Apply(job) => format!("apply {}", span(&job.entries)),
        Effect::Send(messages) => {
            let all: Vec<String> = messages.iter().map(message).collect();
            format!("send {}", all.join("; "))
        }
        Effect::SendSnapshot(to) => format!("snapshot {}", message(to)),
        Effect::Install(metadata) => format!("install {}", metadata.index()),
        Effect::ReadReady { token, index } => format!("read {token} at {index}"),
        Effect::ReadRefused { token, code } => format!("read {token} refused: {code}"),
        Effect::Refused { id, code } => format!("proposal {id} refused: {code}"),
        Effect::Leader { leader, term, is_self } => {
            let leader = leader.map_or("none".to_string(), |leader| leader.to_string());
            format!("leader={leader} term={term} self={is_self}")
        }
        Effect::Fatal(error) => format!("fatal: {error}"),
        Effect::Stopped => "stopped".to_string(),
    }
}

/// Runs a transcript; returns it with the effects that really came.
fn play(script: &str) -> String {
    let mut world = World::default();
    let mut played = String::new();
    let mut in_output = false;
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let output = world.run(command);
            writeln!(played, "{line}").expect("memory");
            played += if output.is_empty() { "nothing\n" } else { &output };
            in_output = true;
        } else if line.is_empty() || line.starts_with('#') {
            in_output = false;
        }
        if !in_output {
            writeln!(played, "{line}").expect("memory");
        }
    }
    played
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the transcripts are files of the source tree")]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let files = std::fs::read_dir(folder).expect("transcripts are part of the source");
    let mut seen = 0;
    let rewrite = std::env::var_os("KETCH_REWRITE").is_some();
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
    assert!(seen >= 3, "transcripts are missing");
}
