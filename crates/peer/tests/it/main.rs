//! The transport between two ends in this process, and with a real etcd 3.7.1 at the other end.
//!
//! One file per property; `end` is the driver, `etcd` starts the real one.

mod active;
mod bounds;
mod end;
mod etcd;
mod follows_etcd;
mod garbage;
mod leads_etcd;
mod one_stream;
mod posts;
mod questions;
mod refusals;
mod remotes;
mod removed;
mod secured;
mod silence;
mod snapshot_from_etcd;
mod snapshots;
mod streams;
mod wire;
