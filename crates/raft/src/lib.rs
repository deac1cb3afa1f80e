//! Consensus, and nothing else.
