//! Free loopback ports for members.
//!
//! Taken from below the kernel's ephemeral range, so that an outgoing connection cannot sit on
//! a port between our check and the member's bind.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port nobody listens on, not handed out before by this process.
///
/// # Panics
/// When every port of the range is taken.
pub fn free_port() -> u16 {
    // Two test processes at once start at different places.
    let start = (std::process::id() as u16).wrapping_mul(977) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
