//! What a `RangeRequest` means, once and for all.

use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::RangeRequest;
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use crate::index::{Birth, History, Version};
use crate::row;

/// A request, read.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) range: KeyRange,
    /// The resolved revision.
    pub(crate) at: i64,
    /// Most rows of the answer; `u64::MAX` if there is no limit.
    pub(crate) limit: u64,
    pub(crate) sort: Option<Sort>,
    /// Rows, first in key order, that are looked at before they are sorted.
    pub(crate) sorted_rows: u64,
    pub(crate) rows: What,
    filter: Option<Filter>,
}

/// What is wanted of each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Nothing: how many there are.
    Count,
    /// The row as stored.
    Whole,
    /// Key, revisions and version; the index has all of it. No lease: etcd leaves it out too.
    Name,
    /// As stored, but for the value. Only when sorting by value: the rows are read anyway, and
    /// etcd then keeps the lease.
    Bare,
}

/// An order other than ascending by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) target: SortTarget,
    pub(crate) descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filter {
    modified: Bounds,
    created: Bounds,
}

/// Both inclusive; 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    min: i64,
    max: i64,
}

impl Query {
    /// Reads a request at an already resolved revision.
    ///
    /// # Errors
    /// `InvalidSortOption` for numbers that are no order or target.
    pub(crate) fn new(request: &RangeRequest, at: i64) -> Result<Self, Code> {
        let target = SortTarget::try_from(request.sort_target);
        let order = SortOrder::try_from(request.sort_order);
        let (Ok(target), Ok(order)) = (target, order) else {
            return Err(Code::InvalidSortOption);
        };
        let by_value = target == SortTarget::Value;
        let rows = match (request.count_only, request.keys_only) {
            (true, _) => What::Count,
            (_, true) => {
                if by_value {
                    What::Bare
                } else {
                    What::Name
                }
            }
            _ => What::Whole,
        };
        // A target other than the key sorts even without an order, and then upwards.
        let descending = order == SortOrder::Descend;
        let sorts = target != SortTarget::Key || descending;
        let limit = u64::try_from(request.limit).ok().filter(|n| *n > 0).unwrap_or(u64::MAX);
        let filter = Filter::new(request);
        // etcd fetches one row more than the limit where neither order nor filter is given, and
        // sorts those by the target all the same.
        let cuts_first = order == SortOrder::None && filter.is_none();
        Ok(Self {
            range: KeyRange::new(request.key.clone(), request.range_end.clone()),
            at,
            limit,
            sort: sorts.then_some(Sort { target, descending }),
            sorted_rows: if cuts_first { limit.saturating_add(1) } else { u64::MAX },
            rows,
            filter,
        })
    }

    /// Whether every visible key is in the answer, as it is stored.
    pub(crate) fn is_plain(&self) -> bool {
        self.filter.is_none() && self.rows == What::Whole
    }

    /// Whether a version passes the revision filters.
    pub(crate) fn admits(&self, version: Version, birth: impl FnOnce() -> Birth) -> bool {
        let Some(filter) = self.filter else { return true };
        filter.modified.contain(version.main())
            && (filter.created.is_open() || filter.created.contain(birth().create))
    }

    /// Bytes of the row in the answer, as far as the index alone can tell.
    pub(crate) fn row_bytes(
        &self,
        key_bytes: usize,
        history: &History,
        place: usize,
        version: Version,
    ) -> u32 {
        if self.rows != What::Name {
            return version.length();
        }
        let birth = history.birth(place);
        let bytes = row::length(key_bytes, 0, birth.create, version.main(), birth.number);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Sort {
    /// Only this order needs the rows themselves.
    pub(crate) fn is_by_value(self) -> bool {
        self.target == SortTarget::Value
    }
}

impl Filter {
    fn new(request: &RangeRequest) -> Option<Self> {
        let filter = Self {
            modified: Bounds { min: request.min_mod_revision, max: request.max_mod_revision },
            created: Bounds { min: request.min_create_revision, max: request.max_create_revision },
        };
        let open = filter.modified.is_open() && filter.created.is_open();
        (!open).then_some(filter)
    }
}

impl Bounds {
    fn is_open(self) -> bool {
        self.min == 0 && self.max == 0
    }

    fn contain(self, revision: i64) -> bool {
        (self.min == 0 || revision >= self.min) && (self.max == 0 || revision <= self.max)
    }
}
