//! The order of effects: raft, log worker, apply worker.
