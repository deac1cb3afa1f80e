//! `ketch-sim`: runs seeds, on all cores it is given, and says which one fails.

#![expect(
    clippy::disallowed_types,
    reason = "how long a run took is told to people, never to a world"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ketch_sim::{MUST_HAPPEN, Options, Report, run};

/// So many seeds must have met everything.
const SEEDS_FOR_ALL: u64 = 1_000;

const USAGE: &str = "usage: ketch-sim [--seeds N] [--from S] [--jobs N]   many seeds
       ketch-sim --seed S [--facts N]              one seed, with its last facts
       --plant BUG                                 with a planted bug (feature `planted`)";

/// What was asked for.
struct Wish {
    from: u64,
    seeds: u64,
    jobs: u64,
    one: Option<u64>,
    facts: usize,
    plant: Option<String>,
}

fn main() -> ExitCode {
    let Some(wish) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A panic is a finding, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match wish.one {
        Some(seed) => one(seed, &wish),
        None => many(&wish),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Wish> {
    let mut wish = Wish { from: 1, seeds: 100, jobs: 2, one: None, facts: 60, plant: None };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--seeds" => wish.seeds = value.parse().ok()?,
            "--from" => wish.from = value.parse().ok()?,
            "--jobs" => wish.jobs = value.parse().ok()?,
            "--seed" => wish.one = Some(value.parse().ok()?),
            "--facts" => wish.facts = value.parse().ok()?,
            "--plant" => wish.plant = Some(value),
            _ => return None,
        }
    }
    Some(wish)
}

fn one(seed: u64, wish: &Wish) -> ExitCode {
    let began = Instant::now();
    let options = Options { digest: true, tail_facts: wish.facts };
    let report = run_wished(seed, wish, options);
    for (at, fact) in &report.tail {
        println!("{:>7} ms {:>7}  {fact:?}", at.ms, at.step);
    }
    println!("{}", report.nature);
    println!(
        "seed {seed}: {} facts in {} simulated ms, digest {:016x}, {:.2} s",
        report.facts,
        report.simulated_ms,
        report.digest.unwrap_or(0),
        began.elapsed().as_secs_f64(),
    );
    for (name, seen) in
        report.tally.iter().map(|(name, count)| (*name, *count)).chain(report.seen.iter().copied())
    {
        println!("  {name}: {seen}");
    }
    verdict(&report)
}

/// With the planted bug, if there is to be one.
#[cfg(feature = "planted")]
fn run_wished(seed: u64, wish: &Wish, options: Options) -> Report {
    use ketch_base::planted::Bug;
    let Some(name) = &wish.plant else { return run(seed, options) };
    match Bug::ALL.iter().find(|bug| format!("{bug:?}") == *name) {
        Some(bug) => ketch_sim::run_planted(seed, *bug, options),
        None => {
            eprintln!("no bug has the name {name}; there are {:?}", Bug::ALL);
            std::process::exit(2);
        }
    }
}

/// There are no planted bugs in this build.
#[cfg(not(feature = "planted"))]
fn run_wished(seed: u64, wish: &Wish, options: Options) -> Report {
    if wish.plant.is_some() {
        eprintln!("bugs can be planted with the feature `planted` only");
        std::process::exit(2);
    }
    run(seed, options)
}

fn verdict(report: &Report) -> ExitCode {
    match &report.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("seed {}: VIOLATION: {violation}", report.seed);
            println!("replay: cargo xtask sim --seed {}", report.seed);
            ExitCode::FAILURE
        }
    }
}

fn add(
    sums: &Mutex<BTreeMap<&'static str, u64>>,
    more: impl IntoIterator<Item = (&'static str, u64)>,
) {
    let mut sums = sums.lock().expect("no thread panics");
    for (name, count) in more {
        *sums.entry(name).or_default() += count;
    }
}

fn many(wish: &Wish) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(wish.from);
    let end = wish.from.saturating_add(wish.seeds);
    let failed = Mutex::new(Vec::new());
    let seen = Mutex::new(BTreeMap::<&'static str, u64>::new());
    let tally = Mutex::new(BTreeMap::<&'static str, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..wish.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let report = run_wished(seed, wish, Options::default());
                    if verdict(&report) == ExitCode::FAILURE {
                        failed.lock().expect("no thread panics").push(seed);
                    }
                    add(&seen, report.seen);
                    add(&tally, report.tally);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{} seeds in {seconds:.1} s: {:.2} a second", wish.seeds, wish.seeds as f64 / seconds);
    let seen = seen.into_inner().expect("no thread panics");
    let tally = tally.into_inner().expect("no thread panics");
    let failed = failed.into_inner().expect("no thread panics");
    let is_whole = sum_up(wish.seeds, &tally, &seen);
    if failed.is_empty() && is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the sums; `false` if something was never tried.
fn sum_up(
    seeds: u64,
    tally: &BTreeMap<&'static str, u64>,
    seen: &BTreeMap<&'static str, u64>,
) -> bool {
    for (name, count) in tally {
        println!("  {name}: {count}");
    }
    println!("what the checks compared:");
    for (name, count) in seen {
        println!("  {name}: {count}");
    }
    let mut blind: Vec<&str> =
        seen.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    if seeds >= SEEDS_FOR_ALL {
        blind.extend(MUST_HAPPEN.iter().filter(|name| !tally.contains_key(**name)));
    }
    if !blind.is_empty() {
        println!("never tried: {blind:?}");
    }
    blind.is_empty()
}
