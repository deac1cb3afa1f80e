//! Messages, effects and states as short lines.

use std::fmt::Write as _;

use ketch_base::Index;
use ketch_raft::raftpb::{Entry, Message};
use ketch_raft::{EntryId, Ready, Role};

use super::Member;

/// `11..12` or `11`, with the data of small spans.
pub(crate) fn entries(entries: &[Entry]) -> String {
    let shown = |entry: &Entry| {
        let data = String::from_utf8_lossy(entry.data.as_deref().unwrap_or_default()).into_owned();
        let data = match entry.r#type.unwrap_or(0) {
            0 => data,
            _ => "change".to_string(),
        };
        format!("{}/{}:{data}", entry.term(), entry.index())
    };
    match entries {
        [] => "none".to_string(),
        [first, .., last] if entries.len() > 4 => {
            format!("{} .. {} ({})", shown(first), shown(last), entries.len())
        }
        few => few.iter().map(shown).collect::<Vec<_>>().join(" "),
    }
}

/// One line for a message.
pub(crate) fn message(message: &Message) -> String {
    let kind = format!("{:?}", message.r#type());
    let mut text = format!("{:x}->{:x} {}", message.from(), message.to(), &kind[3..]);
    let mut field = |name: &str, value: u64| {
        if value != 0 {
            let _ = write!(text, " {name}={value}");
        }
    };
    field("term", message.term());
    field("log-term", message.log_term());
    field("index", message.index());
    field("commit", message.commit());
    field("reject", u64::from(message.reject()));
    field("hint", message.reject_hint());
    if let Ok(round) = <[u8; 8]>::try_from(message.context()) {
        field("round", u64::from_be_bytes(round));
    } else if !message.context().is_empty() {
        let _ = write!(text, " context={}", String::from_utf8_lossy(message.context()));
    }
    if !message.entries.is_empty() {
        let _ = write!(text, " entries={}", entries(&message.entries));
    }
    if let Some(metadata) = message.snapshot.as_ref().and_then(|s| s.metadata.as_ref()) {
        let voters = metadata.conf_state.clone().unwrap_or_default().voters;
        let _ = write!(text, " at={}/{} voters={voters:?}", metadata.term(), metadata.index());
    }
    text
}

/// The effects of one ready, a line each.
pub(crate) fn ready(ready: &Ready) -> String {
    let mut text = String::new();
    if let Some(leadership) = ready.leadership {
        let _ = writeln!(text, "leader={:x} term={}", leadership.leader, leadership.term);
    }
    if let Some(write) = &ready.write {
        let _ = write!(text, "write {} entries={}", write.job, entries(&write.entries));
        if let Some(state) = write.hard_state {
            let (term, vote, commit) = (state.term(), state.vote(), state.commit());
            let _ = write!(text, " term={term} vote={vote} commit={commit}");
        }
        if let Some(metadata) = write.snapshot.as_ref().and_then(|s| s.metadata.as_ref()) {
            let _ = write!(text, " snapshot={}/{}", metadata.term(), metadata.index());
        }
        text.push('\n');
    }
    for sent in &ready.messages {
        let _ = writeln!(text, "{}", message(sent));
    }
    if !ready.committed.is_empty() {
        let _ = writeln!(text, "apply {}", entries(&ready.committed));
    }
    for read in &ready.reads {
        let context = String::from_utf8_lossy(&read.context);
        let _ = writeln!(text, "read {context} at {}", read.index);
    }
    text
}

/// One line for a member.
pub(crate) fn member(member: &Member) -> String {
    let status = member.raft.status();
    let role = match status.role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    };
    let leader = status.leader.map_or("none".to_string(), |leader| leader.to_string());
    let EntryId { term, index } = status.last;
    format!(
        "{}: {role} term={} leader={leader} last={term}/{index} commit={} applied={} persisted={}",
        status.id, status.term, status.committed, status.applied, status.persisted
    )
}

/// The membership: `1 2 3 & 1 2 learners=4 next=3 auto`.
pub(crate) fn membership(member: &Member) -> String {
    let state = member.raft.conf_state();
    let list = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    let mut text = list(&state.voters);
    if !state.voters_outgoing.is_empty() {
        text += &format!(" & {}", list(&state.voters_outgoing));
    }
    if !state.learners.is_empty() {
        text += &format!(" learners={}", list(&state.learners));
    }
    if !state.learners_next.is_empty() {
        text += &format!(" next={}", list(&state.learners_next));
    }
    if state.auto_leave() {
        text += " auto";
    }
    text
}

/// How a leader sees the members.
pub(crate) fn peers(member: &Member) -> String {
    let mut text = String::new();
    for peer in member.raft.peers() {
        let Index(matched) = peer.matched;
        let _ = write!(text, "{}: {:?} matched={matched}", peer.id, peer.flow);
        let _ = write!(text, "{}", if peer.active { " active" } else { "" });
        let _ = writeln!(text, "{}", if peer.learner { " learner" } else { "" });
    }
    text
}

/// Everything the disk holds of the log.
pub(crate) fn log(member: &Member) -> String {
    let EntryId { term, index } = member.disk.before;
    let entry = |entry: &Entry| format!(" {}/{}", entry.term(), entry.index());
    let all: String = member.disk.entries.iter().map(entry).collect();
    format!("before {term}/{index} entries{all}")
}
