//! The buckets of the database, under etcd's names.

/// One named set of keys and values. Variants stand in the byte order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Active alarms.
    Alarm,
    /// Whether authentication is on, and its revision.
    Auth,
    /// Roles with their permissions.
    AuthRoles,
    /// Users with password hashes and roles.
    AuthUsers,
    /// Cluster version and downgrade state.
    Cluster,
    /// Rows: every change of every key, by revision.
    Key,
    /// Leases.
    Lease,
    /// Members.
    Members,
    /// Members that were removed and must not come back.
    MembersRemoved,
    /// Applied index, term, configuration, versions, compaction progress.
    Meta,
}

impl Bucket {
    /// Every bucket, in name order: the order in which `Maintenance.Hash` walks them.
    pub const ALL: [Self; 10] = [
        Self::Alarm,
        Self::Auth,
        Self::AuthRoles,
        Self::AuthUsers,
        Self::Cluster,
        Self::Key,
        Self::Lease,
        Self::Members,
        Self::MembersRemoved,
        Self::Meta,
    ];

    /// The name in a snapshot file and in hashes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Auth => "auth",
            Self::AuthRoles => "authRoles",
            Self::AuthUsers => "authUsers",
            Self::Cluster => "cluster",
            Self::Key => "key",
            Self::Lease => "lease",
            Self::Members => "members",
            Self::MembersRemoved => "members_removed",
            Self::Meta => "meta",
        }
    }

    /// The bucket of that name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.name().as_bytes() == name)
    }

    pub(crate) const fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_in_name_order_and_complete() {
        assert!(Bucket::ALL.windows(2).all(|w| w[0].name() < w[1].name() && w[0] < w[1]));
        for (place, bucket) in Bucket::ALL.into_iter().enumerate() {
            assert_eq!(bucket.place(), place);
            assert_eq!(Bucket::from_name(bucket.name().as_bytes()), Some(bucket));
        }
        assert_eq!(Bucket::from_name(b"test"), None);
    }
}
