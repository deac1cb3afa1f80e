//! Every RPC the port answers, as one closed enum with its names.

/// How messages flow in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request, one response.
    Unary,
    /// One request, many responses.
    ServerStream,
    /// Many of both.
    BidiStream,
}

impl Kind {
    /// The `grpc_type` label of the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}

macro_rules! methods {
    ($($package:literal $service:ident { $($variant:ident = $name:literal $kind:ident,)* })*) => {
        /// One RPC.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are etcd's")]
        pub enum Method { $($($variant,)*)* }

        impl Method {
            /// Every method; `ALL[m.index()] == m`.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The full service name, e.g. `etcdserverpb.KV`.
            pub fn service(self) -> &'static str {
                match self {
                    $($(Self::$variant)|* => concat!($package, ".", stringify!($service)),)*
                }
            }

            /// The method name, e.g. `Range`.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// How its messages flow.
            pub fn kind(self) -> Kind {
                match self { $($(Self::$variant => Kind::$kind,)*)* }
            }

            /// Finds `/package.Service/Method`.
            pub fn from_path(path: &str) -> Option<Self> {
                match path {
                    $($(concat!("/", $package, ".", stringify!($service), "/", $name) =>
                        Some(Self::$variant),)*)*
                    _ => None,
                }
            }

            /// Whether any method belongs to this service.
            pub fn is_service(name: &str) -> bool {
                matches!(name, $(concat!($package, ".", stringify!($service)))|*)
            }
        }
    };
}

methods! {
    "etcdserverpb" KV {
        Range = "Range" Unary,
        RangeStream = "RangeStream" ServerStream,
        Put = "Put" Unary,
        DeleteRange = "DeleteRange" Unary,
        Txn = "Txn" Unary,
        Compact = "Compact" Unary,
    }
    "etcdserverpb" Watch {
        Watch = "Watch" BidiStream,
    }
    "etcdserverpb" Lease {
        LeaseGrant = "LeaseGrant" Unary,
        LeaseRevoke = "LeaseRevoke" Unary,
        LeaseKeepAlive = "LeaseKeepAlive" BidiStream,
        LeaseTimeToLive = "LeaseTimeToLive" Unary,
        LeaseLeases = "LeaseLeases" Unary,
    }
    "etcdserverpb" Cluster {
        MemberAdd = "MemberAdd" Unary,
        MemberRemove = "MemberRemove" Unary,
        MemberUpdate = "MemberUpdate" Unary,
        MemberList = "MemberList" Unary,
        MemberPromote = "MemberPromote" Unary,
    }
    "etcdserverpb" Maintenance {
        Alarm = "Alarm" Unary,
        Status = "Status" Unary,
        Defragment = "Defragment" Unary,
        Hash = "Hash" Unary,
        HashKv = "HashKV" Unary,
        Snapshot = "Snapshot" ServerStream,
        MoveLeader = "MoveLeader" Unary,
        Downgrade = "Downgrade" Unary,
    }
    "etcdserverpb" Auth {
        AuthEnable = "AuthEnable" Unary,
        AuthDisable = "AuthDisable" Unary,
        AuthStatus = "AuthStatus" Unary,
        Authenticate = "Authenticate" Unary,
        UserAdd = "UserAdd" Unary,
        UserGet = "UserGet" Unary,
        UserList = "UserList" Unary,
        UserDelete = "UserDelete" Unary,
        UserChangePassword = "UserChangePassword" Unary,
        UserGrantRole = "UserGrantRole" Unary,
        UserRevokeRole = "UserRevokeRole" Unary,
        RoleAdd = "RoleAdd" Unary,
        RoleGet = "RoleGet" Unary,
        RoleList = "RoleList" Unary,
        RoleDelete = "RoleDelete" Unary,
        RoleGrantPermission = "RoleGrantPermission" Unary,
        RoleRevokePermission = "RoleRevokePermission" Unary,
    }
    "v3lockpb" Lock {
        Lock = "Lock" Unary,
        Unlock = "Unlock" Unary,
    }
    "v3electionpb" Election {
        Campaign = "Campaign" Unary,
        Proclaim = "Proclaim" Unary,
        Leader = "Leader" Unary,
        Observe = "Observe" ServerStream,
        Resign = "Resign" Unary,
    }
    "grpc.health.v1" Health {
        HealthCheck = "Check" Unary,
        HealthList = "List" Unary,
        HealthWatch = "Watch" ServerStream,
    }
}

impl Method {
    /// Dense number from 0, for arrays of counters.
    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for (at, method) in Method::ALL.iter().enumerate() {
            assert_eq!(method.index(), at);
            let path = format!("/{}/{}", method.service(), method.name());
            assert_eq!(Method::from_path(&path), Some(*method));
            assert!(Method::is_service(method.service()));
        }
        assert_eq!(Method::from_path("/etcdserverpb.KV/Nope"), None);
        assert!(!Method::is_service("foo.Bar"));
    }
}
