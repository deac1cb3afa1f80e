//! A2: what the audit log costs a put.

use anyhow::{Result, ensure};

use super::{Bench, Figures, Unsupported, VALUE_BYTES};
use crate::subject::Subject;
use crate::workload::{Keys, Puts};

/// The same load on a member without the log and on one with it, there and back.
pub(super) fn off_and_on(bench: &mut Bench<'_>) -> Result<Figures> {
    if bench.program.name != "ketch" {
        return Err(Unsupported("etcd has no audit log".to_owned()).into());
    }
    let directory = tempfile::tempdir_in(bench.base)?;
    let mut all = Figures::new();
    for round in 0..4 {
        let on = matches!(round, 1 | 2);
        let path = directory.path().join(format!("audit-{round}.log"));
        let path = path.display().to_string();
        let flags: &[&str] = if on { &["--audit-log-path", &path] } else { &[] };
        bench.subject = match Subject::start(&bench.program.with(flags), bench.base, 1) {
            Err(_) if on => {
                return Err(Unsupported("--audit-log-path is refused".to_owned()).into());
            }
            started => started?,
        };
        let mut work = Puts::new(99, VALUE_BYTES, Keys::New(0));
        let measured = bench.measure(&bench.at(), &mut work, 10, 100)?;
        let state = if on { "on" } else { "off" };
        for name in ["server CPU us per op", "ops per second", "p99 ms"] {
            *all.entry(format!("{state}: {name}")).or_default() += measured[name] / 2.0;
        }
        if on {
            // Lines are written behind the answers.
            super::settle();
            let lines = std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
            ensure!(lines > 0, "the audit log is empty");
            *all.entry("lines per put".to_owned()).or_default() +=
                lines as f64 / work.made() as f64 / 2.0;
        }
    }
    let (off, on) = (all["off: server CPU us per op"], all["on: server CPU us per op"]);
    all.insert("overhead %".to_owned(), (on / off - 1.0) * 100.0);
    Ok(all)
}
