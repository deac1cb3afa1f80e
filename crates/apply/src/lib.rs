//! The replicated state machine: entry in, answer and events out.
