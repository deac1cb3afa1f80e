//! How long a run will take, roughly, so that nobody waits in the dark.

use crate::cells::{Cell, Needs};
use crate::limit::Limit;
use crate::scale::Scale;

/// Start, probes around the run, stop.
const AROUND_S: f64 = 0.9;
/// Puts a second that fill a store, ketch and etcd.
const FILL_PER_SECOND: [f64; 2] = [65_000.0, 26_000.0];
/// Restarts, lists and the like with a million keys.
const PER_MILLION_S: [f64; 2] = [2.0, 9.0];

/// What a run of a cell takes beyond its start.
struct Cost {
    /// Warm-ups and measured times.
    warm_ups: f64,
    measured: f64,
    /// Puts of small rows.
    puts: f64,
    /// Seconds that no scale changes much.
    fixed_s: f64,
}

fn cost(cell: &Cell, scale: &Scale) -> Cost {
    let of = |warm_ups: f64, measured: f64, puts: u64, fixed_s: f64| Cost {
        warm_ups,
        measured,
        puts: puts as f64,
        fixed_s,
    };
    let overload_s = scale.overload.as_secs_f64();
    match cell.id {
        "P2r" => of(1.0, 13.0, 0, 0.0),
        "P3" => of(6.0, 6.0, 0, 5.0),
        "R4" => of(1.0, 4.0, 0, 1.0),
        "R3" => of(1.0, 1.0, scale.rows / 2, 0.0),
        "R5" => of(0.0, 0.0, scale.list_rows * 5, scale.list_rows as f64 / 5000.0),
        "T1" | "T2" => of(2.0, 2.0, 0, 1.0),
        "M1" => of(0.0, 9.0, scale.rows / 5, 1.0),
        "M2" => of(0.0, 6.0, 10_000, 0.0),
        "W1" => of(0.0, 8.0, scale.fan_out_events / 8, 1.0),
        "W2" => of(0.0, 2.0, scale.single_watchers, 0.0),
        "W3" => of(0.0, 2.0, 0, 0.5),
        "W4" => of(0.0, 2.0, scale.replayed * 5, 0.0),
        "L2" => of(0.0, 0.0, scale.leases * 4, 9.0),
        "C1" => of(0.0, 0.0, scale.history, 6.0),
        "C2" => of(0.0, 0.0, scale.million, 6.0),
        "S2v" => of(0.0, 0.0, scale.million, 4.0),
        "S2" => of(0.0, 0.0, 0, 2.0),
        "S3" => of(0.0, 0.0, 0, 3.0),
        "S3f" => of(0.0, 0.0, scale.million / 3, 6.0),
        "F1" => of(0.0, 0.0, 0, 2.5 * scale.failovers as f64),
        "F2" => of(1.0, 1.0, 0, overload_s * 2.1),
        "F3" => of(1.0, 0.0, 0, 5.0),
        "A1" => of(0.0, 0.0, 0, scale.storm.as_secs_f64() * 5.0),
        "A2" | "A3" => of(4.0, 4.0, 0, 4.0),
        "S4" | "R6" | "S1" | "S3r" => of(0.0, 0.0, 0, 0.0),
        _ => of(1.0, 1.0, 0, 0.0),
    }
}

/// Seconds of one turn: all cells of a batch on one program; `second` is etcd.
pub(crate) fn turn_s(batch: &[Cell], scale: &Scale, second: bool) -> f64 {
    let per_second = FILL_PER_SECOND[usize::from(second)];
    let fill = match batch[0].needs {
        Needs::Fresh { .. } => 0.0,
        Needs::Rows => scale.rows as f64 / per_second,
        Needs::Million => scale.million as f64 / per_second + 2.0,
    };
    let millions = scale.million as f64 / 1e6;
    let cells = batch.iter().map(|cell| {
        let cost = cost(cell, scale);
        let large = matches!(cell.id, "R4" | "R6" | "S1" | "S3" | "S3r");
        let extra = if large { PER_MILLION_S[usize::from(second)] * millions } else { 0.0 };
        let loads = cost.warm_ups * scale.warm_up.as_secs_f64()
            + cost.measured * scale.measured.as_secs_f64();
        loads + cost.puts / per_second + cost.fixed_s + extra + 0.3
    });
    AROUND_S + fill + cells.sum::<f64>()
}

/// Seconds of the limits that are measured after a turn, all cells of the batch.
pub(crate) fn limits_s(batch: &[Cell], scale: &Scale, first: bool) -> f64 {
    let taken = batch.iter().map(|cell| cell.limit).filter(|one| first || one.is_fickle());
    let loads: usize = taken.map(Limit::loads).sum();
    loads as f64 * (scale.warm_up + scale.measured).as_secs_f64()
}
