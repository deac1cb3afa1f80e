//! Authentication in clusters of etcd and ketch together: users and roles made through either,
//! tokens of one kind shown to the other, either kind leading; and snapshots with authentication
//! on, restored by the other kind's tool.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions, permission};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::cluster::{Cluster, PATIENCE, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::rpc::{Answer, Rpc};
use prost::Message;
use tempfile::TempDir;

const FLAGS: &[&str] = &["--bcrypt-cost", "4"];
const DENIED: &str = "etcdserver: permission denied";
const BAD_TOKEN: &str = "etcdserver: invalid auth token";
const WRONG: &str = "etcdserver: authentication failed, invalid user ID or password";

#[tokio::test]
async fn two_etcds_and_one() -> Result<()> {
    mixed([Program::Etcd, Program::under_test(), Program::Etcd]).await
}

#[tokio::test]
async fn one_etcd_and_two() -> Result<()> {
    mixed([Program::under_test(), Program::Etcd, Program::under_test()]).await
}

#[tokio::test]
async fn ours_restores_etcds_snapshot() -> Result<()> {
    restored(Program::Etcd, Program::under_test()).await
}

#[tokio::test]
async fn etcd_restores_our_snapshot() -> Result<()> {
    restored(Program::under_test(), Program::Etcd).await
}

async fn mixed(kinds: [Program; 3]) -> Result<()> {
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, FLAGS).await?;
    found(&cluster.client(0).rpc).await?;
    become_root(&mut cluster).await?;
    for (round, leader) in [1, 0, 2].into_iter().enumerate() {
        cluster.move_leader(leader).await?;
        for by in 0..3 {
            users_and_roles(&cluster, round, by).await?;
        }
        same_picture(&cluster).await?;
    }
    let before = same_picture(&cluster).await?;
    // From what each has on its own disk.
    (0..3).for_each(|at| cluster.kill(at));
    cluster.spawn_all()?;
    become_root(&mut cluster).await?;
    cluster.wait_leader().await?;
    ensure!(same_picture(&cluster).await? == before, "another picture after a restart");
    for at in 0..3 {
        let rpc = bare(&cluster, at)?;
        let user = rpc.with_token("token", &log_in(&rpc, "u20", "new").await?);
        ensure!(text(put(&user, "r20").await) == "OK", "u20 after a restart");
    }
    cluster.equal_hashes().await?;
    call(&cluster.client(1).rpc, "AuthDisable", &pb::AuthDisableRequest {}).await?;
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// A user's whole life, each step through another member than the one before.
async fn users_and_roles(cluster: &Cluster, round: usize, by: usize) -> Result<()> {
    let at = |step: usize| &cluster.client((by + step) % 3).rpc;
    let (user, role) = (format!("u{round}{by}"), format!("r{round}{by}"));
    let add = pb::AuthUserAddRequest {
        name: user.clone(),
        password: "old".to_owned(),
        ..Default::default()
    };
    call(at(0), "UserAdd", &add).await?;
    call(at(1), "RoleAdd", &pb::AuthRoleAddRequest { name: role.clone() }).await?;
    let grant = pb::AuthUserGrantRoleRequest { user: user.clone(), role: role.clone() };
    call(at(2), "UserGrantRole", &grant).await?;
    let kinds = [permission::Type::Readwrite, permission::Type::Read, permission::Type::Write];
    for (n, (key, end)) in
        [(role.as_str(), ""), ("p/", "p0"), ("a", "c"), ("a", "b"), ("x", "\0"), ("a", "c")]
            .into_iter()
            .enumerate()
    {
        let perm = Permission {
            perm_type: kinds[(n + round) % 3] as i32,
            key: Bytes::copy_from_slice(key.as_bytes()),
            range_end: Bytes::copy_from_slice(end.as_bytes()),
        };
        let perm = Some(if n == 0 { Permission { perm_type: 2, ..perm } } else { perm });
        let grant = pb::AuthRoleGrantPermissionRequest { name: role.clone(), perm };
        call(at(n), "RoleGrantPermission", &grant).await?;
    }
    let here = bare(cluster, by)?;
    let token = log_in(&here, &user, "old").await?;
    for step in 0..3 {
        let rpc = bare(cluster, (by + step) % 3)?.with_token("token", &token);
        let told = soon(async || text(put(&rpc, &role).await), "OK").await;
        ensure!(told == "OK", "{user} at {step}: {told}");
        let told = text(put(&rpc, "elsewhere").await);
        ensure!(told == DENIED, "{user} elsewhere at {step}: {told}");
    }
    let change = pb::AuthUserChangePasswordRequest {
        name: user.clone(),
        password: "new".to_owned(),
        ..Default::default()
    };
    call(at(1), "UserChangePassword", &change).await?;
    for step in 0..3 {
        let bare = bare(cluster, (by + step) % 3)?;
        let told = text(login(&bare, &user, "old").await);
        ensure!(told == WRONG, "the old password of {user} at {step}: {told}");
        let rpc = bare.with_token("token", &token);
        let told = soon(async || text(put(&rpc, &role).await), BAD_TOKEN).await;
        ensure!(told == BAD_TOKEN, "the old token of {user} at {step}: {told}");
    }
    let revoke =
        pb::AuthRoleRevokePermissionRequest { role, key: "a".into(), range_end: "b".into() };
    call(at(2), "RoleRevokePermission", &revoke).await?;
    let passing = format!("gone{round}{by}");
    let options = Some(UserAddOptions { no_password: true });
    let add = pb::AuthUserAddRequest { name: passing.clone(), options, ..Default::default() };
    call(at(0), "UserAdd", &add).await?;
    call(at(1), "UserDelete", &pb::AuthUserDeleteRequest { name: passing }).await
}

async fn restored(from: Program, to: Program) -> Result<()> {
    if !can_run(&[from, to]) {
        return Ok(());
    }
    let folder = TempDir::with_prefix("ketch-auth-restore-")?;
    let snapshot = folder.path().join("snap.db");
    let mut source = Cluster::start(&[from], FLAGS).await?;
    found(&source.client(0).rpc).await?;
    become_root(&mut source).await?;
    let role = pb::AuthRoleAddRequest { name: "r".to_owned() };
    call(&source.client(0).rpc, "RoleAdd", &role).await?;
    let before = picture(&source, 0).await?;
    let parts: Vec<pb::SnapshotResponse> = source
        .client(0)
        .rpc
        .collect("/etcdserverpb.Maintenance/Snapshot", &pb::SnapshotRequest {})
        .await?;
    let parts: Vec<u8> = parts.iter().flat_map(|part| part.blob.to_vec()).collect();
    std::fs::write(&snapshot, parts)?;
    source.finish()?;

    let kinds = [to; 3];
    let ports = kinds.map(|_| SeatPorts::free());
    let mut cluster = Cluster::prepare(&kinds, FLAGS, &ports)?;
    cluster.restore(&[&snapshot], &[])?;
    cluster.spawn_all()?;
    become_root(&mut cluster).await?;
    cluster.wait_leader().await?;
    for at in 0..3 {
        let after = picture(&cluster, at).await?;
        ensure!(after == before, "m{at}:\n{before}\n{after}");
        let rpc = bare(&cluster, at)?;
        let told = text(put(&rpc, "a").await);
        ensure!(told == "etcdserver: user name is empty", "{told}");
        let told = text(login(&rpc, "root", "wrong").await);
        ensure!(told == WRONG, "{told}");
    }
    cluster.equal_hashes().await?;
    cluster.finish()
}

async fn found(rpc: &Rpc) -> Result<()> {
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
    call(rpc, "UserAdd", &add).await?;
    let (user, role) = ("root".to_owned(), "root".to_owned());
    call(rpc, "UserGrantRole", &pb::AuthUserGrantRoleRequest { user, role }).await?;
    call(rpc, "AuthEnable", &pb::AuthEnableRequest {}).await
}

/// Logs in at every member, as soon as it lets; the cluster's own calls are root's from then on.
async fn become_root(cluster: &mut Cluster) -> Result<()> {
    for at in 0..cluster.seats().len() {
        let rpc = bare(cluster, at)?;
        let end = Instant::now() + PATIENCE;
        let token = loop {
            match log_in(&rpc, "root", "secret").await {
                Ok(token) => break token,
                Err(why) if Instant::now() > end => bail!("root at m{at}: {why}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        cluster.seat(at).client.rpc = rpc.with_token("token", &token);
    }
    Ok(())
}

/// A member's connection without credentials.
fn bare(cluster: &Cluster, at: usize) -> Result<Rpc> {
    Rpc::lazy(&cluster.seats()[at].member.endpoint())
}

/// All that users and roles are, as one member has them.
async fn picture(cluster: &Cluster, at: usize) -> Result<String> {
    let rpc = &cluster.client(at).rpc;
    let status: pb::AuthStatusResponse = ask(rpc, "AuthStatus", &pb::AuthStatusRequest {}).await?;
    let mut text = format!("enabled {} revision {}\n", status.enabled, status.auth_revision);
    let users: pb::AuthUserListResponse = ask(rpc, "UserList", &pb::AuthUserListRequest {}).await?;
    for name in users.users {
        let ask_user = pb::AuthUserGetRequest { name: name.clone() };
        let user: pb::AuthUserGetResponse = ask(rpc, "UserGet", &ask_user).await?;
        text.push_str(&format!("user {name} {:?}\n", user.roles));
    }
    let roles: pb::AuthRoleListResponse = ask(rpc, "RoleList", &pb::AuthRoleListRequest {}).await?;
    for role in roles.roles {
        let ask_role = pb::AuthRoleGetRequest { role: role.clone() };
        let found: pb::AuthRoleGetResponse = ask(rpc, "RoleGet", &ask_role).await?;
        text.push_str(&format!("role {role} {:?}\n", found.perm));
    }
    Ok(text)
}

async fn same_picture(cluster: &Cluster) -> Result<String> {
    let first = picture(cluster, 0).await?;
    for at in 1..3 {
        let other = picture(cluster, at).await?;
        ensure!(first == other, "m0 and m{at} differ:\n{first}\n{other}");
    }
    Ok(first)
}

/// An etcd member that is behind refuses what it will not refuse soon, and the other way round.
async fn soon(mut told: impl AsyncFnMut() -> String, expected: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let said = told().await;
        if said == expected || Instant::now() > end {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask<A: Message + Default>(rpc: &Rpc, name: &str, ask: &impl Message) -> Answer<A> {
    rpc.call(&format!("/etcdserverpb.Auth/{name}"), ask).await
}

async fn call(rpc: &Rpc, name: &str, ask: &impl Message) -> Result<()> {
    let method = format!("/etcdserverpb.Auth/{name}");
    rpc.call_bytes(&method, ask.encode_to_vec().into()).await.with_context(|| method.clone())?;
    Ok(())
}

async fn login(rpc: &Rpc, name: &str, password: &str) -> Answer<pb::AuthenticateResponse> {
    let login = pb::AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    ask(rpc, "Authenticate", &login).await
}

async fn log_in(rpc: &Rpc, name: &str, password: &str) -> Answer<String> {
    Ok(login(rpc, name, password).await?.token)
}

async fn put(rpc: &Rpc, key: &str) -> Answer<pb::PutResponse> {
    let put = pb::PutRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..Default::default() };
    rpc.call("/etcdserverpb.KV/Put", &put).await
}

fn text<A>(answer: Answer<A>) -> String {
    answer.map_or_else(|refusal| refusal.message, |_| "OK".to_owned())
}
