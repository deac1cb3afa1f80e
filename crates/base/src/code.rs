//! Every error a client can see: gRPC code, exact text, HTTP status. One table.

use std::fmt;

/// The numbers of gRPC status codes that etcd uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names are gRPC's")]
pub enum GrpcCode {
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl GrpcCode {
    /// Names of all gRPC status codes by number, as grpc-go spells them.
    pub const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];

    /// The HTTP status the JSON gateway gives for this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::ResourceExhausted => 429,
            Self::Canceled => 499,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 504,
        }
    }
}

macro_rules! codes {
    ($($name:ident => $grpc:ident, $text:literal;)*) => {
        /// One refusal, with the words clients match on.
        ///
        /// The gRPC code is the one etcd 3.7 puts on the wire, which for a few differs from the
        /// one it declares.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is its own text")]
        pub enum Code { $($name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The status code on the wire.
            pub fn grpc(self) -> GrpcCode {
                match self { $(Self::$name => GrpcCode::$grpc,)* }
            }

            /// The exact text on the wire.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    EmptyKey => InvalidArgument, "etcdserver: key is not provided";
    KeyNotFound => InvalidArgument, "etcdserver: key not found";
    ValueProvided => InvalidArgument, "etcdserver: value is provided";
    LeaseProvided => InvalidArgument, "etcdserver: lease is provided";
    TooManyOps => InvalidArgument, "etcdserver: too many operations in txn request";
    DuplicateKey => InvalidArgument, "etcdserver: duplicate key given in txn request";
    InvalidClientAPIVersion => InvalidArgument, "etcdserver: invalid client api version";
    InvalidSortOption => InvalidArgument, "etcdserver: invalid sort option";
    Compacted => OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    FutureRev => OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    NoSpace => ResourceExhausted, "etcdserver: mvcc: database space exceeded";
    LeaseNotFound => NotFound, "etcdserver: requested lease not found";
    LeaseExist => FailedPrecondition, "etcdserver: lease already exists";
    LeaseTTLTooLarge => OutOfRange, "etcdserver: too large lease TTL";
    WatchCanceled => Canceled, "etcdserver: watch canceled";
    MemberExist => FailedPrecondition, "etcdserver: member ID already exist";
    PeerURLExist => FailedPrecondition, "etcdserver: Peer URLs already exists";
    MemberNotEnoughStarted => Unknown, "etcdserver: re-configuration failed due to not enough started members";
    MemberBadURLs => InvalidArgument, "etcdserver: given member URLs are invalid";
    MemberNotFound => NotFound, "etcdserver: member not found";
    MemberNotLearner => FailedPrecondition, "etcdserver: can only promote a learner member";
    LearnerNotReady => FailedPrecondition, "etcdserver: can only promote a learner member which is in sync with leader";
    TooManyLearners => FailedPrecondition, "etcdserver: too many learner members in cluster";
    ClusterIDMismatch => FailedPrecondition, "etcdserver: cluster ID mismatch";
    RequestTooLarge => InvalidArgument, "etcdserver: request is too large";
    RequestTooManyRequests => Unknown, "etcdserver: too many requests";
    RootUserNotExist => FailedPrecondition, "etcdserver: root user does not exist";
    RootRoleNotExist => FailedPrecondition, "etcdserver: root user does not have root role";
    UserAlreadyExist => FailedPrecondition, "etcdserver: user name already exists";
    UserEmpty => InvalidArgument, "etcdserver: user name is empty";
    UserNotFound => FailedPrecondition, "etcdserver: user name not found";
    RoleAlreadyExist => FailedPrecondition, "etcdserver: role name already exists";
    RoleNotFound => FailedPrecondition, "etcdserver: role name not found";
    RoleEmpty => InvalidArgument, "etcdserver: role name is empty";
    AuthFailed => InvalidArgument, "etcdserver: authentication failed, invalid user ID or password";
    PermissionNotGiven => InvalidArgument, "etcdserver: permission not given";
    PermissionDenied => PermissionDenied, "etcdserver: permission denied";
    RoleNotGranted => FailedPrecondition, "etcdserver: role is not granted to the user";
    PermissionNotGranted => FailedPrecondition, "etcdserver: permission is not granted to the role";
    AuthNotEnabled => FailedPrecondition, "etcdserver: authentication is not enabled";
    InvalidAuthToken => Unauthenticated, "etcdserver: invalid auth token";
    InvalidAuthMgmt => InvalidArgument, "etcdserver: invalid auth management";
    AuthOldRevision => InvalidArgument, "etcdserver: revision of auth store is old";
    NoLeader => Unavailable, "etcdserver: no leader";
    NotLeader => FailedPrecondition, "etcdserver: not leader";
    LeaderChanged => Unavailable, "etcdserver: leader changed";
    NotCapable => FailedPrecondition, "etcdserver: not capable";
    Stopped => Unavailable, "etcdserver: server stopped";
    Timeout => Unavailable, "etcdserver: request timed out";
    TimeoutDueToLeaderFail => Unavailable, "etcdserver: request timed out, possibly due to previous leader failure";
    TimeoutDueToConnectionLost => Unavailable, "etcdserver: request timed out, possibly due to connection lost";
    TimeoutWaitAppliedIndex => Unavailable, "etcdserver: request timed out, waiting for the applied index took too long";
    Unhealthy => Unavailable, "etcdserver: unhealthy cluster";
    Corrupt => DataLoss, "etcdserver: corrupt cluster";
    NotSupportedForLearner => FailedPrecondition, "etcdserver: rpc not supported for learner";
    BadLeaderTransferee => FailedPrecondition, "etcdserver: bad leader transferee";
    WrongDowngradeVersionFormat => InvalidArgument, "etcdserver: wrong downgrade target version format";
    InvalidDowngradeTargetVersion => InvalidArgument, "etcdserver: invalid downgrade target version";
    ClusterVersionUnavailable => FailedPrecondition, "etcdserver: cluster version not found during downgrade";
    DowngradeInProcess => FailedPrecondition, "etcdserver: cluster has a downgrade job in progress";
    NoInflightDowngrade => FailedPrecondition, "etcdserver: no inflight downgrade job";
    Canceled => Canceled, "etcdserver: request canceled";
    DeadlineExceeded => DeadlineExceeded, "etcdserver: context deadline exceeded";
    NoPasswordUser => Unknown, "auth: authentication failed, password was given for no password user";
    PasswordTooLong => Unknown, "bcrypt: password length exceeds 72 bytes";
    UnknownMethod => Unknown, "etcdserver: unknown method";
    TimeoutLeaderTransfer => Unknown, "etcdserver: request timed out, leader transfer took too long";
    NotPrimary => Unknown, "not a primary lessor";
    RangeStreamSort => Unimplemented, "RangeStream does not support custom sort orders";
    RangeStreamFilters => Unimplemented, "RangeStream does not support revision filters";
    ElectionNoLeader => Unknown, "election: no leader";
    ElectionLeaderMissing => Unknown, "\"leader\" field must be provided";
    SessionLeaseNotFound => Unknown, "etcdserver: requested lease not found";
    HealthUnknownService => NotFound, "unknown service";
    WatchEmptyRange => Unknown, "mvcc: watcher range is empty";
    WatchDuplicateId => Unknown, "mvcc: duplicate watch ID provided on the WatchStream";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Code {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_unique_but_for_the_session_twin() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|c| c.text()).collect();
        texts.sort_unstable();
        let total = texts.len();
        texts.dedup();
        assert_eq!(total - texts.len(), 1, "only lease-not-found has a twin with another code");
    }

    #[test]
    fn wire_codes_follow_the_observed_server() {
        let check = |code: Code, grpc: i32, http: u16| {
            assert_eq!((code.grpc() as i32, code.grpc().http_status()), (grpc, http), "{code}");
        };
        check(Code::EmptyKey, 3, 400);
        check(Code::Compacted, 11, 400);
        check(Code::NoSpace, 8, 429);
        check(Code::MemberNotEnoughStarted, 2, 500);
        check(Code::RequestTooManyRequests, 2, 500);
        check(Code::NoLeader, 14, 503);
    }
}
