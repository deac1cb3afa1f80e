//! The end of a run: faults stop, clients go home, everything comes to rest and is looked at.

use bytes::Bytes;
use ketch_base::KeyRange;
use ketch_mvcc::Reader;
use ketch_mvcc::watch::{Config as HubConfig, Create, Hub, Output};
use ketch_proto::mvccpb::Event;
use prost::Message;

use super::World;
use super::happening::What;
use super::member::Standing;
use super::plan::{MS, SECOND};
use crate::fact::Fact;

/// Simulated time after which everything must be at rest once the clients are gone.
const REST_US: u64 = 60 * SECOND;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Things go wrong.
    Storm,
    /// Nothing fails any more; clients go on.
    Calm,
    /// No new calls.
    Evening,
    /// The last facts are told.
    Over,
}

impl World {
    /// The faults end: everything that was broken is mended.
    pub(crate) fn calm(&mut self) {
        self.phase = Phase::Calm;
        self.network.mend();
        self.network.calm = true;
        for slot in 0..self.seats.len() {
            let seat = &mut self.seats[slot];
            seat.stalled_until_us = 0;
            seat.paused_until_us = 0;
            seat.slowness = 1;
            if seat.failing {
                // Its disk is mended with a restart.
                self.crash(slot, false);
            }
            if self.seats[slot].damaged && self.seats[slot].standing == Standing::Wanted {
                self.replace(slot);
            }
            self.after(self.now_us % 100, What::Start(slot));
        }
        self.note(Fact::FaultsEnded);
        self.after(self.plan.calm_us, What::Evening);
    }

    /// No new calls; those that are out are waited for.
    pub(crate) fn evening(&mut self) {
        // A cluster that finds no leader for long is given the time in which it must: the check of
        // liveness says whether it took too long.
        let since_us = self.now_us - self.plan.storm_us;
        if self.calm_puts == 0 && since_us < REST_US {
            self.after(SECOND, What::Evening);
            return;
        }
        self.phase = Phase::Evening;
        self.operator.deadline_us = self.now_us + REST_US;
        self.after(200 * MS, What::Rest);
    }

    /// Looks whether everything is still, and then at what it has become.
    pub(crate) fn rest(&mut self) {
        match self.unrest() {
            None => self.last_facts(),
            Some(why) if self.now_us > self.operator.deadline_us => {
                self.violate(format!("the cluster does not come to rest: {why}"));
            }
            Some(_) => self.after(200 * MS, What::Rest),
        }
    }

    /// What still moves.
    fn unrest(&self) -> Option<String> {
        if !self.all_answered() {
            return Some("calls are out".to_string());
        }
        if !self.operator.is_idle() {
            return Some(format!("the operator is busy: {}", self.operator.describe()));
        }
        let mut places = Vec::new();
        for seat in self.seats.iter().filter(|seat| seat.standing == Standing::Wanted) {
            let Some(life) = &seat.life else {
                return Some(format!("member {} is down", seat.id));
            };
            let status = life.node.status();
            if !life.tasks.is_empty() || life.applying || status.last.index != life.applied.0 {
                return Some(format!("member {} is at work: {status:?}", seat.id));
            }
            if life.lessor.is_primary() && !life.lessor.is_empty() {
                return Some("leases run".to_string());
            }
            places.push(life.applied);
        }
        if places.windows(2).any(|pair| pair[0] != pair[1]) {
            let leader = self.leader().and_then(|slot| self.seats[slot].life.as_ref());
            let peers = leader.map(|leader| leader.node.peers());
            return Some(format!("members are apart: {places:?}; the leader sees {peers:?}"));
        }
        if self.leader().is_none() {
            return Some("nobody leads".to_string());
        }
        match self.watches_at_rest() {
            Some(_) => None,
            None => Some("watches are not told everything".to_string()),
        }
    }

    fn last_facts(&mut self) {
        for slot in 0..self.seats.len() {
            if let Err(why) = self.member_at_rest(slot) {
                self.violate(format!("member {}: {why}", self.seats[slot].id));
            }
        }
        for (watch, revision) in self.watches_at_rest().unwrap_or_default() {
            self.note(Fact::WatchAtRest { watch, revision });
        }
        self.phase = Phase::Over;
    }

    fn member_at_rest(&mut self, slot: usize) -> Result<(), ketch_mvcc::Error> {
        let member = self.seats[slot].id;
        let Some(life) = &self.seats[slot].life else { return Ok(()) };
        let (applied, reader) = (life.applied, life.reader.clone());
        let hash = reader.hash_kv(0)?.hash;
        let compacted = reader.compact_revision();
        let revision = reader.revision();
        self.note(Fact::AtRest { member, applied, revision, compacted, hash });
        self.note_rights(slot);
        let events = kept(&reader)?;
        self.note(Fact::Kept { member, compacted, events });
        Ok(())
    }
}

/// All events that a member still has.
fn kept(reader: &Reader) -> Result<Vec<Event>, ketch_mvcc::Error> {
    let config = HubConfig { stream_queue_bytes: usize::MAX, ..HubConfig::default() };
    let mut hub = Hub::new(reader.clone(), config);
    let stream = hub.open_stream();
    hub.create(
        stream,
        Create {
            watch_id: 0,
            range: KeyRange::new(Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
            start_revision: reader.compact_revision().max(0) + 1,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        },
    );
    while hub.catch_up()? {}
    let mut events = Vec::new();
    for output in hub.take(stream, usize::MAX) {
        if let Output::Events { events: told, .. } = output {
            events.extend(told.into_iter().filter_map(|event| Event::decode(event).ok()));
        }
    }
    Ok(events)
}
