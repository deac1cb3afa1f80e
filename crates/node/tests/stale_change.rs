//! A change of members that was still being applied when a snapshot came changes nothing: the
//! snapshot says who belongs to the cluster.

use ketch_base::{Index, MemberId};
use ketch_node::{AppliedChange, Effect, Event, Node, RaftConfig, Settings};
use ketch_raft::Restored;
use ketch_raft_proto::raftpb::{
    ConfChange, ConfState, Entry, Message, MessageType, Snapshot, SnapshotMetadata,
};
use prost::Message as _;

fn founders() -> ConfState {
    ConfState { voters: vec![1, 2], ..ConfState::default() }
}

fn from_leader(kind: MessageType) -> Message {
    let (from, to) = (Some(2), Some(1));
    Message { r#type: Some(kind as i32), from, to, term: Some(1), ..Message::default() }
}

fn add_third() -> ConfChange {
    ConfChange { r#type: Some(0), node_id: Some(3), ..ConfChange::default() }
}

/// Feeds events and gives the effects.
fn feed(node: &mut Node, events: Vec<Event>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for event in events {
        node.handle(event, &mut effects);
    }
    node.flush(&mut effects);
    effects
}

/// Whom the node asks for votes once it has heard nothing for long.
fn electorate(node: &mut Node) -> Vec<u64> {
    let effects = feed(node, vec![Event::Tick; 40]);
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(messages) => Some(messages),
        _ => None,
    });
    let asks = sent.flatten().filter(|message| message.r#type() == MessageType::MsgPreVote);
    let mut ids: Vec<u64> = asks.map(|message| message.to()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn the_snapshot_is_right() {
    let restored = Restored { conf_state: founders(), ..Restored::default() };
    let config = RaftConfig::new(MemberId(1), 7);
    let mut node = Node::start(config, Settings::default(), restored, Index(0)).unwrap();

    let entry = Entry {
        r#type: Some(1),
        term: Some(1),
        index: Some(1),
        data: Some(add_third().encode_to_vec().into()),
    };
    let append = from_leader(MessageType::MsgApp);
    let append = Message { entries: vec![entry], commit: Some(1), ..append };
    let effects = feed(&mut node, vec![Event::Message(Box::new(append))]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Apply(_))), "{effects:?}");

    let metadata =
        SnapshotMetadata { conf_state: Some(founders()), index: Some(10), term: Some(1) };
    let snapshot = Some(Snapshot { data: None, metadata: Some(metadata) });
    let offer = Message { snapshot, ..from_leader(MessageType::MsgSnap) };
    let effects = feed(&mut node, vec![Event::Message(Box::new(offer))]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Install(_))), "{effects:?}");

    let changes = vec![AppliedChange { index: Index(1), change: add_third() }];
    let late = Event::Applied { index: Index(1), changes };
    feed(&mut node, vec![late, Event::Persisted { job: 9 }, Event::Installed { index: Index(10) }]);
    assert_eq!(electorate(&mut node), [2]);
}
