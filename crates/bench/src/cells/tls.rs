//! A3: what TLS costs a put.

use anyhow::Result;

use super::{Bench, Figures, VALUE_BYTES};
use crate::load::{self, Plan};
use crate::subject::Subject;
use crate::workload::{Keys, Puts};

/// The same load in clear and under TLS, with a certificate that the member makes itself, there
/// and back.
pub(super) fn clear_and_tls(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for tls in [false, true, true, false] {
        let mut program = bench.program.clone();
        program.tls = tls;
        bench.subject = Subject::start(&program, bench.base, 1)?;
        let mut work = Puts::new(99, VALUE_BYTES, Keys::New(0));
        let plan = |duration| Plan { tls, ..Plan::closed(10, 100, duration) };
        load::run(&bench.at(), &mut work, plan(bench.scale.warm_up))?.all_right()?;
        let (outcome, used) = bench.metered(&bench.at(), &mut work, plan(bench.scale.measured))?;
        let measured = super::common(&outcome.all_right()?, used, "");
        let state = if tls { "TLS" } else { "clear" };
        for name in ["server CPU us per op", "generator CPU us per op", "ops per second", "p99 ms"]
        {
            *all.entry(format!("{state}: {name}")).or_default() += measured[name] / 2.0;
        }
    }
    let (clear, tls) = (all["clear: server CPU us per op"], all["TLS: server CPU us per op"]);
    all.insert("TLS over clear, server CPU".to_owned(), tls / clear);
    Ok(all)
}
