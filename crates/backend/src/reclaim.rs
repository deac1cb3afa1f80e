//! Giving space back while the database is in use: a copy of what is live, then a rename.
//!
//! A cursor walks over all tables, rows first, copying from the current file into a new one in
//! small transactions. A change drained meanwhile goes to the current file as ever, and also to
//! the new one if the cursor has passed its place; otherwise the cursor will still meet it. At
//! the end both files say the same, and the new one takes the old one's name.

use std::ops::Bound;
use std::sync::Arc;

use ketch_base::limits;
use redb::{ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};

use crate::buffer::Chunk;
use crate::database::{self, Opened};
use crate::retired::Retired;
use crate::schema::{self, Blob};
use crate::{Bucket, Drain, Error, files, writer};

/// How far a reclaim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// The new file is in place.
    Done {
        /// [`crate::Backend::size_file`] of the old file.
        before_bytes: i64,
        /// The same of the new file.
        after_bytes: i64,
    },
}

/// A reclaim under way.
pub(crate) struct Reclaim {
    target: Opened,
    /// Tables before this place in [`order`] are copied.
    table: usize,
    /// The last key copied of the current table.
    cursor: Option<Vec<u8>>,
    failed: Option<Error>,
}

impl Drain {
    /// Does one bounded step of an online reclaim, beginning one if none is under way, and copies
    /// about `budget_bytes` of live data ([`limits::BACKEND_RECLAIM_STEP_BYTES`] keeps a step near
    /// 20 ms). [`Drain::step`] goes on being called in between.
    ///
    /// # Errors
    /// The reclaim is given up and its file removed; the database itself is as good as before,
    /// which the next [`Drain::step`] tells.
    pub fn reclaim(&mut self, budget_bytes: usize) -> Result<Progress, Error> {
        let mut reclaim = match self.reclaim.take() {
            Some(reclaim) => reclaim,
            None => self.begin_reclaim()?,
        };
        let result = match reclaim.failed.take() {
            Some(error) => Err(error),
            None => reclaim.copy(&self.opened, budget_bytes),
        };
        match result {
            Ok(false) => {
                self.reclaim = Some(reclaim);
                Ok(Progress::More)
            }
            Ok(true) => self.finish_reclaim(reclaim),
            Err(error) => {
                drop(reclaim);
                // The error matters more than a leftover, which the next open removes.
                let _ = files::remove_temporary(&*self.disk, &self.opened.origin.path);
                Err(error)
            }
        }
    }

    fn begin_reclaim(&self) -> Result<Reclaim, Error> {
        let origin = &self.opened.origin;
        let io = |source| Error::from_io(&origin.path, source);
        files::remove_temporary(&*self.disk, &origin.path).map_err(io)?;
        let path = files::temporary(&origin.path);
        let cache_bytes = limits::BACKEND_RECLAIM_CACHE_BYTES;
        let target = database::create(&*self.disk, &path, origin.lock.clone(), cache_bytes)?;
        Ok(Reclaim { target, table: 0, cursor: None, failed: None })
    }

    fn finish_reclaim(&mut self, reclaim: Reclaim) -> Result<Progress, Error> {
        let path = self.opened.origin.path.clone();
        let before_bytes = self.opened.origin.file.used_bytes();
        let live_bytes = self.shared.live_bytes();
        let txn = database::begin_write(&reclaim.target)?;
        database::put_own(&reclaim.target.origin, &txn, schema::LIVE_BYTES_KEY, live_bytes)?;
        txn.commit().map_err(|e| reclaim.target.origin.error(e))?;
        // Closed and opened again for the cache it will live with.
        drop(reclaim);
        let lock = self.opened.origin.lock.clone();
        let temporary = files::temporary(&path);
        let opened = database::open(&*self.disk, &temporary, &path, lock, self.cache_bytes)
            .map_err(|error| error.into_error(&path))?;
        if let Err(source) = files::put_in_place(&*self.disk, &path) {
            // Either file may have the name after a crash: nothing more may be promised.
            self.name_in_doubt = true;
            return Err(Error::from_io(&path, source));
        }
        self.retired = Retired::new(self.opened.origin.file.clone());
        self.opened = opened;
        self.shared.committed(&self.opened, 0, live_bytes)?;
        let after_bytes = self.opened.origin.file.used_bytes();
        Ok(Progress::Done { before_bytes: signed(before_bytes), after_bytes: signed(after_bytes) })
    }
}

impl Reclaim {
    /// Copies up to the budget; true when everything is copied.
    fn copy(&mut self, source: &Opened, mut budget_bytes: usize) -> Result<bool, Error> {
        let read = source.database.begin_read().map_err(|e| source.origin.error(e))?;
        let mut write = self.target.database.begin_write().map_err(|e| self.error(e))?;
        write.set_durability(redb::Durability::Immediate).map_err(|e| self.error(e))?;
        while self.table < Bucket::ALL.len() {
            let bucket = order(self.table);
            let part = match bucket {
                Bucket::Key => self.part(source, &read, &write, schema::ROWS, budget_bytes)?,
                _ => self.part(source, &read, &write, schema::small(bucket), budget_bytes)?,
            };
            budget_bytes = budget_bytes.saturating_sub(part.bytes);
            if part.complete {
                self.table += 1;
                self.cursor = None;
            } else {
                break;
            }
        }
        write.commit().map_err(|e| self.error(e))?;
        Ok(self.table == Bucket::ALL.len())
    }

    fn part<K: redb::Key + 'static>(
        &mut self,
        source: &Opened,
        read: &ReadTransaction,
        write: &WriteTransaction,
        definition: TableDefinition<'static, K, Blob>,
        budget_bytes: usize,
    ) -> Result<Part, Error> {
        let broken = |error: redb::Error| source.origin.error(error);
        let from = read.open_table(definition).map_err(|e| broken(e.into()))?;
        let cursor = self.cursor.take();
        let start = match &cursor {
            Some(key) => Bound::Excluded(K::from_bytes(key)),
            None => Bound::Unbounded,
        };
        let range = from
            .range::<K::SelfType<'_>>((start, Bound::Unbounded))
            .map_err(|e| broken(e.into()))?;
        let mut into = write.open_table(definition).map_err(|e| self.error(e))?;
        let end = Bound::<K::SelfType<'_>>::Unbounded;
        let mut end = into.upper_bound_mut(end).map_err(|e| self.error(e))?;
        let mut part = Part { bytes: 0, complete: true };
        let mut last = None;
        for item in range {
            let (key, value) = item.map_err(|e| broken(e.into()))?;
            part.bytes += K::as_bytes(&key.value()).as_ref().len() + value.value().len();
            end.insert_before(key.value(), value.value()).map_err(|e| self.error(e))?;
            last = Some(key);
            if part.bytes >= budget_bytes {
                part.complete = false;
                break;
            }
        }
        end.close().map_err(|e| self.error(e))?;
        self.cursor = match last {
            Some(key) => Some(K::as_bytes(&key.value()).as_ref().to_vec()),
            None => cursor,
        };
        Ok(part)
    }

    /// Repeats what was just drained, where the cursor has been.
    pub(crate) fn follow(&mut self, chunks: &[Arc<Chunk>]) {
        if self.failed.is_some() {
            return;
        }
        // A failure here is the reclaim's, not the drain's.
        self.failed = self.write(chunks).err();
    }

    fn write(&self, chunks: &[Arc<Chunk>]) -> Result<(), Error> {
        let passed = |bucket: Bucket, key: &[u8]| match place(bucket).cmp(&self.table) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => self.cursor.as_deref().is_some_and(|last| key <= last),
            std::cmp::Ordering::Greater => false,
        };
        if !chunks.iter().any(|chunk| writer::touches(chunk, &passed)) {
            return Ok(());
        }
        let write = self.target.database.begin_write().map_err(|e| self.error(e))?;
        for chunk in chunks {
            writer::write(&write, chunk, &passed).map_err(|e| self.error(e))?;
        }
        write.commit().map_err(|e| self.error(e))
    }

    fn error(&self, error: impl Into<redb::Error>) -> Error {
        self.target.origin.error(error)
    }
}

struct Part {
    bytes: usize,
    complete: bool,
}

/// Rows first: they are nearly everything, and no new row lies behind the cursor.
fn order(place: usize) -> Bucket {
    match place.checked_sub(1) {
        None => Bucket::Key,
        Some(rest) => schema::small_buckets().nth(rest).unwrap_or(Bucket::Meta),
    }
}

/// Where a bucket stands in [`order`].
fn place(bucket: Bucket) -> usize {
    match bucket {
        Bucket::Key => 0,
        other if other < Bucket::Key => other.place() + 1,
        other => other.place(),
    }
}

fn signed(bytes: u64) -> i64 {
    bytes.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_its_place_in_the_order() {
        for at in 0..Bucket::ALL.len() {
            assert_eq!(place(order(at)), at);
        }
    }
}
