//! M1: the trace of a control plane.

use std::time::{Duration, Instant};

use anyhow::Result;
use ketch_proto::etcdserverpb::{LeaseGrantRequest, LeaseGrantResponse};

use super::txns::Remembered;
use super::{Bench, Figures, common};
use crate::load::Plan;
use crate::watchers::{self, Watchers};
use crate::workload::Mixed;

const VALUE_BYTES: usize = 1024;
const RATES: [f64; 9] = [250.0, 500.0, 1e3, 2e3, 3e3, 4e3, 6e3, 8e3, 12e3];
/// A server that answers later than this is over its limit.
const P99_MAX_MS: f64 = 100.0;

/// Rising rates until the answers come too late.
pub(super) fn trace(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut fill = Remembered::new(VALUE_BYTES);
    bench.fill_with(&mut fill, bench.scale.rows / 5)?;
    let grant = LeaseGrantRequest { ttl: 600, id: 77 };
    let _: LeaseGrantResponse = bench.subject.ask("Lease/LeaseGrant", &grant)?;
    let epoch = Instant::now();
    let mut work = Mixed::new(VALUE_BYTES, fill.seen, grant.id).stamped(epoch);
    let mut all = Figures::new();
    let mut best = 0.0_f64;
    for rate in RATES {
        let watchers =
            Watchers::start(bench.subject.address(), watchers::Plan::all(5, 10, 1), epoch)?;
        let plan = Plan::open(20, rate, bench.scale.measured);
        let (outcome, used) = bench.metered(&bench.at(), &mut work, plan)?;
        if outcome.refused > 0 {
            // More than it takes; what it says then is a cell of its own.
            all.insert(format!("{rate} a second: refused %"), outcome.refused_percent());
            break;
        }
        let outcome = outcome.all_right()?;
        let seen = watchers.finish(u64::MAX, Duration::from_millis(300))?;
        let measured = common(&outcome, used, "");
        for name in ["p50 ms", "p99 ms", "server CPU us per op"] {
            all.insert(format!("{rate} a second: {name}"), measured[name]);
        }
        all.insert(format!("{rate} a second: watch lag p99 ms"), seen.lag_ms(0.99));
        if outcome.quantile_ms(0.99) > P99_MAX_MS {
            break;
        }
        best = best.max(rate);
    }
    all.insert("highest rate with p99 below 100 ms".to_owned(), best);
    Ok(all)
}
