//! Another database takes the place of this one: how a received snapshot becomes the state.
//!
//! ```text
//! open the new file -> rename it over ours -> sync the folder -> readers see it
//! ```
//!
//! Before the rename is durable a crash leaves the old database, whole, and the new one still
//! under its own name; afterwards the new one, whole. What was appended and not drained belongs to
//! the old state and is forgotten.

use std::path::Path;
use std::sync::Arc;

use ketch_env::{File, Open};

use crate::database;
use crate::retired::Retired;
use crate::{Drain, Error, files, schema};

impl Drain {
    /// Puts the database at `from`, made by [`crate::Backend::open`] in the same folder and closed
    /// since, in the place of this one. Durable at return, and then also what every handle reads;
    /// views taken before go on reading the old file. A reclaim under way is given up, batches not
    /// yet drained are forgotten, and so is the lock file of `from`.
    ///
    /// # Errors
    /// The database is as it was before, unless [`Drain::step`] says otherwise.
    pub fn install(&mut self, from: &Path) -> Result<(), Error> {
        let path = self.opened.origin.path.clone();
        let io = |source| Error::from_io(&path, source);
        self.check_name()?;
        self.reclaim = None;
        files::remove_temporary(&*self.disk, &path).map_err(io)?;
        let guard = self.guard(from)?;
        let lock = self.opened.origin.lock.clone();
        let opened = database::open(&*self.disk, from, &path, lock, self.cache_bytes)
            .map_err(|error| error.into_error(from))?;
        let live_bytes = database::own(&opened, schema::LIVE_BYTES_KEY)?;
        if let Err(source) = files::put_over(&*self.disk, from, &path) {
            // Either file may have the name after a crash: nothing more may be promised.
            self.name_in_doubt = true;
            return Err(Error::from_io(&path, source));
        }
        drop(guard);
        self.retired = Retired::new(self.opened.origin.file.clone());
        self.opened = opened;
        self.shared.installed(&self.opened, live_bytes)
    }

    /// Makes sure that nobody has `from` open, and keeps it so.
    fn guard(&self, from: &Path) -> Result<Option<Arc<dyn File>>, Error> {
        let io = |source| Error::from_io(from, source);
        let path = files::lock(from);
        if !self.disk.exists(&path) {
            return Ok(None);
        }
        let lock = self.disk.open(&path, Open::Existing).map_err(io)?;
        if lock.try_lock().map_err(io)? {
            return Ok(Some(lock));
        }
        let what = "database is still open where it was made".to_owned();
        Err(Error::Engine { path: from.into(), what })
    }
}
