//! The fake server's end of a watch stream.
//!
//! A watch of the key `flood` brings events of 64 KiB without end, as fast as they are taken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ketch_api::ports::{WatchCommand, WatchCreate, WatchLink, WatchOutput};
use ketch_base::Code;
use ketch_proto::mvccpb::event::EventType;
use ketch_proto::mvccpb::{Event, KeyValue};
use prost::Message;
use tokio::sync::watch;

use crate::fake::Store;

/// Size of the value of one event of a flood.
pub(crate) const FLOOD_EVENT_BYTES: usize = 64 * 1024;

pub(crate) struct FakeLink {
    store: Arc<Mutex<Store>>,
    changed: watch::Receiver<()>,
    flooded: Arc<AtomicUsize>,
    watches: Vec<Watched>,
    ready: VecDeque<WatchOutput>,
}

struct Watched {
    create: WatchCreate,
    seen: usize,
}

impl FakeLink {
    pub(crate) fn new(
        store: Arc<Mutex<Store>>,
        changed: watch::Receiver<()>,
        flooded: Arc<AtomicUsize>,
    ) -> Self {
        Self { store, changed, flooded, watches: Vec::new(), ready: VecDeque::new() }
    }

    fn revision(&self) -> i64 {
        self.store.lock().expect("not poisoned").revision
    }

    fn create(&mut self, mut create: WatchCreate) {
        let revision = self.revision();
        if create.watch_id == 0 {
            create.watch_id = self.watches.len() as i64;
        }
        if create.start_revision < 0 {
            self.ready.push_back(WatchOutput::Canceled {
                watch_id: -1,
                revision,
                compact_revision: 0,
                reason: Code::Compacted.text().to_owned(),
                created: true,
            });
            return;
        }
        if create.start_revision == 0 {
            create.start_revision = revision + 1;
        }
        self.ready.push_back(WatchOutput::Created { watch_id: create.watch_id, revision });
        self.watches.push(Watched { create, seen: 0 });
    }

    fn collect(&mut self) {
        let store = self.store.lock().expect("not poisoned");
        for watched in &mut self.watches {
            let create = &watched.create;
            let wanted = |event: &&(i64, Event)| {
                let (revision, event) = event;
                let delete = event.r#type == EventType::Delete as i32;
                let filtered = if delete { create.no_delete } else { create.no_put };
                let kv = event.kv.as_ref().expect("every event has a key");
                *revision >= create.start_revision && !filtered && create.range.contains(&kv.key)
            };
            let events: Vec<Bytes> = store.log[watched.seen..]
                .iter()
                .filter(wanted)
                .map(|(_, event)| event.encode_to_vec().into())
                .collect();
            watched.seen = store.log.len();
            if !events.is_empty() {
                let (watch_id, revision) = (create.watch_id, store.revision);
                let output = WatchOutput::Events { watch_id, revision, events, fragment: false };
                self.ready.push_back(output);
            }
        }
    }

    fn flood(&self) -> Option<Vec<WatchOutput>> {
        let floods = self.watches.iter().any(|one| one.create.range.start() == b"flood");
        floods.then(|| {
            self.flooded.fetch_add(1, Ordering::SeqCst);
            let value = vec![0; FLOOD_EVENT_BYTES].into();
            let kv = Some(KeyValue { value, ..Default::default() });
            let event = Event { kv, ..Default::default() };
            let events = vec![event.encode_to_vec().into()];
            vec![WatchOutput::Events { watch_id: 0, revision: 2, events, fragment: false }]
        })
    }
}

impl WatchLink for FakeLink {
    async fn command(&mut self, command: WatchCommand) -> Result<(), Code> {
        let revision = self.revision();
        match command {
            WatchCommand::Create(create) => self.create(create),
            WatchCommand::Cancel(id) => {
                if let Some(at) = self.watches.iter().position(|one| one.create.watch_id == id) {
                    self.watches.remove(at);
                    self.ready.push_back(WatchOutput::Canceled {
                        watch_id: id,
                        revision,
                        compact_revision: 0,
                        reason: String::new(),
                        created: false,
                    });
                }
            }
            WatchCommand::Progress => {
                self.ready.push_back(WatchOutput::Progress { watch_id: -1, revision });
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Vec<WatchOutput>, Code> {
        loop {
            if let Some(outputs) = self.flood() {
                return Ok(outputs);
            }
            self.collect();
            if !self.ready.is_empty() {
                return Ok(self.ready.drain(..).collect());
            }
            self.changed.changed().await.map_err(|_| Code::Stopped)?;
        }
    }
}
