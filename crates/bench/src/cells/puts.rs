//! P1 to P4: puts at one member.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Figures, KEY_BYTES, MIB, VALUE_BYTES, common, settle};
use crate::load::{self, Plan};
use crate::workload::{Keys, Puts};

/// Rates of the curve, a second.
const RATES: [f64; 11] = [500.0, 1e3, 2e3, 4e3, 8e3, 12e3, 16e3, 24e3, 32e3, 48e3, 64e3];
/// A p99 needs so many calls, if that takes no more than so many times as long as usual.
const SAMPLES: f64 = 2000.0;
const LONGER: u32 = 4;
/// A rate whose calls are later than this is too high, and so are all above.
const TOO_LATE_MS: f64 = 250.0;
const SIZES: [(&str, usize); 6] = [
    ("16 B", 16),
    ("1 KiB", 1024),
    ("4 KiB", 4096),
    ("10 KiB", 10_240),
    ("100 KiB", 102_400),
    ("1 MiB", 1_048_576),
];

/// New keys, so many clients.
pub(super) fn closed(bench: &mut Bench<'_>, connections: usize, clients: usize) -> Result<Figures> {
    let mut work = Puts::new(11, VALUE_BYTES, Keys::New(0));
    let before = bench.subject.usage(false)?;
    let mut figures = bench.measure(&bench.at(), &mut work, connections, clients)?;
    bench.ensure_put_once(work.made())?;
    settle();
    let user_bytes = work.made() as f64 * (VALUE_BYTES + KEY_BYTES) as f64;
    let written = bench.subject.usage(false)?.written_bytes - before.written_bytes;
    figures.insert("bytes written per user byte".to_owned(), written / user_bytes);
    Ok(figures)
}

/// Open loop at rising rates.
pub(super) fn against_rate(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut figures = Figures::new();
    let mut work = Puts::new(13, VALUE_BYTES, Keys::New(0));
    load::run(&bench.at(), &mut work, Plan::closed(10, 100, bench.scale.warm_up))?.all_right()?;
    let mut refused = 0;
    for rate in RATES {
        let usual = bench.scale.measured;
        let duration = Duration::from_secs_f64(SAMPLES / rate).clamp(usual, usual * LONGER);
        let plan = Plan::open(10, rate, duration);
        let (outcome, used) = bench.metered(&bench.at(), &mut work, plan)?;
        refused += outcome.refused;
        if outcome.refused > 0 {
            // More than it takes; what it says then is a cell of its own.
            figures.insert(format!("{rate} a second: refused %"), outcome.refused_percent());
            break;
        }
        let outcome = outcome.all_right()?;
        let late = outcome.quantile_ms(0.99);
        let all = common(&outcome, used, "");
        for name in ["p50 ms", "p99 ms", "server CPU us per op"] {
            figures.insert(format!("{rate} a second: {name}"), all[name]);
        }
        if late > TOO_LATE_MS {
            break;
        }
    }
    if refused == 0 {
        bench.ensure_put_once(work.made())?;
    }
    Ok(figures)
}

/// From small to large values.
pub(super) fn sizes(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut figures = Figures::new();
    for (name, bytes) in SIZES {
        let mut work = Puts::new(15, bytes, Keys::Among(1000));
        let before = bench.subject.usage(false)?;
        let measured = bench.measure(&bench.at(), &mut work, 8, 64)?;
        settle();
        let written = bench.subject.usage(false)?.written_bytes - before.written_bytes;
        let user_bytes = work.made() as f64 * (bytes + KEY_BYTES) as f64;
        for figure in ["server CPU us per op", "ops per second", "p99 ms"] {
            figures.insert(format!("{name}: {figure}"), measured[figure]);
        }
        let rate = measured["ops per second"] * bytes as f64 / MIB;
        figures.insert(format!("{name}: MiB per second"), rate);
        figures.insert(format!("{name}: bytes written per user byte"), written / user_bytes);
    }
    figures.insert("RSS MiB afterwards".to_owned(), bench.rss_mib()?);
    Ok(figures)
}

/// A thousand keys over and over.
pub(super) fn hot(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut work = Puts::new(17, VALUE_BYTES, Keys::Among(1000));
    let before = bench.rss_mib()?;
    let mut figures = bench.measure(&bench.at(), &mut work, 100, 1000)?;
    let (_, revision) = bench.count()?;
    anyhow::ensure!(revision.cast_unsigned() == work.made() + 1, "revision {revision}");
    std::thread::sleep(Duration::from_millis(200));
    let grown = (bench.rss_mib()? - before) * MIB;
    figures.insert("RSS bytes per revision".to_owned(), grown / work.made() as f64);
    Ok(figures)
}
