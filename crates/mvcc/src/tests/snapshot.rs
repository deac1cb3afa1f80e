//! A member's state sent to another, without the wire in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ketch_backend::{Backend, Batch, Bucket, Config, Drain};
use ketch_base::Revision;
use ketch_env::unsynced::UnsyncedDisk;

/// Puts all that `from` holds now in the place of the database in `folder`.
pub(crate) fn install(from: &Backend, folder: &Path, drain: &mut Drain) {
    let path = prepare(from, folder);
    drain.install(&path).expect("installed");
}

/// Writes all that `from` holds now to a database in `folder`, and closes it.
fn prepare(from: &Backend, folder: &Path) -> PathBuf {
    let path = folder.join("prepared.redb");
    let (to, mut drain) =
        Backend::open(Arc::new(UnsyncedDisk), &path, Config::default()).expect("a new database");
    let view = from.view();
    let mut batch = Batch::new();
    for row in view.rows(Revision::default(), Revision { main: i64::MAX, sub: 0 }) {
        let (key, row) = row.expect("readable");
        batch.put_row(key, row);
    }
    for bucket in Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Key) {
        for entry in view.iter(bucket) {
            let (key, value) = entry.expect("readable");
            batch.put(bucket, key, value);
        }
    }
    to.append(batch);
    while drain.step().expect("written").more {}
    path
}
