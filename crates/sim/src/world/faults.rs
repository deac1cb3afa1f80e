//! What goes wrong, and when; and whoever runs the cluster, who changes it.

mod disk;
mod machine;
mod operator;
mod ways;

use super::World;
use super::ending::Phase;
use super::happening::What;
pub(crate) use operator::Operator;

/// A kind of fault; a seed has some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Crash,
    CrashAll,
    Restart,
    Partition,
    Isolation,
    OneWay,
    Coups,
    Pause,
    SlowDisk,
    StalledDisk,
    DiskError,
    FullDisk,
    BitFlip,
    ClockJump,
    Transfer,
    Membership,
    Reclaim,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Crash => "fault: crash",
            Self::CrashAll => "fault: crash of all",
            Self::Restart => "fault: restart",
            Self::Partition => "fault: partition",
            Self::Isolation => "fault: isolation",
            Self::OneWay => "fault: one-way cut",
            Self::Coups => "fault: coups",
            Self::Pause => "fault: pause",
            Self::SlowDisk => "fault: slow disk",
            Self::StalledDisk => "fault: stalled disk",
            Self::DiskError => "fault: disk error",
            Self::FullDisk => "fault: full disk",
            Self::BitFlip => "fault: bit flip",
            Self::ClockJump => "fault: clock jump",
            Self::Transfer => "fault: transfer",
            Self::Membership => "fault: membership",
            Self::Reclaim => "fault: reclaim",
        }
    }

    pub(crate) const ALL: &'static [Self] = &[
        Self::Crash,
        Self::CrashAll,
        Self::Restart,
        Self::Partition,
        Self::Isolation,
        Self::OneWay,
        Self::Coups,
        Self::Pause,
        Self::SlowDisk,
        Self::StalledDisk,
        Self::DiskError,
        Self::FullDisk,
        Self::BitFlip,
        Self::ClockJump,
        Self::Transfer,
        Self::Membership,
        Self::Reclaim,
    ];
}

/// A fault begins or ends.
pub(crate) enum Trouble {
    /// Some fault of the seed's kinds.
    Any,
    /// The ways are open again, if nobody closed them since.
    Mend { round: u64 },
    /// A new leader is cut off.
    Coup(usize),
    /// A disk is as fast as ever.
    Fast(usize),
}

impl World {
    /// Plans the first fault.
    pub(crate) fn first_trouble(&mut self) {
        self.after(super::plan::SECOND, What::Operator);
        if !self.plan.faults.is_empty() {
            let delay_us = super::plan::SECOND + self.rng.below(self.plan.gap_us);
            self.after(delay_us, What::Trouble(Trouble::Any));
        }
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        if self.phase != Phase::Storm {
            return;
        }
        match trouble {
            Trouble::Any => {
                let number = self.rng.below(self.plan.faults.len() as u64) as usize;
                let kind = self.plan.faults[number];
                self.begin(kind);
                let delay_us = self.rng.below(2 * self.plan.gap_us);
                self.after(delay_us, What::Trouble(Trouble::Any));
            }
            Trouble::Mend { round } => self.mend(round),
            Trouble::Coup(slot) => self.coup(slot),
            Trouble::Fast(slot) => self.seats[slot].slowness = 1,
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.recorder.count(kind.name());
        match kind {
            Kind::Crash => self.crash_one(),
            Kind::CrashAll => self.crash_all(),
            Kind::Restart => self.restart(),
            Kind::Partition => self.partition(),
            Kind::Isolation => self.isolate(),
            Kind::OneWay => self.cut_one_way(),
            Kind::Coups => self.begin_coups(),
            Kind::Pause => self.pause_one(),
            Kind::SlowDisk => self.slow_disk(),
            Kind::StalledDisk => self.stall_disk(),
            Kind::DiskError => self.fail_disk(ketch_env::sim::Fault::Io),
            Kind::FullDisk => self.fail_disk(ketch_env::sim::Fault::NoSpace),
            Kind::BitFlip => self.flip_bits(),
            Kind::ClockJump => self.jump_clock(),
            Kind::Transfer => self.transfer(),
            Kind::Membership => self.change_members(),
            Kind::Reclaim => self.reclaim(),
        }
    }
}
