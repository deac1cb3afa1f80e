//! A1: everybody logs in at once, and those who are in go on working.

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
use crate::subject::Subject;
use crate::workload::{Fixed, Keys, Puts};

const LOGINS_PER_SECOND: f64 = 5000.0;
const PUTS_PER_SECOND: f64 = 1000.0;
/// A put without an answer by then counts as one that took so long.
const PUT_PATIENCE: Duration = Duration::from_secs(5);
/// The default, and the cheapest there is.
const COSTS: [&str; 2] = ["10", "4"];
const PASSWORD: &str = "a password";

/// With each cost of a password's hash, on servers of their own.
pub(super) fn logins(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for cost in COSTS {
        let program = bench.program.with(&["--bcrypt-cost", cost]);
        bench.subject = Subject::start(&program, bench.base, 1)?;
        let token = enable(&bench.subject)?;
        let alone = puts(bench, &token)?;
        let before = bench.subject.usage(false)?.cpu_us;
        let (with, storm) = std::thread::scope(|scope| -> Result<_> {
            let storm = scope.spawn(|| storm(bench));
            // The storm stands when the puts begin.
            std::thread::sleep(Duration::from_millis(300));
            let with = puts(bench, &token)?;
            let storm = storm.join().map_err(|_| anyhow::anyhow!("the storm panicked"))??;
            Ok((with, storm))
        })?;
        let cores =
            (bench.subject.usage(false)?.cpu_us - before) / 1e6 / storm.elapsed.as_secs_f64();
        let mut set = |name: &str, value| all.insert(format!("cost {cost}: {name}"), value);
        let (p99, p99_with) = (alone.quantile_ms(0.99), with.quantile_ms(0.99));
        set("put p99 ms without", p99);
        set("put p99 ms with", p99_with);
        set("put p99 ratio", p99_with / p99);
        set("put p50 ms without", alone.quantile_ms(0.5));
        set("put p50 ms with", with.quantile_ms(0.5));
        set("puts without answer with", with.abandoned as f64);
        set("puts refused % with", with.refused_percent());
        set("logins per second", storm.rate());
        set("logins refused per second", storm.refused as f64 / storm.elapsed.as_secs_f64());
        set("logins without answer", storm.abandoned as f64);
        set("server cores busy", cores);
    }
    Ok(all)
}

fn puts(bench: &Bench<'_>, token: &str) -> Result<Outcome> {
    let mut work = Puts::new(97, VALUE_BYTES, Keys::Among(10_000)).with_token(token);
    let patience = PUT_PATIENCE;
    let plan = Plan { patience, ..Plan::open(10, PUTS_PER_SECOND, bench.scale.storm) };
    load::run(&bench.at(), &mut work, plan)
}

fn storm(bench: &Bench<'_>) -> Result<Outcome> {
    let login = AuthenticateRequest { name: "root".to_owned(), password: PASSWORD.to_owned() };
    let mut work = Fixed::new("Auth/Authenticate", &login);
    let duration = bench.scale.storm + Duration::from_millis(600);
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
