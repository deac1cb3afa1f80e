//! L1, L2: leases.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ketch_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest,
};
use prost::Message;

use super::{Bench, Figures, common};
use crate::connection::Answer;
use crate::load::{self, Plan};
use crate::wire;
use crate::workload::{Keys, Puts, Request, Work, block, ordered_key};

/// Calls on the leases numbered 1 to `leases`, one after the other.
struct Each {
    blocks: Vec<Vec<u8>>,
    leases: u64,
    made: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Grant { ttl: i64 },
    Attach,
    KeepAlive,
    Revoke,
}

impl Each {
    fn new(what: What, leases: u64) -> Self {
        let method = match what {
            What::Grant { .. } => "Lease/LeaseGrant",
            What::Attach => "KV/Put",
            What::KeepAlive => "Lease/LeaseKeepAlive",
            What::Revoke => "Lease/LeaseRevoke",
        };
        Self { blocks: vec![block(method, None)], leases, made: 0, what }
    }
}

impl Work for Each {
    fn blocks(&self) -> &[Vec<u8>] {
        &self.blocks
    }

    fn next(&mut self, request: &mut Request) {
        let number = self.made % self.leases;
        self.made += 1;
        let id = number.cast_signed() + 1;
        request.message = match self.what {
            What::Grant { ttl } => LeaseGrantRequest { ttl, id }.encode_to_vec(),
            What::Attach => {
                let key = ordered_key(number).to_vec().into();
                PutRequest { key, lease: id, ..Default::default() }.encode_to_vec()
            }
            What::KeepAlive => LeaseKeepAliveRequest { id }.encode_to_vec(),
            What::Revoke => LeaseRevokeRequest { id }.encode_to_vec(),
        };
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        match self.what {
            What::KeepAlive => wire::number(answer.message, 3) > 0,
            _ => wire::header_revision(answer.message) > 0,
        }
    }
}

/// A thousand streams that each keep leases alive, one message after the other.
pub(super) fn keep_alive(bench: &mut Bench<'_>) -> Result<Figures> {
    let leases = bench.scale.leases.max(1000) * 5;
    bench.fill_with(&mut Each::new(What::Grant { ttl: 600 }, leases), leases)?;
    let mut work = Each::new(What::KeepAlive, leases);
    let plan = Plan { streaming: true, ..Plan::closed(100, 1000, bench.scale.measured) };
    let warm = Plan { duration: bench.scale.warm_up, ..plan };
    load::run(&bench.at(), &mut work, warm)?.all_right()?;
    let (outcome, used) = bench.metered(&bench.at(), &mut work, plan)?;
    let mut all = common(&outcome.all_right()?, used, "");
    let per_core = 1e6 / all["server CPU us per op"];
    all.insert("keep-alives per second per core".to_owned(), per_core);
    Ok(all)
}

/// Grants, attaches and revokes; then lets as many expire at one moment.
pub(super) fn storm(bench: &mut Bench<'_>) -> Result<Figures> {
    let leases = bench.scale.leases;
    let mut all = Figures::new();
    let steps =
        [("grant", What::Grant { ttl: 600 }), ("attach", What::Attach), ("revoke", What::Revoke)];
    for (name, what) in steps {
        let (outcome, used) = bench.fill_with(&mut Each::new(what, leases), leases)?;
        let measured = common(&outcome, used, "");
        for figure in ["server CPU us per op", "ops per second"] {
            all.insert(format!("{name}: {figure}"), measured[figure]);
        }
    }
    ensure!(bench.count()?.0 == 0, "a revoked lease left its key");
    expiry(bench, leases, &mut all)?;
    Ok(all)
}

/// All leases are granted for the same time, so they end within the time it takes to grant them.
fn expiry(bench: &Bench<'_>, leases: u64, all: &mut Figures) -> Result<()> {
    let since = Instant::now();
    let ttl = 5 + leases.cast_signed() / 10_000;
    bench.fill_with(&mut Each::new(What::Grant { ttl }, leases), leases)?;
    let granted = Instant::now();
    bench.fill_with(&mut Each::new(What::Attach, leases), leases)?;
    let address = bench.subject.address();
    let alone = calm_puts(address, Duration::from_millis(500))?;
    let expires = Duration::from_secs(ttl.cast_unsigned());
    let patience = Duration::from_secs(30) + Duration::from_millis(2 * leases);
    let (with, first, last) = std::thread::scope(|scope| -> Result<_> {
        std::thread::sleep((granted + expires).saturating_duration_since(Instant::now()));
        let meanwhile = scope.spawn(move || calm_puts(address, Duration::from_secs(2)));
        let mut first = None;
        // The thousand keys of the puts stay.
        let others = 1000;
        loop {
            let left = bench.count()?.0;
            if left < others + leases.cast_signed() {
                first.get_or_insert_with(Instant::now);
            }
            if left <= others {
                break;
            }
            ensure!(granted.elapsed() < expires + patience, "{left} keys outlived their leases");
            std::thread::sleep(Duration::from_millis(20));
        }
        let last = Instant::now();
        let with = super::joined(meanwhile, "puts")?;
        Ok((with, first.unwrap_or(last), last))
    })?;
    let due = granted + expires;
    let mut set = |name: &str, value: f64| all.insert(format!("expiry: {name}"), value);
    set("leases", leases as f64);
    set("spread of their ends s", (granted - since).as_secs_f64());
    set("first delete s", first.saturating_duration_since(due).as_secs_f64());
    set("last delete s", last.saturating_duration_since(due).as_secs_f64());
    set("put p99 ms without", alone);
    set("put p99 ms with", with);
    Ok(())
}

/// p99 of puts at a rate that disturbs nobody.
fn calm_puts(address: std::net::SocketAddr, duration: Duration) -> Result<f64> {
    let mut work = Puts::new(71, 256, Keys::Among(1000));
    let outcome = load::run(&[address], &mut work, Plan::open(2, 500.0, duration))?;
    Ok(outcome.all_right()?.quantile_ms(0.99))
}
