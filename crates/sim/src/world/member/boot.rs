//! The start of a member: from its disk, as the server does it.

use std::path::Path;
use std::sync::Arc;

use ketch_apply::{Config as MachineConfig, Machine, Member, RequestIds, cluster_id};
use ketch_backend::Backend;
use ketch_base::{ClusterId, Index, MemberId};
use ketch_env::Disk;
use ketch_env::sim::{Fault, SimDisk, SimRng};
use ketch_mvcc::watch::{Config as HubConfig, Hub};
use ketch_node::recover::{self, Begin, Founder, Founding, Kept};
use ketch_node::{ApplyWorker, LogWorker, Node, RaftConfig, Settings, install};
use ketch_raft_proto::raftpb::HardState;
use ketch_wal::Config as LogConfig;

use super::{Life, Seat, Standing};
use crate::fact::{EntryMark, Fact};
use crate::world::happening::{What, Work};
use crate::world::plan::{MS, Plan};
use crate::world::{Place, World};

pub(crate) const SNAP: &str = "/member/snap";
pub(crate) const DATABASE: &str = "/member/snap/ketch.redb";
pub(crate) const WAL: &str = "/member/wal";
/// Enough for the small databases here.
const CACHE_BYTES: usize = 1024 * 1024;
/// The wall clock of the first start of all, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// A life, and what was found at its start.
struct Born {
    life: Life,
    recovered: Fact,
    first: bool,
}

/// What a start depends on beside the disk.
struct Birth<'a> {
    seat: &'a Seat,
    plan: &'a Plan,
    seed: u64,
    wall_ms: u64,
}

impl Seat {
    fn new(id: MemberId, begin: Begin, standing: Standing, rng: &mut SimRng, plan: &Plan) -> Self {
        let tick_us = plan.tick_us * (9_900 + rng.below(200)) / 10_000;
        Self {
            id,
            begin,
            disk: SimDisk::new(rng.below(u64::MAX)),
            standing,
            lives: 0,
            life: None,
            paused_until_us: 0,
            stalled_until_us: 0,
            slowness: 1,
            damaged: false,
            failing: false,
            refused: false,
            clock_ms: rng.below(100_000),
            tick_us,
        }
    }
}

/// The peer URL of a member.
pub(crate) fn url(id: MemberId) -> String {
    format!("http://member-{id}:2380")
}

/// What a member's row says of it.
pub(crate) fn card(id: MemberId, is_learner: bool) -> Member {
    Member { id, peer_urls: vec![url(id)], is_learner, ..Member::default() }
}

impl World {
    /// The founding members.
    pub(crate) fn found(&mut self) {
        let ids: Vec<MemberId> = (1..=self.plan.members as u64).map(MemberId).collect();
        let cluster = cluster_id(&ids);
        let founder =
            |id: &MemberId| Founder { id: *id, context: card(*id, false).context_json(None) };
        let founders: Vec<Founder> = ids.iter().map(founder).collect();
        for id in ids {
            let founding = Founding { member: id, cluster, founders: founders.clone() };
            let begin = Begin::Found(founding);
            let seat = Seat::new(id, begin, Standing::Wanted, &mut self.rng, &self.plan);
            self.seats.push(seat);
            let slot = self.seats.len() - 1;
            let delay_us = self.rng.below(100 * MS);
            self.after(delay_us, What::Start(slot));
        }
    }

    /// A seat for a member that will join.
    pub(crate) fn new_seat(&mut self) -> usize {
        let id = MemberId(self.seats.len() as u64 + 1);
        let begin = Begin::Join { member: id, cluster: self.cluster() };
        let seat = Seat::new(id, begin, Standing::Awaited, &mut self.rng, &self.plan);
        self.seats.push(seat);
        self.seats.len() - 1
    }

    fn cluster(&self) -> ClusterId {
        match &self.seats[0].begin {
            Begin::Found(founding) => founding.cluster,
            Begin::Join { cluster, .. } => *cluster,
        }
    }

    /// Starts a member, if it should run and does not.
    pub(crate) fn start(&mut self, slot: usize) {
        let seat = &self.seats[slot];
        if seat.standing != Standing::Wanted || seat.life.is_some() || seat.refused {
            return;
        }
        // The wall clock need not go forward.
        let wall_ms = EPOCH_MS + self.now_ms() + self.rng.below(5_000);
        let seed = self.rng.below(u64::MAX);
        let fails = !self.network.calm && self.rng.once_in(8);
        if fails {
            self.fail_at_start(slot);
        }
        let birth = Birth { seat: &self.seats[slot], plan: &self.plan, seed, wall_ms };
        match birth.take_place() {
            Ok(born) => self.begin_life(slot, born, fails),
            Err(_) if fails => self.die_at_start(slot),
            Err(why) => self.refuse_to_start(slot, why),
        }
    }

    /// The power will go while it starts, or soon after.
    fn fail_at_start(&mut self, slot: usize) {
        let disk = &self.seats[slot].disk;
        if self.rng.once_in(2) {
            disk.fail_sync_after(self.rng.below(8), Fault::Io);
        } else {
            disk.fail_write_after(self.rng.below(20), Fault::Io);
        }
    }

    fn die_at_start(&mut self, slot: usize) {
        self.recorder.count("crash at a start");
        self.seats[slot].disk.crash();
        let delay_us = self.rng.below(1_000 * MS);
        self.after(delay_us, What::Start(slot));
    }

    fn begin_life(&mut self, slot: usize, born: Born, fails: bool) {
        let seat = &mut self.seats[slot];
        let member = seat.id;
        seat.lives += 1;
        seat.failing = fails;
        seat.life = Some(Box::new(born.life));
        self.note(Fact::Started { member, first: born.first });
        self.note(born.recovered);
        self.note_rights(slot);
        let tick_us = self.seats[slot].tick_us;
        let first_tick_us = self.rng.below(tick_us);
        self.later(slot, first_tick_us, Work::Tick);
        let plan = self.plan.clone();
        let first_drain_us = self.rng.below(plan.drain_us);
        self.later(slot, first_drain_us, Work::Drain);
        self.later(slot, 100 * MS, Work::Compact);
        self.later(slot, 500 * MS, Work::Leases);
        self.later(slot, 2_000 * MS, Work::Progress);
        self.post_nothing(slot);
    }

    fn refuse_to_start(&mut self, slot: usize, why: String) {
        let seat = &mut self.seats[slot];
        let (member, damaged) = (seat.id, seat.damaged);
        seat.refused = true;
        self.recorder.count("start refused");
        self.note(Fact::Halted { member, why: format!("refuses to start: {why}") });
        if damaged {
            // Whoever runs the cluster sees it, and has it replaced.
            self.replace(slot);
        } else {
            self.violate(format!("member {member} refuses to start on a sound disk: {why}"));
        }
    }

    pub(crate) fn place(&self, slot: usize) -> Place {
        Place { slot, life: self.seats[slot].lives }
    }
}

impl Birth<'_> {
    fn take_place(&self) -> Result<Born, String> {
        let disk: Arc<dyn Disk> = Arc::new(self.seat.disk.clone());
        let told = |error: &dyn std::fmt::Display| error.to_string();
        disk.create_dir_all(Path::new(SNAP)).map_err(|error| told(&error))?;
        let config = ketch_backend::Config { cache_bytes: CACHE_BYTES };
        let (backend, mut drain) = Backend::open(Arc::clone(&disk), Path::new(DATABASE), config)
            .map_err(|error| told(&error))?;
        if let Some((index, path)) = install::pending(&*disk, Path::new(SNAP))
            && index > backend.durable().index
        {
            drain.install(&path).map_err(|error| told(&error))?;
        }
        install::sweep(&*disk, Path::new(SNAP)).map_err(|error| told(&error))?;
        let log = recover::open(
            &disk,
            Path::new(WAL),
            LogConfig { segment_bytes: self.plan.segment_bytes, ..LogConfig::default() },
            Some(&self.seat.begin),
            backend.durable().index,
            self.plan.catchup,
        );
        let log = log.map_err(|error| told(&error))?;
        let first = log.is_new;
        let machine =
            Machine::open(backend.clone(), self.machine_config()).map_err(|error| told(&error))?;
        let (index, term) = machine.applied();
        let conf_state = machine.conf_state().clone();
        let started = log.join(Kept { index, term, conf_state }).map_err(|error| told(&error))?;
        let recovered = recovered(self.seat.id, &started.restored);
        let hard_state = started.restored.hard_state;
        let ids = RequestIds::new(self.seat.id, self.wall_ms);
        let node = Node::start(
            self.raft_config(),
            self.settings(ids.next().0),
            started.restored,
            started.marked,
        );
        let mut node = node.map_err(|error| told(&error))?;
        if !first {
            node.advance(self.plan.advance);
        }
        let log = LogWorker::new(started.writer);
        let preparer = log.preparer();
        let mut life = self.life(machine, backend, drain, node, log, ids);
        life.preparer = Some(preparer);
        life.hard_state = hard_state;
        Ok(Born { life, recovered, first })
    }

    fn life(
        &self,
        machine: Machine,
        backend: Backend,
        drain: ketch_backend::Drain,
        node: Node,
        log: LogWorker,
        ids: RequestIds,
    ) -> Life {
        let reader = machine.reader();
        let auth = machine.auth();
        if let Some(ttl_ms) = self.plan.token_ttl_ms {
            auth.tokens().set_ttl_ms(ttl_ms);
        }
        let hub = HubConfig {
            stream_queue_bytes: self.plan.watch_queue_bytes,
            catch_up_revisions: 20,
            ..HubConfig::default()
        };
        Life {
            hub: Hub::new(reader.clone(), hub),
            compactor: reader.compactor(),
            lessor: machine.lessor(),
            auth,
            shared: machine.shared(),
            applied: machine.applied().0,
            apply: ApplyWorker::new(machine),
            reader,
            node,
            log,
            drain,
            backend,
            ids,
            events: Vec::new(),
            turn_due: false,
            preparer: None,
            hard_state: HardState::default(),
            log_jobs: Vec::new(),
            writing: Vec::new(),
            tasks: Default::default(),
            applying: false,
            watch_jobs: Default::default(),
            watch_due: false,
            streams: Default::default(),
            told: Default::default(),
            waiters: Default::default(),
            logins: Default::default(),
            reads: Default::default(),
            unapplied: Vec::new(),
            next_token: 1,
            leads: false,
            reclaiming: false,
        }
    }

    fn machine_config(&self) -> MachineConfig {
        let tick_ms = self.plan.tick_us / MS;
        MachineConfig {
            local: self.seat.id,
            lease: ketch_lease::Config::for_election(10, tick_ms),
            learners_max: 1,
            ..MachineConfig::default()
        }
    }

    fn raft_config(&self) -> RaftConfig {
        RaftConfig {
            pre_vote: self.plan.pre_vote,
            stall_ticks: self.plan.stall_ticks,
            max_message_bytes: self.plan.message_bytes,
            max_inflight_messages: self.plan.inflight_messages,
            ..RaftConfig::new(self.seat.id, self.seed)
        }
    }

    fn settings(&self, first_question: u64) -> Settings {
        Settings {
            snapshot_count_entries: self.plan.snapshot_count,
            catchup_entries: self.plan.catchup,
            first_question,
            ..Settings::default()
        }
    }
}

fn recovered(member: MemberId, restored: &ketch_raft::Restored) -> Fact {
    let state = restored.hard_state;
    Fact::Recovered {
        member,
        before: Index(restored.before.index),
        entries: restored.entries.iter().map(EntryMark::of).collect(),
        term: ketch_base::Term(state.term()),
        vote: MemberId(state.vote()),
        commit: Index(state.commit()),
        applied: restored.applied,
    }
}
