//! The hub over a real store: transcripts, and a twin that keeps everything in lists.

mod driver;
mod reload;
mod slow;
mod transcripts;
mod twin;
