//! How long and how much.

use std::time::Duration;

/// Durations and sizes of all cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Rows that single-key reads draw from.
    pub(crate) rows: u64,
    /// Keys of the cells about a million keys.
    pub(crate) million: u64,
    /// Leaders to kill.
    pub(crate) failovers: u64,
    /// Rows of 10 KB in the large list.
    pub(crate) list_rows: u64,
    /// Watchers of one key each.
    pub(crate) single_watchers: u64,
    /// Events to fan out in the saturated part.
    pub(crate) fan_out_events: u64,
    /// Events in the history that is replayed to each watcher.
    pub(crate) replayed: u64,
    pub(crate) leases: u64,
    /// Revisions to compact.
    pub(crate) history: u64,
    pub(crate) overload: Duration,
    pub(crate) storm: Duration,
    /// Pairs of runs, twice of this: ketch, etcd, etcd, ketch.
    pub(crate) rounds: usize,
    /// Long cells run once on each, without the way back.
    pub(crate) heavy_once: bool,
    /// Cells with twice as many runs as that, for their figures are near their bars.
    pub(crate) twice: &'static [&'static str],
}

/// The cells that the table of bars is made of, and those of the pictures.
pub(crate) const BAR_CELLS: &[&str] = &[
    "P1", "P2a", "P2b", "P2r", "S4", "S2", "R1b", "R1c", "R2b", "R2c", "R4", "R5", "M1", "W1",
    "W3", "L1", "C1", "C2", "R6", "S3", "S3r", "S1", "S2v", "F2",
];

impl Scale {
    /// All cells in ten minutes.
    pub(crate) const QUICK: Self = Self {
        warm_up: Duration::from_millis(250),
        measured: Duration::from_millis(750),
        rows: 50_000,
        million: 200_000,
        failovers: 3,
        list_rows: 10_000,
        single_watchers: 20_000,
        fan_out_events: 200_000,
        replayed: 5_000,
        leases: 2_000,
        history: 100_000,
        overload: Duration::from_secs(4),
        storm: Duration::from_secs(3),
        rounds: 1,
        heavy_once: true,
        twice: &[],
    };

    /// [`BAR_CELLS`] at the sizes that the bars name, in less than 25 minutes.
    pub(crate) const BARS: Self = Self {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_millis(2500),
        rows: 1_000_000,
        list_rows: 100_000,
        overload: Duration::from_secs(30),
        rounds: 1,
        heavy_once: true,
        twice: &["P1", "P2a", "P2b", "W1", "W3"],
        ..Self::USUAL
    };

    /// Between the two.
    pub(crate) const USUAL: Self = Self {
        warm_up: Duration::from_secs(2),
        measured: Duration::from_secs(5),
        rows: 200_000,
        million: 1_000_000,
        failovers: 10,
        list_rows: 50_000,
        single_watchers: 200_000,
        fan_out_events: 2_000_000,
        replayed: 50_000,
        leases: 10_000,
        history: 1_000_000,
        overload: Duration::from_secs(15),
        storm: Duration::from_secs(10),
        rounds: 2,
        heavy_once: false,
        twice: &[],
    };

    /// As the matrix has it.
    pub(crate) const FULL: Self = Self {
        warm_up: Duration::from_secs(3),
        measured: Duration::from_secs(10),
        rows: 1_000_000,
        failovers: 20,
        list_rows: 150_000,
        single_watchers: 1_000_000,
        fan_out_events: 10_000_000,
        replayed: 200_000,
        leases: 100_000,
        overload: Duration::from_secs(30),
        storm: Duration::from_secs(30),
        rounds: 4,
        ..Self::USUAL
    };
}
