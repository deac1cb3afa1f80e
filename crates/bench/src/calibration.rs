//! Whether the machine kept still during a run: short probes before and after it, and what others
//! took of it meanwhile.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process;

/// More change of a probe than this, between before a run and after it, spoils the run.
const LOOP_CHANGE_MAX: f64 = 0.2;
/// A sync of a tenth of a millisecond moves by a third from one moment to the next on a machine
/// that does nothing else.
const SYNC_CHANGE_MAX: f64 = 0.5;
/// So much of the processors taken by others during a run spoils it, too.
const OTHERS_MAX: f64 = 0.1;
/// The probe has several goes, for what a server writes behind its last answers hits some of them;
/// the best go counts.
const GOES: usize = 6;
const PAUSE: Duration = Duration::from_millis(15);
const SYNCS: usize = 15;
const LOOPS: usize = 2;

/// A put of the table in the log: key, value and what stands around them.
pub(crate) const LOG_RECORD_BYTES: usize = 320;
const BLOCK_BYTES: usize = 4096;
/// Zeroes of a sync probe's file.
const PREPARED_BYTES: usize = 1 << 20;

/// One look at the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration {
    /// A fixed loop of arithmetic, microseconds.
    pub(crate) loop_us: f64,
    /// A small write into a prepared file, and its fdatasync, microseconds.
    pub(crate) sync_us: f64,
    at: Instant,
    /// Time the host took from us since boot, in ticks of the processor clock.
    steal_ticks: f64,
    /// User time since boot of everybody but this process and the servers.
    others_ticks: f64,
    load_average: f64,
}

impl Calibration {
    /// Takes about 100 ms. `servers` are the processes that run for us now.
    pub(crate) fn take(directory: &Path, servers: &[u32]) -> Result<Self> {
        let mut probe = SyncProbe::new(directory)?;
        let (mut loop_us, mut sync_us) = (f64::INFINITY, f64::INFINITY);
        for go in 0..GOES {
            if go > 0 {
                std::thread::sleep(PAUSE);
            }
            loop_us = (0..LOOPS).map(|_| arithmetic_us()).fold(loop_us, f64::min);
            sync_us = sync_us.min(probe.median_us(LOG_RECORD_BYTES, SYNCS)?);
        }
        let [user, steal] = processor_ticks();
        Ok(Self {
            loop_us,
            sync_us,
            at: Instant::now(),
            steal_ticks: steal,
            others_ticks: user - process::family_user_ticks(servers),
            load_average: load_average(),
        })
    }

    /// Why the time from here to `after` cannot be counted on, if so.
    pub(crate) fn moved(&self, after: &Self) -> Option<String> {
        let change = |a: f64, b: f64| (a / b).max(b / a) - 1.0;
        let [others, steal] = self.taken(after);
        let found = [
            ("others had", others, OTHERS_MAX),
            ("the host took", steal, OTHERS_MAX),
            ("arithmetic changed by", change(self.loop_us, after.loop_us), LOOP_CHANGE_MAX),
            ("fdatasync changed by", change(self.sync_us, after.sync_us), SYNC_CHANGE_MAX),
        ];
        let bad = found.into_iter().find(|(_, value, max)| value > max);
        bad.map(|(what, value, _)| format!("{what} {:.0} %", value * 100.0))
    }

    /// Parts of the processors that other processes and the host had.
    fn taken(&self, after: &Self) -> [f64; 2] {
        let seconds = (after.at - self.at).as_secs_f64();
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let all = seconds * cores * rustix::param::clock_ticks_per_second() as f64;
        // One clock samples and the other adds up, so little may come out as less than nothing.
        [after.others_ticks - self.others_ticks, after.steal_ticks - self.steal_ticks]
            .map(|ticks| ticks.max(0.0) / all.max(1.0))
    }

    /// Both ends of a run, for machines.
    pub(crate) fn json(&self, after: &Self) -> serde_json::Value {
        let [others, steal] = self.taken(after);
        serde_json::json!({
            "loop_us": [self.loop_us, after.loop_us],
            "sync_us": [self.sync_us, after.sync_us],
            "load_average": [self.load_average, after.load_average],
            "others_part": others,
            "stolen_part": steal,
        })
    }
}

/// Writes as a log does: forward in a file whose bytes are there already, so that a sync has no
/// metadata to carry.
pub(crate) struct SyncProbe {
    file: File,
    at: usize,
}

impl SyncProbe {
    /// An unnamed file in this directory.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        file.write_all_at(&vec![0; PREPARED_BYTES], 0)?;
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Microseconds of one write and its fdatasync. Whole blocks are written, the last one again
    /// until it is full: a part of one would cost more.
    pub(crate) fn once_us(&mut self, bytes: usize) -> Result<f64> {
        if self.at + bytes > PREPARED_BYTES {
            self.at = 0;
        }
        let from = self.at / BLOCK_BYTES * BLOCK_BYTES;
        self.at += bytes;
        let block = vec![0x5a; self.at.next_multiple_of(BLOCK_BYTES) - from];
        let since = Instant::now();
        self.file.write_all_at(&block, from as u64)?;
        self.file.sync_data()?;
        Ok(since.elapsed().as_secs_f64() * 1e6)
    }

    /// The median of a row of them.
    pub(crate) fn median_us(&mut self, bytes: usize, times: usize) -> Result<f64> {
        let mut taken = (0..times).map(|_| self.once_us(bytes)).collect::<Result<Vec<_>>>()?;
        taken.sort_by(f64::total_cmp);
        Ok(taken[times / 2])
    }
}

fn arithmetic_us() -> f64 {
    let since = Instant::now();
    let mut state = 1_u64;
    for _ in 0..1_000_000 {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(state);
    since.elapsed().as_secs_f64() * 1e6
}

/// User time, nice or not, and stolen time of all processors since boot.
fn processor_ticks() -> [f64; 2] {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0.0);
    [field(0) + field(1), field(7)]
}

/// Of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
impl Calibration {
    /// A machine on which nothing moves.
    pub(crate) fn still(at: Instant) -> Self {
        let (loop_us, sync_us) = (800.0, 100.0);
        Self { loop_us, sync_us, at, steal_ticks: 0.0, others_ticks: 0.0, load_average: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_moved() {
        let before = Calibration::still(Instant::now());
        let after = Calibration::still(before.at + Duration::from_secs(1));
        assert_eq!(before.moved(&after), None);
        let slower = Calibration { sync_us: 180.0, ..after };
        assert_eq!(before.moved(&slower).as_deref(), Some("fdatasync changed by 80 %"));
        let crowded = Calibration { others_ticks: 1e6, ..after };
        assert!(before.moved(&crowded).is_some_and(|why| why.starts_with("others had")));
    }
}
