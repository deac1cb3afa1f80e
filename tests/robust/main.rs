//! Robustness tests: crashes under load, damaged files, clusters under faults.

mod cluster_disks;
mod cluster_faults;
mod crash;
mod damage;
mod failover;
mod history;
mod recorded;
mod torn;
