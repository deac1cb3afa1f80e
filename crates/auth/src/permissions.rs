//! What one user may do with keys: all roles taken together.

use ketch_base::KeyRange;
use ketch_proto::authpb::{Permission, permission};

use crate::ranges::Ranges;

/// Read and write, each the union of what the roles give, in the order of the roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permissions {
    read: Ranges,
    write: Ranges,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Permissions {
    pub(crate) fn new<'a>(given: impl Iterator<Item = &'a Permission> + Clone) -> Self {
        let only = |access: Access| {
            let wanted = given.clone().filter(move |permission| gives(permission, access));
            Ranges::new(wanted.map(range))
        };
        Self { read: only(Access::Read), write: only(Access::Write) }
    }

    pub(crate) fn allow(&self, access: Access, range: &KeyRange) -> bool {
        match access {
            Access::Read => self.read.cover(range),
            Access::Write => self.write.cover(range),
        }
    }
}

/// A kind that we do not know gives nothing. A permission on the empty key or on a range without
/// keys, which releases before 3.5 let pass, is one among the others.
fn gives(permission: &Permission, access: Access) -> bool {
    match permission::Type::try_from(permission.perm_type) {
        Ok(permission::Type::Read) => access == Access::Read,
        Ok(permission::Type::Write) => access == Access::Write,
        Ok(permission::Type::Readwrite) => true,
        Err(_) => false,
    }
}

fn range(permission: &Permission) -> KeyRange {
    KeyRange::new(permission.key.clone(), permission.range_end.clone())
}

/// Whether a permission may be granted on these keys: any but none.
pub(crate) fn is_valid(permission: &Permission) -> bool {
    !permission.key.is_empty() && !range(permission).is_empty()
}
