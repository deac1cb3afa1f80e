//! Binary ketchutl: offline work on snapshots.
