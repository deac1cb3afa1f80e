//! What a stream is told, and how events are cut into responses.

use bytes::Bytes;
use ketch_base::planted::{self, Bug};

use super::Config;

/// Memory of an output besides its events, about.
const OUTPUT_BYTES: usize = 128;
/// What an event takes in a response besides its own bytes: tag and length.
const EVENT_FRAME_BYTES: usize = 6;
/// What a response takes besides its events: header and ids, at most.
const RESPONSE_FRAME_BYTES: usize = 64;

/// One response of a watch stream. `revision` is that of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named as in etcdserverpb.WatchResponse")]
pub enum Output {
    /// The watch exists; first word on its id.
    Created { watch_id: i64, revision: i64 },
    /// The watch is over, or (`created`) was refused and has id -1.
    Canceled {
        watch_id: i64,
        /// 0 when the watch is too old, as etcd has it.
        revision: i64,
        /// Not 0 when the watch is too old: nothing below it can be watched.
        compact_revision: i64,
        reason: String,
        created: bool,
    },
    /// Changes in order.
    Events {
        watch_id: i64,
        revision: i64,
        /// Encoded `mvccpb.Event` messages.
        events: Vec<Bytes>,
        /// The next response of this watch continues this one.
        fragment: bool,
    },
    /// Everything up to `revision` has been told; `watch_id` -1 speaks for the whole stream.
    Progress { watch_id: i64, revision: i64 },
}

impl Output {
    /// Events in it.
    pub(super) fn events(&self) -> u64 {
        match self {
            Self::Events { events, .. } => events.len() as u64,
            _ => 0,
        }
    }

    /// Memory it holds, as the limit of a stream's queue counts it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Events { events, .. } => OUTPUT_BYTES + framed(events),
            _ => OUTPUT_BYTES,
        }
    }
}

fn framed(events: &[Bytes]) -> usize {
    events.iter().map(|event| event.len() + EVENT_FRAME_BYTES).sum()
}

/// Cuts events, given with their main revisions, into responses. Between revisions wherever a
/// response is full; inside of one only with `fragment`.
pub(super) fn responses(
    config: &Config,
    watch_id: i64,
    revision: i64,
    fragment: bool,
    events: impl IntoIterator<Item = (i64, Bytes)>,
) -> Vec<Output> {
    let mut out = Vec::new();
    let mut part: Vec<Bytes> = Vec::new();
    let (mut bytes, mut main) = (0, None);
    let mut close = |part: Vec<Bytes>| {
        if fragment && RESPONSE_FRAME_BYTES + framed(&part) >= config.fragment_bytes {
            fragments(config, watch_id, revision, part, &mut out);
        } else if !part.is_empty() {
            out.push(Output::Events { watch_id, revision, events: part, fragment: false });
        }
    };
    for (event_main, event) in events {
        let full = bytes + event.len() > config.response_bytes;
        if (full && main != Some(event_main)) || planted::is(Bug::WatchSplit) {
            close(std::mem::take(&mut part));
            bytes = 0;
        }
        main = Some(event_main);
        bytes += event.len();
        part.push(event);
    }
    close(part);
    out
}

fn fragments(
    config: &Config,
    watch_id: i64,
    revision: i64,
    events: Vec<Bytes>,
    out: &mut Vec<Output>,
) {
    let mut part: Vec<Bytes> = Vec::new();
    let mut bytes = RESPONSE_FRAME_BYTES;
    for event in events {
        let more = event.len() + EVENT_FRAME_BYTES;
        if !part.is_empty() && bytes + more >= config.fragment_bytes {
            let events = std::mem::take(&mut part);
            out.push(Output::Events { watch_id, revision, events, fragment: true });
            bytes = RESPONSE_FRAME_BYTES;
        }
        bytes += more;
        part.push(event);
    }
    out.push(Output::Events { watch_id, revision, events: part, fragment: false });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as `main:bytes`; responses as lists of bytes, `+` where a fragment follows.
    fn cut(fragment: bool, events: &[(i64, usize)]) -> String {
        let config = Config { fragment_bytes: 300, response_bytes: 200, ..Config::default() };
        let events = events.iter().map(|(main, bytes)| (*main, Bytes::from(vec![0; *bytes])));
        let texts = responses(&config, 1, 9, fragment, events).into_iter().map(|output| {
            let Output::Events { events, fragment, .. } = output else { panic!("{output:?}") };
            let sizes: Vec<_> = events.iter().map(|event| event.len().to_string()).collect();
            format!("{}{}", sizes.join(","), if fragment { "+" } else { "" })
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn revisions_stay_whole_unless_fragments_are_wanted() {
        assert_eq!(cut(false, &[]), "");
        assert_eq!(cut(false, &[(1, 90), (2, 90), (3, 90)]), "90,90 90");
        assert_eq!(cut(false, &[(1, 150), (1, 150), (1, 150), (2, 1)]), "150,150,150 1");
        assert_eq!(cut(true, &[(1, 90), (2, 90), (3, 90)]), "90,90 90");
        assert_eq!(cut(true, &[(1, 150), (1, 50), (1, 150), (2, 1)]), "150,50+ 150 1");
        assert_eq!(cut(true, &[(1, 1_000)]), "1000");
        assert_eq!(cut(true, &[(1, 1_000), (1, 1_000)]), "1000+ 1000");
        assert_eq!(cut(false, &[(1, 1_000), (2, 1_000)]), "1000 1000");
    }
}
