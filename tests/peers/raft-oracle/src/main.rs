//! Our raft and the published raft-rs in one simulated cluster.
//!
//! `raft-oracle [FIRST_SEED] [SEEDS]`: each seed says which members are ours and which are raft-rs,
//! and what happens to them: loss, doubling and reordering of messages, partitions, crashes, log
//! compaction (so that snapshots are sent), leader transfers, and a member that is added as a
//! learner, promoted, updated, removed and added again. Every applied entry is compared across all
//! members at once; linearizable reads may not be older than what was applied when they were
//! asked; at the end faults stop and all members must agree on a fresh entry.
//! A batch in which one of the kinds never led, caught up by a snapshot or answered a read has
//! shown nothing and fails.

#[path = "../../../../crates/raft/tests/cluster/mod.rs"]
mod cluster;
mod theirs;
mod wire;
mod world;

use std::process::ExitCode;

use world::{Seen, World};

/// Things that happen to a cluster before it may heal.
const STEPS: u64 = 12_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let first = arguments.next().unwrap_or(1);
    let seeds = arguments.next().unwrap_or(40);
    let mut sum = Seen::default();
    for seed in first..first + seeds {
        eprintln!("seed {seed}: replay with raft-oracle {seed} 1");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.heal();
        sum.add(world.seen());
    }
    println!("{seeds} seeds from {first}: {sum:?}");
    match sum.missing() {
        Some(what) if seeds > 1 => {
            eprintln!("never seen: {what}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
