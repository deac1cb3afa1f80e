//! Whole clusters under faults, replayed from a seed: messages lost, doubled and out of order,
//! disks that lag, crashes with unfinished writes lost, partitions, changing members, snapshots.
//!
//! Every step is checked (`network/checks.rs`); at the end the faults stop and it must heal.
//! A failing seed is replayed by `KETCH_SEED=<n> cargo test -p ketch-raft --test network`.

#![expect(clippy::disallowed_methods, reason = "a failing seed is named by a variable")]

#[path = "network/checks.rs"]
mod checks;
mod cluster;
#[path = "network/world.rs"]
mod world;

use world::{Mix, World};

/// Runs seeds `from..` under a mix; prints the one that fails.
fn run(from: u64, count: u64, steps: u64, mix: &Mix) {
    let only = std::env::var("KETCH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(from..from + count, |seed: u64| seed..seed + 1);
    let mut committed = 0;
    for seed in seeds {
        let mut world = World::new(seed, mix);
        println!("seed {seed}");
        for _ in 0..steps {
            world.step();
        }
        committed += world.heal();
    }
    let least = if only.is_some() { 0 } else { count * 10 };
    assert!(committed > least, "only {committed} entries committed: nothing was tested");
}

#[test]
fn quiet_network() {
    run(0, 30, 1_500, &Mix::default());
}

#[test]
fn lost_doubled_and_late_messages() {
    run(1_000, 50, 3_000, &Mix { loss: 10, doubling: 10, ..Mix::default() });
}

#[test]
fn crashes() {
    run(2_000, 60, 4_000, &Mix { loss: 3, crashes: 8, ..Mix::default() });
}

#[test]
fn crashes_within_slow_writes() {
    let mix = Mix { crashes: 6, plain: true, slow_disks: true, ..Mix::default() };
    run(2_500, 150, 5_000, &mix);
}

#[test]
fn partitions() {
    run(3_000, 60, 5_000, &Mix { loss: 3, partitions: 2, ..Mix::default() });
}

#[test]
fn partitions_without_pre_vote_and_leases() {
    run(3_500, 60, 5_000, &Mix { partitions: 3, plain: true, ..Mix::default() });
}

#[test]
fn snapshots() {
    let mix = Mix { loss: 5, partitions: 3, compactions: 60, ..Mix::default() };
    run(4_000, 40, 4_000, &mix);
}

#[test]
fn snapshots_and_crashes() {
    let mix = Mix { crashes: 5, compactions: 60, slow_disks: true, ..Mix::default() };
    run(4_500, 60, 5_000, &mix);
}

#[test]
fn changing_members() {
    run(5_000, 80, 5_000, &Mix { loss: 3, changes: 12, transfers: 5, ..Mix::default() });
}

#[test]
fn changing_members_apart() {
    let mix = Mix { partitions: 4, changes: 20, transfers: 5, plain: true, ..Mix::default() };
    run(5_500, 120, 5_000, &mix);
}

#[test]
fn everything_at_once() {
    let mix = Mix {
        loss: 5,
        doubling: 5,
        crashes: 4,
        partitions: 3,
        compactions: 30,
        changes: 8,
        transfers: 4,
        ..Mix::default()
    };
    run(6_000, 100, 5_000, &mix);
}

#[test]
fn applying_only_what_is_durable_here() {
    let mix = Mix { loss: 3, crashes: 8, persisted_only: true, ..Mix::default() };
    run(8_000, 40, 3_000, &mix);
}

#[test]
fn one_seed_one_history() {
    let mix = Mix { loss: 5, crashes: 6, partitions: 6, changes: 8, ..Mix::default() };
    let history = || {
        let mut world = World::new(99, &mix);
        (0..3_000).for_each(|_| world.step());
        world.outline()
    };
    assert_eq!(history(), history());
}
