//! One step through a segment: a record, an end, or a verdict.

use std::io;

use crate::error::Fault;
use crate::item::Item;
use crate::judge::{self, Rest};
use crate::scan::{Scan, Stop};

/// What stands at the cursor.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record and where its frame starts.
    Item(u64, Item),
    End,
    Torn {
        offset: u64,
        fault: Fault,
    },
    Corrupt {
        offset: u64,
        fault: Fault,
    },
}

/// Moves on by one record. Only the last segment may have a torn end.
pub(crate) fn step(scan: &mut Scan, is_last: bool) -> io::Result<Step> {
    loop {
        let offset = scan.offset();
        match scan.next() {
            Ok(Some(record)) => match Item::decode(&record) {
                Ok(Some(item)) => return Ok(Step::Item(offset, item)),
                Ok(None) => {}
                Err(fault) => return Ok(Step::Corrupt { offset, fault }),
            },
            Ok(None) => return end(scan, is_last),
            Err(Stop::Io(error)) => return Err(error),
            Err(Stop::Fault(fault)) if is_last && judge::is_torn(scan, fault)? => {
                return Ok(Step::Torn { offset, fault });
            }
            Err(Stop::Fault(fault)) => return Ok(Step::Corrupt { offset, fault }),
        }
    }
}

/// Segments before the last end with their file; what follows them checks the chain.
fn end(scan: &Scan, is_last: bool) -> io::Result<Step> {
    let (offset, fault) = (scan.offset(), Fault::ZeroLength);
    match judge::judge_rest(scan)? {
        Rest::Zero => Ok(Step::End),
        Rest::Torn if is_last => Ok(Step::Torn { offset, fault }),
        Rest::Torn | Rest::Damaged => Ok(Step::Corrupt { offset, fault }),
    }
}
