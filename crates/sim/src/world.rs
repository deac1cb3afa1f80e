//! A world: members, network, clients and faults, moved on by one queue.

mod clients;
mod ending;
mod faults;
mod happening;
mod member;
mod network;
mod plan;
mod queue;
mod recorder;

use std::collections::BTreeMap;

use ketch_base::MemberId;
use ketch_env::sim::SimRng;

use crate::fact::{CallId, Fact, Moment};
use clients::{Client, Passwords, Pending, Watcher};
use ending::Phase;
use faults::Operator;
use happening::{Place, What, Work};
use member::Seat;
use network::Network;
use plan::{MS, Plan};
use queue::Queue;
pub(crate) use recorder::Recorder;

/// Everything there is.
pub(crate) struct World {
    now_us: u64,
    rng: SimRng,
    plan: Plan,
    queue: Queue,
    network: Network,
    /// In order of birth; a slot is never used again.
    seats: Vec<Seat>,
    clients: Vec<Client>,
    pending: BTreeMap<CallId, Pending>,
    watchers: Vec<Watcher>,
    passwords: Passwords,
    /// Every token that an entry made.
    issued: Vec<String>,
    operator: Operator,
    phase: Phase,
    /// Puts that were answered since the faults ended.
    calm_puts: u64,
    next_call: u64,
    next_watch: u64,
    next_value: u64,
    pub(crate) recorder: Recorder,
}

impl World {
    /// The world of a seed, before anything happened.
    pub(crate) fn new(seed: u64, recorder: Recorder) -> Self {
        let mut rng = SimRng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x006b_6574_6368);
        let plan = Plan::draw(&mut rng);
        let mut world = Self {
            now_us: 0,
            rng,
            plan,
            queue: Queue::default(),
            network: Network::default(),
            seats: Vec::new(),
            clients: Vec::new(),
            pending: BTreeMap::new(),
            watchers: Vec::new(),
            passwords: Passwords::default(),
            issued: Vec::new(),
            operator: Operator::default(),
            phase: Phase::Storm,
            calm_puts: 0,
            next_call: 1,
            next_watch: 1,
            next_value: 1,
            recorder,
        };
        if let Some(token_ttl_ms) = world.plan.token_ttl_ms {
            world.note(Fact::Authentication { token_ttl_ms });
        }
        world.found();
        world.invite();
        world.first_trouble();
        world.after(world.plan.storm_us, What::Calm);
        world
    }

    /// Runs until everything is still at the end, or something is wrong.
    pub(crate) fn run(&mut self) {
        while self.phase != Phase::Over && !self.recorder.has_violation() {
            let Some((at_us, what)) = self.queue.pop() else { break };
            self.now_us = at_us;
            self.happen(what);
        }
        self.recorder.finish(self.moment());
    }

    /// What kind of world it is, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{:?}", self.plan)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us / MS
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Work(place, work) => self.work(place, work),
            What::Start(slot) => self.start(slot),
            What::Message { from, to, bytes } => self.arrive(from, to, bytes),
            What::Snapshot { from, to, parcel } => self.receive_snapshot(from, to, *parcel),
            What::Ask { slot, errand } => self.ask(slot, errand),
            What::Next(place, next) => self.next(place, next),
            What::Refused { by, to } => self.nobody_listens(by, to),
            What::Renew { slot, call, lease } => self.renew(slot, call, lease),
            What::Answer { call, outcome } => self.answered(call, outcome),
            What::Patience(call) => self.lose_patience(call),
            What::Client(client) => self.think(client),
            What::WatchOpen { slot, watch, epoch, create } => {
                self.watch_open(slot, watch, epoch, create);
            }
            What::WatchTold { from, watch, epoch, output } => {
                self.watch_told(from, watch, epoch, output);
            }
            What::WatchMove { watch, epoch } => self.watch_move(watch, epoch),
            What::Trouble(trouble) => self.trouble(trouble),
            What::Operator => self.operate(),
            What::Calm => self.calm(),
            What::Evening => self.evening(),
            What::Rest => self.rest(),
        }
    }

    fn moment(&self) -> Moment {
        Moment { ms: self.now_ms(), step: self.recorder.steps() }
    }

    fn note(&mut self, fact: Fact) {
        let ms = self.now_ms();
        self.recorder.note(ms, fact);
    }

    fn violate(&mut self, what: String) {
        let at = self.moment();
        self.recorder.violate(at, what);
    }

    fn after(&mut self, delay_us: u64, what: What) {
        self.queue.push(self.now_us + delay_us, what);
    }

    fn later(&mut self, slot: usize, delay_us: u64, work: Work) {
        let life = self.seats[slot].lives;
        self.after(delay_us, What::Work(Place { slot, life }, work));
    }

    fn slot_of(&self, id: u64) -> Option<usize> {
        self.seats.iter().position(|seat| seat.id == MemberId(id))
    }

    /// A random running member.
    fn someone(&mut self) -> Option<usize> {
        let running: Vec<usize> =
            (0..self.seats.len()).filter(|slot| self.seats[*slot].life.is_some()).collect();
        let count = running.len() as u64;
        (count > 0).then(|| running[self.rng.below(count) as usize])
    }

    fn leader(&self) -> Option<usize> {
        let leads = |slot: &usize| {
            let life = self.seats[*slot].life.as_ref()?;
            life.leads.then(|| life.node.status().term)
        };
        (0..self.seats.len()).filter(|slot| leads(slot).is_some()).max_by_key(leads)
    }
}
