//! Ranges: from a request to the rows of its answer, in bounded memory.
//!
//! [`query`] reads the request. [`measure`] walks the index once and finds count, number and
//! exact bytes of the rows, mostly without visiting the keys. [`selection`] then brings the rows
//! piece by piece; [`sorted`] is its other form, for the orders the index does not have.
//! [`window`] reads them in the order in which they are stored.

mod measure;
mod plan;
mod query;
mod selection;
mod sorted;
mod window;

pub(crate) use plan::signed;
pub use plan::{Plan, RangeAnswer};
pub(crate) use query::Query;
pub(crate) use selection::Selection;
pub(crate) use window::Budget;

use bytes::Bytes;
use ketch_base::RevisionKey;

use crate::error::Error;

/// Where rows come from: the storage, or a transaction that has some of its own.
pub(crate) trait Rows {
    /// The encoded row; the index says it exists.
    fn row(&self, key: RevisionKey) -> Result<Bytes, Error>;
}
