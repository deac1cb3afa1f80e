//! What a seed decides before anything happens: sizes, speeds, and what may go wrong.

use ketch_env::sim::SimRng;

use super::faults::Kind;

/// Millionths of a second in a millisecond.
pub(crate) const MS: u64 = 1_000;
/// And in a second.
pub(crate) const SECOND: u64 = 1_000 * MS;

/// The nature of one world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) members: usize,
    /// Election timeouts are ten to twenty of these.
    pub(crate) tick_us: u64,
    /// Ticks that a start takes for having passed already.
    pub(crate) advance: u32,
    pub(crate) pre_vote: bool,
    pub(crate) stall_ticks: u32,
    pub(crate) message_bytes: usize,
    pub(crate) inflight_messages: usize,
    pub(crate) snapshot_count: u64,
    pub(crate) catchup: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) drain_us: u64,
    /// A write with its sync takes one to two of these.
    pub(crate) disk_us: u64,
    /// Messages take one to two of these.
    pub(crate) flight_us: u64,
    /// Messages of a thousand that are lost while faults last.
    pub(crate) loss: u64,
    /// Messages of a thousand that come twice while faults last.
    pub(crate) doubling: u64,
    /// Messages of a thousand that are much too late while faults last.
    pub(crate) late: u64,
    pub(crate) keys: u64,
    pub(crate) writers: u64,
    pub(crate) lessees: u64,
    pub(crate) watches: u64,
    pub(crate) compacts: bool,
    /// Clients rest up to this long between two calls.
    pub(crate) think_us: u64,
    /// How long things go wrong.
    pub(crate) storm_us: u64,
    /// How long clients go on after that.
    pub(crate) calm_us: u64,
    /// Time between two faults, at most twice this.
    pub(crate) gap_us: u64,
    pub(crate) faults: Vec<Kind>,
    /// Bytes of a watch stream's queue at which its watches fall behind.
    pub(crate) watch_queue_bytes: usize,
    /// There are users and roles; an unused token lives so long.
    pub(crate) token_ttl_ms: Option<u64>,
}

fn pick<T: Copy>(rng: &mut SimRng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}

impl Plan {
    pub(crate) fn draw(rng: &mut SimRng) -> Self {
        let faults = Kind::ALL.iter().copied().filter(|_| rng.once_in(2)).collect();
        let calm_seed = rng.once_in(20);
        Self {
            members: pick(rng, &[1, 3, 3, 3, 3, 3, 3, 5, 5]),
            tick_us: pick(rng, &[50, 100, 100]) * MS,
            advance: pick(rng, &[0, 0, 8]),
            pre_vote: !rng.once_in(5),
            stall_ticks: pick(rng, &[0, 10, 10]),
            message_bytes: pick(rng, &[1, 1, 300, 4_000, 512 * 1024]),
            inflight_messages: pick(rng, &[2, 8, 512]),
            snapshot_count: pick(rng, &[20, 60, 200, 1_000]),
            catchup: pick(rng, &[3, 20, 100, 500]),
            segment_bytes: pick(rng, &[16, 64, 256]) * 1024,
            drain_us: pick(rng, &[100, 200, 500]) * MS,
            disk_us: pick(rng, &[100, 500, 2_000]),
            flight_us: pick(rng, &[50, 300, 2_000]),
            loss: pick(rng, &[0, 0, 5, 30, 100]),
            doubling: pick(rng, &[0, 5, 50]),
            late: pick(rng, &[0, 10, 100]),
            keys: pick(rng, &[2, 5, 12]),
            writers: 2 + rng.below(5),
            lessees: rng.below(3),
            watches: rng.below(5),
            compacts: !rng.once_in(3),
            think_us: pick(rng, &[20, 100, 300]) * MS,
            storm_us: (8 + rng.below(22)) * SECOND,
            calm_us: 6 * SECOND,
            gap_us: pick(rng, &[300, 1_000, 2_500]) * MS,
            faults: if calm_seed { Vec::new() } else { faults },
            watch_queue_bytes: pick(rng, &[300, 4_000, 64 * 1024]),
            token_ttl_ms: rng.once_in(3).then(|| pick(rng, &[300_000, 300_000, 2_500])),
        }
    }
}
