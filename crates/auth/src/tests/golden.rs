//! The table that the integration tests compare with the real etcd has rows for every request
//! the gate knows.

use crate::gate::Request;

const TABLE: &str = include_str!("../../../../tests/it/golden/auth_matrix.txt");

/// A request the list does not name does not compile; one without a row fails below.
macro_rules! rows {
    ($($variant:ident $(($content:tt))? => $row:literal,)*) => {
        const ROWS: &[&str] = &[$($row,)*];

        fn row(request: &Request<'_>) -> &'static str {
            match request { $(Request::$variant $(($content))? => $row,)* }
        }
    };
}

rows! {
    Range(_) => "etcdserverpb.KV/Range",
    RangeStream(_) => "etcdserverpb.KV/RangeStream",
    Put(_) => "etcdserverpb.KV/Put",
    DeleteRange(_) => "etcdserverpb.KV/DeleteRange",
    Txn(_) => "etcdserverpb.KV/Txn",
    Compact => "etcdserverpb.KV/Compact",
    WatchCreate(_) => "etcdserverpb.Watch/Watch create",
    WatchCancel => "etcdserverpb.Watch/Watch cancel",
    WatchProgress => "etcdserverpb.Watch/Watch progress",
    LeaseGrant => "etcdserverpb.Lease/LeaseGrant",
    LeaseRevoke(_) => "etcdserverpb.Lease/LeaseRevoke",
    LeaseKeepAlive(_) => "etcdserverpb.Lease/LeaseKeepAlive",
    LeaseTimeToLive(_) => "etcdserverpb.Lease/LeaseTimeToLive",
    LeaseLeases => "etcdserverpb.Lease/LeaseLeases",
    MemberAdd => "etcdserverpb.Cluster/MemberAdd",
    MemberRemove => "etcdserverpb.Cluster/MemberRemove",
    MemberUpdate => "etcdserverpb.Cluster/MemberUpdate",
    MemberPromote => "etcdserverpb.Cluster/MemberPromote",
    MemberList => "etcdserverpb.Cluster/MemberList",
    Alarm(_) => "etcdserverpb.Maintenance/Alarm",
    Status => "etcdserverpb.Maintenance/Status",
    Defragment => "etcdserverpb.Maintenance/Defragment",
    Hash => "etcdserverpb.Maintenance/Hash",
    HashKv => "etcdserverpb.Maintenance/HashKV",
    Snapshot => "etcdserverpb.Maintenance/Snapshot",
    MoveLeader => "etcdserverpb.Maintenance/MoveLeader",
    Downgrade => "etcdserverpb.Maintenance/Downgrade",
    AuthEnable => "etcdserverpb.Auth/AuthEnable",
    AuthDisable => "etcdserverpb.Auth/AuthDisable",
    AuthStatus => "etcdserverpb.Auth/AuthStatus",
    Authenticate => "etcdserverpb.Auth/Authenticate",
    UserAdd => "etcdserverpb.Auth/UserAdd",
    UserGet(_) => "etcdserverpb.Auth/UserGet",
    UserList => "etcdserverpb.Auth/UserList",
    UserDelete => "etcdserverpb.Auth/UserDelete",
    UserChangePassword => "etcdserverpb.Auth/UserChangePassword",
    UserGrantRole => "etcdserverpb.Auth/UserGrantRole",
    UserRevokeRole => "etcdserverpb.Auth/UserRevokeRole",
    RoleAdd => "etcdserverpb.Auth/RoleAdd",
    RoleGet(_) => "etcdserverpb.Auth/RoleGet",
    RoleList => "etcdserverpb.Auth/RoleList",
    RoleDelete => "etcdserverpb.Auth/RoleDelete",
    RoleGrantPermission => "etcdserverpb.Auth/RoleGrantPermission",
    RoleRevokePermission => "etcdserverpb.Auth/RoleRevokePermission",
    Lock => "v3lockpb.Lock/Lock",
    Unlock => "v3lockpb.Lock/Unlock",
    Campaign => "v3electionpb.Election/Campaign",
    Proclaim => "v3electionpb.Election/Proclaim",
    Leader => "v3electionpb.Election/Leader",
    Observe => "v3electionpb.Election/Observe",
    Resign => "v3electionpb.Election/Resign",
    HealthCheck => "grpc.health.v1.Health/Check",
    HealthList => "grpc.health.v1.Health/List",
    HealthWatch => "grpc.health.v1.Health/Watch",
    // etcd has no such call.
    Reflection => "",
    // No client can make these.
    Internal => "",
}

#[test]
fn every_request_has_rows_in_every_section() {
    assert_eq!(row(&Request::Compact), "etcdserverpb.KV/Compact");
    let sections: Vec<&str> = TABLE.split("\n[").skip(2).collect();
    assert_eq!(sections.len(), 4);
    for section in sections {
        let asked: Vec<&str> =
            section.lines().filter_map(|line| Some(line.split_once("  /")?.1)).collect();
        for row in ROWS.iter().filter(|row| !row.is_empty()) {
            let has = asked.iter().any(|asked| {
                asked.strip_prefix(row).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            assert!(has, "no row for {row}");
        }
    }
}
