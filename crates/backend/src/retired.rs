//! The file that a reclaim replaced: its room goes back to the disk bit by bit.
//!
//! Closing a large nameless file frees all of its blocks at once, and whoever syncs another file
//! meanwhile may wait for that (measured: 135 ms for 300 MB).

use std::sync::Arc;

use crate::checked_file::CheckedFile;

/// Bytes freed at a time.
const STEP_BYTES: u64 = 32 * 1024 * 1024;

/// See the module; nothing, mostly.
#[derive(Default)]
pub(crate) struct Retired(Option<Arc<CheckedFile>>);

impl Retired {
    /// Takes over a file whose name is gone for good. Others may go on reading it.
    pub(crate) fn new(file: Arc<CheckedFile>) -> Self {
        Self(Some(file))
    }

    /// Frees some, once nobody else has the file open.
    pub(crate) fn step(&mut self) {
        let Some(file) = self.0.take_if(|file| Arc::strong_count(file) == 1) else { return };
        // Should it fail, closing it frees the rest.
        if file.give_back(STEP_BYTES).unwrap_or(false) {
            self.0 = Some(file);
        }
    }
}
