//! The hub over a real store: transcripts, and a twin that keeps everything in lists.

mod driver;
mod slow;
mod transcripts;
mod twin;
