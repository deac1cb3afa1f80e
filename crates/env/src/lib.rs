//! The outside world as traits: clock, randomness, disk.
