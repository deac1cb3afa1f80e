//! F2: more than the server can take, for a while.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Bench, Figures, MIB, VALUE_BYTES, figures};
use crate::load::{self, Completion, Outcome, Plan, Pressure};
use crate::workload::{Keys, Puts};

/// A call answered within this is served; after the overload all must be again.
const SERVED_US: u32 = 100_000;
const BUCKET_MS: u32 = 100;

/// Finds the peak, offers twice of it, then half.
pub(super) fn twice(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut work = Puts::new(95, VALUE_BYTES, Keys::New(0));
    load::run(&bench.at(), &mut work, Plan::closed(10, 100, bench.scale.warm_up))?;
    let peak =
        load::run(&bench.at(), &mut work, Plan::closed(50, 500, bench.scale.measured))?.rate();
    let overload = bench.scale.overload;
    let idle = bench.rss_mib()?;
    bench.subject.leader().reset_peak()?;
    let pressure = Pressure::Open { per_second: 2.0 * peak, then: Some((overload, peak / 2.0)) };
    let duration = overload * 2;
    let plan = Plan { pressure, ..Plan::closed(50, 0, duration) };
    let outcome = load::run(&bench.at(), &mut work, plan)?;
    ensure!(outcome.wrong == 0, "{} answers were wrong", outcome.wrong);
    let (count, _) = bench.count()?;
    let acknowledged = outcome.answered.cast_signed();
    ensure!(count >= acknowledged, "{acknowledged} puts were answered and {count} are there");
    let change_ms = u32::try_from(overload.as_millis()).unwrap_or(u32::MAX);
    let offered: Vec<&Completion> =
        outcome.completions.iter().filter(|done| done.intended_ms < change_ms).collect();
    let of_peak = |calls: usize| calls as f64 / overload.as_secs_f64() / peak * 100.0;
    let in_time = |done: &&&Completion| done.latency_us <= SERVED_US;
    let quantile_ms = |part: f64| {
        let at = (offered.len().saturating_sub(1) as f64 * part).round() as usize;
        offered.get(at).map_or(f64::NAN, |done| f64::from(done.latency_us) / 1e3)
    };
    let good = offered.iter().filter(|done| ended_ms(done) < change_ms).count();
    Ok(figures([
        // The peak, by the name under which the empty handler's stands beside it: what is offered
        // is twice as much.
        ("ops per second", peak),
        ("goodput % of peak", of_peak(good)),
        ("answered within 100 ms, % of peak", of_peak(offered.iter().filter(in_time).count())),
        ("recovery s", recovery(&outcome, change_ms).as_secs_f64()),
        ("refused %", percent(outcome.refused, outcome.answered)),
        ("without answer %", percent(outcome.abandoned, outcome.answered)),
        ("generator's own lateness ms", outcome.late.as_secs_f64() * 1e3),
        ("p50 ms of those answered", quantile_ms(0.5)),
        ("p99 ms of those answered", quantile_ms(0.99)),
        ("peak RSS MiB above idle", bench.subject.leader().memory()?.1 / MIB - idle),
    ]))
}

fn ended_ms(done: &Completion) -> u32 {
    done.intended_ms.saturating_add(done.latency_us / 1000)
}

fn percent(part: u64, others: u64) -> f64 {
    part as f64 / (part + others).max(1) as f64 * 100.0
}

/// From the end of the overload until the last bucket of calls with one among them that was
/// refused, or answered late.
fn recovery(outcome: &Outcome, change_ms: u32) -> Duration {
    let late = outcome.completions.iter().filter(|done| done.latency_us > SERVED_US);
    let bad = late.map(|done| done.intended_ms).chain(outcome.last_refused_ms);
    let last = bad.filter_map(|ms| ms.checked_sub(change_ms)).max();
    let buckets = last.map_or(0, |ms| ms / BUCKET_MS + 1);
    Duration::from_millis(u64::from(buckets * BUCKET_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_the_last_late_or_refused_call() {
        let done = |intended_ms, latency_us| Completion { intended_ms, latency_us };
        let calls = vec![done(10, 900_000), done(1040, 200_000), done(1120, 50)];
        let all = Outcome { completions: calls.clone(), ..Outcome::default() };
        assert_eq!(recovery(&all, 1000), Duration::from_millis(100));
        let early = Outcome { completions: calls[..1].to_vec(), ..Outcome::default() };
        assert_eq!(recovery(&early, 1000), Duration::ZERO);
        let refused = Outcome { last_refused_ms: Some(1310), ..Outcome::default() };
        assert_eq!(recovery(&refused, 1000), Duration::from_millis(400));
    }
}
