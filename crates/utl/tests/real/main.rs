//! ketchutl and the snapshot files of ketch against the real etcd, etcdctl and etcdutl 3.7.1.

// A step that fails is a test that fails.
#![allow(clippy::unwrap_used)]

mod command_line;
mod fixture;
mod rebuilt;
mod restored;
