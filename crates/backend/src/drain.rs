//! The only writer of the file: moves what was appended into it.

use std::sync::Arc;

use ketch_base::Index;
use ketch_env::Disk;

use crate::backend::Shared;
use crate::buffer::Chunk;
use crate::database::{self, Opened};
use crate::reclaim::Reclaim;
use crate::retired::Retired;
use crate::{Error, schema, writer};

/// Moves changes from memory to the file. Owned by one thread, which calls [`Drain::step`] every
/// [`ketch_base::limits::BACKEND_BATCH_INTERVAL_MS`] or so.
pub struct Drain {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) opened: Opened,
    pub(crate) cache_bytes: usize,
    pub(crate) reclaim: Option<Reclaim>,
    pub(crate) retired: Retired,
    /// Which of two files bears the name after a crash is not known.
    pub(crate) name_in_doubt: bool,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rows put into the file.
    pub rows: usize,
    /// The applied index that is durable now.
    pub durable_index: Index,
    /// Whether changes are waiting for the next step.
    pub more: bool,
    /// Whether so many are waiting that the next step would be as large as a step may be. Less
    /// should be left to grow: every commit has its price in bytes, whatever its size.
    pub full: bool,
}

impl Drain {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        opened: Opened,
        cache_bytes: usize,
    ) -> Self {
        Self {
            shared,
            disk,
            opened,
            cache_bytes,
            reclaim: None,
            retired: Retired::default(),
            name_in_doubt: false,
        }
    }

    /// Moves the oldest appended batches, whole, in one durable transaction bounded in rows and
    /// bytes. Does nothing if nothing waits.
    ///
    /// # Errors
    /// After one, the database must be dropped and opened again.
    pub fn step(&mut self) -> Result<Step, Error> {
        self.check_name()?;
        self.retired.step();
        let chunks = self.shared.oldest();
        if chunks.is_empty() {
            let durable_index = self.shared.durable_index();
            return Ok(Step { rows: 0, durable_index, more: false, full: false });
        }
        let live_bytes = self.write(&chunks)?;
        if let Some(reclaim) = &mut self.reclaim {
            reclaim.follow(&chunks);
        }
        let rows = chunks.iter().map(|chunk| chunk.rows.len()).sum();
        let (durable, rest) = self.shared.committed(&self.opened, chunks.len(), live_bytes)?;
        Ok(Step { rows, durable_index: durable.index, more: rest.any, full: rest.full })
    }

    pub(crate) fn check_name(&self) -> Result<(), Error> {
        if !self.name_in_doubt {
            return Ok(());
        }
        let path = self.opened.origin.path.clone();
        let what = "a change of its name is not durable: open the database again".to_owned();
        Err(Error::Engine { path, what })
    }

    fn write(&self, chunks: &[Arc<Chunk>]) -> Result<u64, Error> {
        let origin = &self.opened.origin;
        let txn = database::begin_write(&self.opened)?;
        let mut live = self.shared.live_bytes();
        for chunk in chunks {
            let change = writer::write(&txn, chunk, &|_, _| true).map_err(|e| origin.error(e))?;
            live = live.saturating_add_signed(change);
        }
        database::put_own(origin, &txn, schema::LIVE_BYTES_KEY, live)?;
        txn.commit().map_err(|e| origin.error(e))?;
        Ok(live)
    }
}
