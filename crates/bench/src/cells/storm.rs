//! A1: everybody logs in at once, and those who are in go on working.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use ketch_proto::authpb::UserAddOptions;
use ketch_proto::etcdserverpb::{
    AuthEnableRequest, AuthEnableResponse, AuthRoleAddRequest, AuthRoleAddResponse,
    AuthUserAddRequest, AuthUserAddResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse,
    AuthenticateRequest, AuthenticateResponse,
};

use super::{Bench, Figures, VALUE_BYTES};
use crate::load::{self, Outcome, Plan};
use crate::report::statistics::median;
use crate::subject::Subject;
use crate::workload::{Fixed, Keys, Puts};

const LOGINS_PER_SECOND: f64 = 5000.0;
const PUTS_PER_SECOND: f64 = 1000.0;
/// A put without an answer by then counts as one that took so long.
const PUT_PATIENCE: Duration = Duration::from_secs(5);
/// The default, and the cheapest there is.
const COSTS: [&str; 2] = ["10", "4"];
const PASSWORD: &str = "a password";

/// How long puts are looked at, without and with, before it is the other's turn: a busy machine
/// is then as busy for both.
const ROUND: Duration = Duration::from_millis(1500);
/// From the beginning of a storm to that of the puts, and as long after them.
const LEAD: Duration = Duration::from_millis(300);

/// With each cost of a password's hash, on servers of their own.
pub(super) fn logins(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for cost in COSTS {
        let program = bench.program.with(&["--bcrypt-cost", cost]);
        bench.subject = Subject::start(&program, bench.base, 1)?;
        let token = enable(&bench.subject)?;
        // etcd computes on for long after a storm: puts without one come first, and once.
        let (rounds, length) = match bench.program.name {
            "ketch" => (bench.scale.storm.div_duration_f64(ROUND).ceil() as usize, ROUND),
            _ => (1, bench.scale.storm),
        };
        let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for number in 0..rounds {
            let round = round(bench, &token, length, number % 2 == 1)?;
            let ratio = round["put p99 ratio"];
            eprintln!(
                "       cost {cost}, round {number}: put p99 {:.2} to {:.2} ms ({ratio:.3})",
                round["put p99 ms without"], round["put p99 ms with"],
            );
            for (name, value) in round {
                figures.entry(name).or_default().push(value);
            }
        }
        for (name, mut values) in figures {
            values.sort_by(f64::total_cmp);
            let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
            all.insert(format!("cost {cost}: {name}"), median(&values).unwrap_or(f64::NAN));
            if name == "put p99 ratio" {
                all.insert(format!("cost {cost}: {name}, lower quarter"), at(0.25));
                all.insert(format!("cost {cost}: {name}, upper quarter"), at(0.75));
            }
        }
    }
    Ok(all)
}

/// Puts without a storm and puts in one, in this order or the other.
fn round(
    bench: &Bench<'_>,
    token: &str,
    length: Duration,
    storm_first: bool,
) -> Result<BTreeMap<&'static str, f64>> {
    let mut figures = BTreeMap::new();
    if storm_first {
        stormy(bench, token, length, &mut figures)?;
    }
    let alone = puts(bench, token, length)?;
    if !storm_first {
        stormy(bench, token, length, &mut figures)?;
    }
    figures.insert("put p99 ms without", alone.quantile_ms(0.99));
    figures.insert("put p50 ms without", alone.quantile_ms(0.5));
    figures.insert("put p99 ratio", figures["put p99 ms with"] / alone.quantile_ms(0.99));
    Ok(figures)
}

fn stormy(
    bench: &Bench<'_>,
    token: &str,
    length: Duration,
    figures: &mut BTreeMap<&'static str, f64>,
) -> Result<()> {
    let before = bench.subject.usage(false)?.cpu_us;
    let (with, storm) = std::thread::scope(|scope| -> Result<_> {
        let storm = scope.spawn(|| storm(bench, length));
        // The storm stands when the puts begin.
        std::thread::sleep(LEAD);
        let with = puts(bench, token, length)?;
        let storm = super::joined(storm, "storm")?;
        Ok((with, storm))
    })?;
    let cpu_us = bench.subject.usage(false)?.cpu_us - before;
    let seconds = storm.elapsed.as_secs_f64();
    let mut set = |name, value| figures.insert(name, value);
    set("put p99 ms with", with.quantile_ms(0.99));
    set("put p50 ms with", with.quantile_ms(0.5));
    set("puts without answer with", with.abandoned as f64);
    set("puts refused % with", with.refused_percent());
    set("logins per second", storm.rate());
    set("logins refused per second", storm.refused as f64 / seconds);
    set("logins without answer", storm.abandoned as f64);
    set("server cores busy", cpu_us / 1e6 / seconds);
    super::settle();
    Ok(())
}

fn puts(bench: &Bench<'_>, token: &str, length: Duration) -> Result<Outcome> {
    let mut work = Puts::new(97, VALUE_BYTES, Keys::Among(10_000)).with_token(token);
    let patience = PUT_PATIENCE;
    let plan = Plan { patience, ..Plan::open(10, PUTS_PER_SECOND, length) };
    load::run(&bench.at(), &mut work, plan)
}

fn storm(bench: &Bench<'_>, length: Duration) -> Result<Outcome> {
    let login = AuthenticateRequest { name: "root".to_owned(), password: PASSWORD.to_owned() };
    let mut work = Fixed::new("Auth/Authenticate", &login);
    let duration = length + 2 * LEAD;
    let plan = Plan { patience: Duration::ZERO, ..Plan::open(20, LOGINS_PER_SECOND, duration) };
    load::run(&bench.at(), &mut work, plan)
}

/// Switches authentication on and gives a token of root's.
fn enable(subject: &Subject) -> Result<String> {
    let (root, password) = ("root".to_owned(), PASSWORD.to_owned());
    let options = Some(UserAddOptions { no_password: false });
    let user = AuthUserAddRequest {
        name: root.clone(),
        password: password.clone(),
        options,
        ..Default::default()
    };
    let _: AuthUserAddResponse = subject.ask("Auth/UserAdd", &user)?;
    // etcd makes the role itself when it is missing, or not: it may be there.
    let role = AuthRoleAddRequest { name: root.clone() };
    let _: Result<AuthRoleAddResponse> = subject.ask("Auth/RoleAdd", &role);
    let grant = AuthUserGrantRoleRequest { user: root.clone(), role: root.clone() };
    let _: AuthUserGrantRoleResponse = subject.ask("Auth/UserGrantRole", &grant)?;
    let _: AuthEnableResponse = subject.ask("Auth/AuthEnable", &AuthEnableRequest {})?;
    let login = AuthenticateRequest { name: root, password };
    let answer: AuthenticateResponse = subject.ask("Auth/Authenticate", &login)?;
    Some(answer.token).filter(|token| !token.is_empty()).context("no token came")
}
