//! R1, R2, R4: reads of single keys, and of what the index alone can answer.

use anyhow::Result;
use ketch_proto::etcdserverpb::RangeRequest;

use super::{Bench, Figures, VALUE_BYTES, everything};
use crate::load::{self, Plan};
use crate::workload::{Fixed, Ranges};

/// One key a call.
pub(super) fn single(
    bench: &mut Bench<'_>,
    connections: usize,
    clients: usize,
    serializable: bool,
) -> Result<Figures> {
    let mut work = Ranges::new(7, serializable, bench.scale.rows, VALUE_BYTES);
    bench.measure(&bench.at(), &mut work, connections, clients)
}

/// Ranges over all rows that give little.
pub(super) fn wide(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut figures = Figures::new();
    let one = Ranges::new(7, false, bench.scale.rows, VALUE_BYTES);
    let base = bench.measure(&bench.at(), &mut { one }, 4, 4)?;
    figures.insert("single key: p50 ms".to_owned(), base["p50 ms"]);
    figures.insert("single key: server CPU us per op".to_owned(), base["server CPU us per op"]);
    let shapes = [
        ("limit 1", RangeRequest { limit: 1, ..everything() }, VALUE_BYTES as u64),
        ("count only", RangeRequest { count_only: true, ..everything() }, 8),
        ("keys only", RangeRequest { keys_only: true, ..everything() }, 16 * bench.scale.rows),
    ];
    for (name, request, bytes) in shapes {
        let mut work = Fixed::new("KV/Range", &request).at_least(bytes);
        // Slow ones need no warm-up, and at least a few of them.
        load::run(&bench.at(), &mut work, Plan::calls(1, 1, 2))?.all_right()?;
        let plan = Plan::closed(4, 4, bench.scale.measured);
        let (outcome, used) = bench.metered(&bench.at(), &mut work, plan)?;
        let measured = super::common(&outcome.all_right()?, used, "");
        for figure in ["p50 ms", "server CPU us per op"] {
            figures.insert(format!("{name}: {figure}"), measured[figure]);
        }
    }
    Ok(figures)
}
