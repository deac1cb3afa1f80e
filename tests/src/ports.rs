//! Free loopback ports for members.
//!
//! Taken from below the kernel's ephemeral range, so that an outgoing connection cannot sit on
//! a port between our check and the member's bind; and from blocks that only one test process
//! has at a time, so that another one cannot take the port of a member that is down for a while.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 15_000;
const BLOCK: u16 = 100;
const BLOCKS: u16 = 150;

/// The blocks of this process; the last one is in use.
static TAKEN: Mutex<Vec<Block>> = Mutex::new(Vec::new());

struct Block {
    /// Its first port is held for as long as this process lives: that makes it ours.
    _claim: TcpListener,
    next: u16,
    end: u16,
}

/// A port nobody listens on, not handed out before by this process.
///
/// # Panics
/// When all blocks are taken.
pub fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        while let Some(block) = taken.last_mut().filter(|block| block.next < block.end) {
            let port = block.next;
            block.next += 1;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
        let block = (0..BLOCKS).find_map(claim).expect("a block of ports is free");
        taken.push(block);
    }
}

fn claim(at: u16) -> Option<Block> {
    let first = FIRST + at * BLOCK;
    let claim = TcpListener::bind(("127.0.0.1", first)).ok()?;
    Some(Block { _claim: claim, next: first + 1, end: first + BLOCK })
}
