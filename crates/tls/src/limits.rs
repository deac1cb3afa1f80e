//! Bounds of this crate, with their units.

use std::time::Duration;

/// Handshakes that one listener carries at a time; beyond it the oldest gives way.
pub const HALF_OPEN_MAX_HANDSHAKES: usize = 2048;

/// How long a handshake may stay before it can be made to give way to a newer one.
pub const HALF_OPEN_PATIENCE: Duration = Duration::from_millis(250);

/// A good value for the limit of one handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A good value for how often files are looked at.
pub const RELOAD_PERIOD: Duration = Duration::from_secs(1);

/// Largest certificate, key or revocation file, in bytes.
pub const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;
