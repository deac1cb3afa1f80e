//! Identifiers: numbers that must not be mixed up.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

id!(
    /// A member; the first eight bytes of a SHA-1, printed as unpadded hexadecimal.
    MemberId(u64), "{:x}");
id!(
    /// A cluster; printed like a member id.
    ClusterId(u64), "{:x}");
id!(
    /// A lease; never negative, 0 means "none". Printed as 16 hexadecimal digits.
    LeaseId(i64), "{:016x}");
id!(
    /// One proposal of one member, unique for the life of the cluster.
    RequestId(u64), "{:x}");
id!(
    /// A Raft term.
    Term(u64), "{}");
id!(
    /// A place in the Raft log; the first entry is 1, 0 means "before the log".
    Index(u64), "{}");
