//! The whole file at once: every page has one owner, every tree can be walked.

use super::DEPTH_MAX;
use super::bucket::{Bucket, Value};
use super::error::Error;
use super::file::{File, Freelist};

impl File {
    /// Walks every tree. One bit per page of memory; a file without a free list may have pages
    /// that nobody owns (they count as free), one with a list may not.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), Error> {
        let mut owners = Owners::new(self.clone());
        owners.claim(0, 2)?;
        let Freelist { free, place } = self.freelist()?;
        if let Some((page, pages)) = place {
            owners.claim(page, pages)?;
        }
        for page in free {
            if page >= self.meta().high_water {
                return Err(
                    self.corrupt(self.offset(page), format!("free page {page} is past the end"))
                );
            }
            owners.claim(page, 1)?;
        }
        owners.claim_bucket(&self.root(), 0)?;
        if place.is_some() { owners.all_owned() } else { Ok(()) }
    }
}

struct Owners {
    file: File,
    bits: Vec<u64>,
}

impl Owners {
    fn new(file: File) -> Self {
        let words = file.meta().high_water.div_ceil(64);
        // open() saw that the file really has these pages, so this is at most 1/4096 of its size.
        let bits = vec![0; usize::try_from(words).unwrap_or(0)];
        Self { file, bits }
    }

    fn claim(&mut self, first: u64, pages: u64) -> Result<(), Error> {
        for page in first..first.saturating_add(pages) {
            let bit = 1 << (page % 64);
            let word = usize::try_from(page / 64).ok().and_then(|at| self.bits.get_mut(at));
            match word {
                Some(word) if *word & bit == 0 => *word |= bit,
                _ => {
                    let what = format!("page {page}: multiple references");
                    return Err(self.file.corrupt(self.file.offset(page), what));
                }
            }
        }
        Ok(())
    }

    fn claim_bucket(&mut self, bucket: &Bucket, depth: usize) -> Result<(), Error> {
        let mut walk = bucket.walk().remember_visited();
        if depth > DEPTH_MAX {
            return Err(walk.damage("buckets are nested too deeply"));
        }
        while let Some(item) = walk.next() {
            let (_, value) = item?;
            for (page, pages) in walk.take_visited() {
                self.claim(page, pages)?;
            }
            if let Value::Bucket(inner) = value {
                self.claim_bucket(&inner, depth + 1)?;
            }
        }
        for (page, pages) in walk.take_visited() {
            self.claim(page, pages)?;
        }
        Ok(())
    }

    fn all_owned(&self) -> Result<(), Error> {
        for page in 0..self.file.meta().high_water {
            let word = usize::try_from(page / 64).ok().and_then(|at| self.bits.get(at));
            if word.is_none_or(|word| word & (1 << (page % 64)) == 0) {
                let what = format!("page {page}: unreachable unfreed");
                return Err(self.file.corrupt(self.file.offset(page), what));
            }
        }
        Ok(())
    }
}
