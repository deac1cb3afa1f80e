//! What header blocks say, as far as it matters before the HTTP/2 library sees them: which call
//! this is, and whether the library may miss it.
//!
//! Header compression has a memory: a block may add fields that later blocks name by number. Who
//! leaves out a block that changes it puts the library out of step. So the memory is followed here,
//! without its texts: of a field only its size is kept, and what it says about the call.

mod block;
mod huffman;
mod names;
mod table;

use crate::method::Method;
use block::Reader;
use table::Table;

/// Largest block that is remembered for comparison.
const MEMO_BYTES: usize = 256;

/// A block breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What one field says about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Nothing.
    None,
    /// That it is none, or not one that is known here.
    NoCall,
    /// `:method: POST`.
    Post,
    /// `content-type: application/grpc`.
    Grpc,
    /// `:path`.
    Path(Method),
}

/// What a block says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// It begins this gRPC call.
    pub(super) call: Option<Method>,
    /// The library does not need to see it: nothing is remembered of it.
    pub(super) is_passing: bool,
}

/// Follows the memory of one connection's client.
#[derive(Default)]
pub(super) struct Tracker {
    table: Table,
    /// A block, and what it said; holds as long as the table is the same.
    memo: Vec<u8>,
    memo_said: Said,
}

impl Tracker {
    /// Reads the next block.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Said, Malformed> {
        if !block.is_empty() && block == self.memo {
            return Ok(self.memo_said);
        }
        let said = Reader::new(block).read(&mut self.table)?;
        self.memo.clear();
        if said.is_passing && block.len() <= MEMO_BYTES {
            self.memo.extend_from_slice(block);
            self.memo_said = said;
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests;
