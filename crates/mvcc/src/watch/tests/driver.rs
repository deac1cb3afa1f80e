//! The only one that touches the hub: commands in, a transcript out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Drain};
use ketch_base::KeyRange;
use ketch_proto::mvccpb;
use prost::Message;

use crate::tests::snapshot;
use crate::watch::{Config, Create, Hub, Output, StreamId};
use crate::{Committed, CompactStep, Store};

/// A store with a hub, and streams by name.
pub(super) struct Driver {
    pub(super) store: Store,
    pub(super) hub: Hub,
    drain: Drain,
    streams: BTreeMap<String, StreamId>,
    transcript: String,
    leader: Option<Leader>,
    folder: tempfile::TempDir,
}

/// A member with the same history, out of reach: it goes on without being heard of.
struct Leader {
    store: Store,
    drain: Drain,
    _folder: tempfile::TempDir,
}

/// Small sizes, so that limits are met soon.
pub(super) fn small() -> Config {
    Config {
        fragment_bytes: 400,
        response_bytes: 300,
        stream_queue_bytes: 1_000,
        catch_up_revisions: 3,
        catch_up_bytes: 10_000,
    }
}

impl Driver {
    pub(super) fn new(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (backend, drain) = open(&folder);
        let store = Store::open(backend).expect("empty");
        let hub = Hub::new(store.reader(), config);
        let (streams, transcript) = (BTreeMap::new(), String::new());
        Self { store, hub, drain, streams, transcript, leader: None, folder }
    }

    /// Runs a script, one command a line:
    ///
    /// ```text
    /// put KEY VALUE; del KEY; put KEY VALUE ..    one transaction
    /// compact REVISION        with removal of rows
    /// S watch KEY [END] [from=N] [id=N] [prev] [notify] [noput] [nodelete] [fragment]
    /// S cancel ID | S progress | S take [BYTES] | S close
    /// step                    one catch-up step
    /// tick                    the progress interval is over
    /// leader put.. | leader del.. | leader compact..    where this member does not hear of it
    /// install                 the leader's database takes the place of ours
    /// reload                  its history is taken up, and the hub told
    /// ```
    ///
    /// Except after `step`, watches catch up fully, and all output is taken, unless the line
    /// begins with `-`.
    pub(super) fn run(&mut self, script: &str) -> String {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let quiet = line.strip_prefix("- ");
            self.command(quiet.unwrap_or(line));
            if quiet.is_none() {
                while line != "step" && self.hub.catch_up().expect("readable") {}
                self.print_all();
            }
        }
        std::mem::take(&mut self.transcript)
    }

    pub(super) fn stream(&mut self, name: &str) -> StreamId {
        let hub = &mut self.hub;
        *self.streams.entry(name.to_owned()).or_insert_with(|| hub.open_stream())
    }

    pub(super) fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["put" | "del", ..] => self.write(line),
            ["compact", at] => self.compact(number(at)),
            ["step"] => {
                let more = self.hub.catch_up().expect("readable");
                self.say(if more { "more" } else { "done" });
            }
            ["settle"] => while self.hub.catch_up().expect("readable") {},
            ["leader", "compact", at] => {
                let leader = self.leader();
                compact(&mut leader.store, &mut leader.drain, number(at));
            }
            ["leader", ..] => _ = transaction(&mut self.leader().store, &line[7..]),
            ["install"] => {
                let leader = self.leader.as_ref().expect("a leader").store.reader();
                snapshot::install(leader.backend(), self.folder.path(), &mut self.drain);
            }
            ["reload"] => {
                self.store.reload().expect("a history");
                self.hub.reloaded();
                self.leader = None;
            }
            ["tick"] => self.hub.tick_progress(),
            [name, "watch", key, ref rest @ ..] => {
                let stream = self.stream(name);
                self.hub.create(stream, create(key, rest));
            }
            [name, "cancel", id] => {
                let stream = self.stream(name);
                self.hub.cancel(stream, number(id));
            }
            [name, "progress"] => {
                let stream = self.stream(name);
                self.hub.request_progress(stream);
            }
            [name, "take", bytes] => self.print(name, number(bytes) as usize),
            [name, "close"] => {
                let stream = self.streams.remove(name).expect("an open stream");
                self.hub.close_stream(stream);
            }
            _ => panic!("{line}"),
        }
    }

    pub(super) fn write(&mut self, line: &str) {
        let committed = transaction(&mut self.store, line);
        self.hub.publish(&committed).expect("readable");
    }

    /// Compacts, and removes what nobody holds.
    pub(super) fn compact(&mut self, at: i64) {
        compact(&mut self.store, &mut self.drain, at);
    }

    /// Made when first asked for, with the history until then.
    fn leader(&mut self) -> &mut Leader {
        let store = &self.store;
        self.leader.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let (backend, mut drain) = open(&folder);
            snapshot::install(store.reader().backend(), folder.path(), &mut drain);
            Leader { store: Store::open(backend).expect("a history"), drain, _folder: folder }
        })
    }

    fn print_all(&mut self) {
        for name in self.streams.keys().cloned().collect::<Vec<_>>() {
            self.print(&name, usize::MAX);
        }
    }

    fn print(&mut self, name: &str, bytes: usize) {
        let stream = self.stream(name);
        for output in self.hub.take(stream, bytes) {
            let line = format!("{name} {}", show(&output));
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.transcript, "{line}").expect("text");
    }
}

fn open(folder: &tempfile::TempDir) -> (Backend, Drain) {
    let disk = Arc::new(ketch_env::unsynced::UnsyncedDisk);
    let path = folder.path().join("ketch.redb");
    Backend::open(disk, &path, ketch_backend::Config::default()).expect("a new database")
}

fn transaction(store: &mut Store, line: &str) -> Committed {
    let mut txn = store.write();
    for op in line.split(';') {
        match op.split_whitespace().collect::<Vec<_>>()[..] {
            ["put", key, value] => {
                txn.put(text(key), text(value), 0);
            }
            ["del", key] => {
                txn.delete_range(&KeyRange::Key(text(key)));
            }
            _ => panic!("{op}"),
        }
    }
    txn.commit(Batch::new())
}

fn compact(store: &mut Store, drain: &mut Drain, at: i64) {
    let mut batch = Batch::new();
    store.compact(at, &mut batch).expect("a revision that can be compacted");
    store.write().commit(batch);
    let mut compactor = store.reader().compactor();
    while compactor.step().expect("readable") == CompactStep::More {}
    while drain.step().expect("written").more {}
}

fn number(word: &str) -> i64 {
    word.parse().expect("a number")
}

/// `~` is a zero byte, `""` is nothing, `V*100` is one hundred V.
fn text(word: &str) -> Bytes {
    if let Some((letter, times)) = word.split_once('*') {
        return letter.repeat(number(times) as usize).into();
    }
    word.trim_matches('"').replace('~', "\0").into()
}

fn create(key: &str, rest: &[&str]) -> Create {
    let mut create = Create {
        watch_id: 0,
        range: KeyRange::Key(text(key)),
        start_revision: 0,
        progress_notify: false,
        no_put: false,
        no_delete: false,
        prev_kv: false,
        fragment: false,
    };
    for word in rest {
        match word.split_once('=') {
            Some(("from", n)) => create.start_revision = number(n),
            Some(("id", n)) => create.watch_id = number(n),
            _ => match *word {
                "prev" => create.prev_kv = true,
                "notify" => create.progress_notify = true,
                "noput" => create.no_put = true,
                "nodelete" => create.no_delete = true,
                "fragment" => create.fragment = true,
                end => create.range = KeyRange::new(text(key), text(end)),
            },
        }
    }
    create
}

/// As the same response of etcd would be written down.
pub(super) fn show(output: &Output) -> String {
    match output {
        Output::Created { watch_id, revision } => format!("{watch_id} @{revision} created"),
        Output::Progress { watch_id, revision } => format!("{watch_id} @{revision}"),
        Output::Canceled { watch_id, revision, compact_revision, reason, created } => {
            let mut line = format!("{watch_id} @{revision}");
            line += if *created { " created" } else { "" };
            line += " canceled";
            if *compact_revision != 0 {
                write!(line, " compacted at {compact_revision}").expect("text");
            }
            if reason.is_empty() { line } else { format!("{line}: {reason}") }
        }
        Output::Events { watch_id, revision, events, fragment } => {
            let events: Vec<_> = events.iter().map(|bytes| show_event(bytes)).collect();
            let more = if *fragment { " .." } else { "" };
            format!("{watch_id} @{revision} {}{more}", events.join(" "))
        }
    }
}

pub(super) fn show_event(bytes: &[u8]) -> String {
    let event = mvccpb::Event::decode(bytes).expect("an event");
    let kv = event.kv.expect("every event has its pair");
    let value = |value: &[u8]| match value.len() {
        0..=8 => String::from_utf8_lossy(value).into_owned(),
        bytes => format!("<{bytes}>"),
    };
    let key = String::from_utf8_lossy(&kv.key).replace('\0', "~");
    let previous = event.prev_kv.map_or(String::new(), |old| {
        assert_eq!(old.key, kv.key);
        format!(" was {}@{}", value(&old.value), old.mod_revision)
    });
    match event.r#type {
        1 => {
            assert_eq!((kv.create_revision, kv.version, kv.value.len()), (0, 0, 0));
            format!("[-{key} m{}{previous}]", kv.mod_revision)
        }
        _ => format!(
            "[{key}={} c{} m{} v{}{previous}]",
            value(&kv.value),
            kv.create_revision,
            kv.mod_revision,
            kv.version
        ),
    }
}
