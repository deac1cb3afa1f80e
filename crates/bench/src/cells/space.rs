//! C1, C2: history and space are reclaimed while the server works.

use std::time::{Duration, Instant};

use anyhow::Result;
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DefragmentRequest, DefragmentResponse,
    DeleteRangeRequest, DeleteRangeResponse,
};

use super::{Bench, Figures, VALUE_BYTES, figures};
use crate::load::{self, Outcome, Plan};
use crate::watchers::{self, Watchers};
use crate::workload::{Keys, Puts, Ranges};

/// Of the load during a compaction.
const PUTS_PER_SECOND: f64 = 5000.0;
const CALM_PER_SECOND: f64 = 500.0;
/// The load goes on so long after the work began, at least.
const LOAD: Duration = Duration::from_secs(4);

/// Old versions of keys, a tenth of them current, are compacted away.
pub(super) fn compaction(bench: &mut Bench<'_>) -> Result<Figures> {
    let keys = bench.scale.history / 10;
    for seed in 0..10 {
        bench.fill_with(&mut Puts::new(seed, VALUE_BYTES, Keys::New(0)), keys)?;
    }
    super::settle();
    let (_, revision) = bench.count()?;
    let alone = puts(bench, PUTS_PER_SECOND, Duration::from_secs(1))?;
    let (with, took) = std::thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| puts(bench, PUTS_PER_SECOND, LOAD));
        std::thread::sleep(Duration::from_millis(500));
        let since = Instant::now();
        let request = CompactionRequest { revision, physical: true };
        let _: CompactionResponse = bench.subject.ask("KV/Compact", &request)?;
        let took = since.elapsed();
        let with = super::joined(load, "puts")?;
        Ok((with, took))
    })?;
    Ok(figures([
        ("revisions", revision as f64),
        ("compaction s", took.as_secs_f64()),
        ("longest put ms without", alone.quantile_ms(1.0)),
        ("longest put ms with", with.quantile_ms(1.0)),
        ("put p99.9 ms without", alone.quantile_ms(0.999)),
        ("puts refused % with", with.refused_percent()),
        ("put p99.9 ms with", with.quantile_ms(0.999)),
    ]))
}

fn puts(bench: &Bench<'_>, rate: f64, duration: Duration) -> Result<Outcome> {
    let mut work = Puts::new(81, VALUE_BYTES, Keys::Among(1000));
    load::run(&bench.at(), &mut work, Plan::open(4, rate, duration))?.none_wrong()
}

/// Half of the keys are deleted and compacted; then the space is reclaimed under load.
pub(super) fn defragment(bench: &mut Bench<'_>) -> Result<Figures> {
    let keys = bench.scale.million / 2;
    bench.fill(keys, 1024)?;
    // Keys are scattered evenly, so half of them lie below "8".
    let half = DeleteRangeRequest { key: "0".into(), range_end: "8".into(), ..Default::default() };
    let _: DeleteRangeResponse = bench.subject.ask("KV/DeleteRange", &half)?;
    let (_, revision) = bench.count()?;
    let compact = CompactionRequest { revision, physical: true };
    let _: CompactionResponse = bench.subject.ask("KV/Compact", &compact)?;
    super::settle();
    let (figures_of, took) = under_load(bench)?;
    let mut all = figures_of;
    all.insert("defragment s".to_owned(), took.as_secs_f64());
    Ok(all)
}

fn under_load(bench: &Bench<'_>) -> Result<(Figures, Duration)> {
    let epoch = Instant::now();
    let at = bench.at();
    let watchers = Watchers::start(bench.subject.address(), watchers::Plan::all(1, 1, 1), epoch)?;
    std::thread::scope(|scope| {
        let puts = scope.spawn(move || {
            let mut work = Puts::new(83, VALUE_BYTES, Keys::Among(1000)).stamped(epoch);
            load::run(&at, &mut work, Plan::open(2, CALM_PER_SECOND, LOAD))?.all_right()
        });
        let gets = scope.spawn(move || {
            // Keys that were deleted are answered too, without a row.
            let mut work = Ranges::new(85, true, 1000, 0).maybe_absent();
            load::run(&at, &mut work, Plan::open(2, CALM_PER_SECOND, LOAD))?.all_right()
        });
        std::thread::sleep(Duration::from_millis(500));
        let since = Instant::now();
        let _: DefragmentResponse =
            bench.subject.ask("Maintenance/Defragment", &DefragmentRequest {})?;
        let took = since.elapsed();
        let puts = super::joined(puts, "puts")?;
        let gets = super::joined(gets, "reads")?;
        let seen = watchers.finish(puts.answered, Duration::from_secs(30))?;
        anyhow::ensure!(seen.events == puts.answered, "the watch saw {} events", seen.events);
        let all = figures([
            ("longest put ms", puts.quantile_ms(1.0)),
            ("longest read ms", gets.quantile_ms(1.0)),
            ("longest event lag ms", seen.lag_ms(1.0)),
            ("put p99 ms", puts.quantile_ms(0.99)),
        ]);
        Ok((all, took))
    })
}
