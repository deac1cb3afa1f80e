//! Users and roles in a cluster: a token of one member counts on all, at once; what was taken
//! away stays taken away wherever it is tried; root's rules.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ketch_proto::authpb::{Permission, permission};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use ketch_tests::rpc::{Answer, Rpc};
use prost::Message;

async fn ask<A: Message + Default>(rpc: &Rpc, method: &str, ask: &impl Message) -> Answer<A> {
    rpc.call(&format!("/etcdserverpb.{method}"), ask).await
}

async fn log_in(rpc: &Rpc, name: &str, password: &str) -> Result<String> {
    let login = pb::AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    let answer: pb::AuthenticateResponse = ask(rpc, "Auth/Authenticate", &login).await?;
    Ok(answer.token)
}

async fn put(rpc: &Rpc, key: &str) -> Answer<pb::PutResponse> {
    let put = pb::PutRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..Default::default() };
    ask(rpc, "KV/Put", &put).await
}

async fn get(rpc: &Rpc, key: &str) -> Answer<pb::RangeResponse> {
    let key = Bytes::copy_from_slice(key.as_bytes());
    ask(rpc, "KV/Range", &pb::RangeRequest { key, ..Default::default() }).await
}

async fn found(rpc: &Rpc) -> Result<()> {
    for name in ["root", "user"] {
        let (name, password) = (name.to_owned(), "secret".to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        let _: pb::AuthUserAddResponse = ask(rpc, "Auth/UserAdd", &add).await?;
    }
    let role = pb::AuthRoleAddRequest { name: "role".to_owned() };
    let _: pb::AuthRoleAddResponse = ask(rpc, "Auth/RoleAdd", &role).await?;
    for (user, role) in [("root", "root"), ("user", "role")] {
        let grant = pb::AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        let _: pb::AuthUserGrantRoleResponse = ask(rpc, "Auth/UserGrantRole", &grant).await?;
    }
    let _: pb::AuthEnableResponse = ask(rpc, "Auth/AuthEnable", &pb::AuthEnableRequest {}).await?;
    Ok(())
}

fn text<A>(answer: Answer<A>) -> String {
    answer.map_or_else(|refusal| refusal.message, |_| "OK".to_owned())
}

#[tokio::test]
async fn every_member_knows_at_once() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let cluster = Cluster::start(&kinds, &["--bcrypt-cost", "4"]).await?;
    let rpcs: Vec<Rpc> = (0..3).map(|at| cluster.client(at).rpc.clone()).collect();
    found(&rpcs[0]).await?;
    for round in 0..30 {
        let (by, other) = (&rpcs[round % 3], &rpcs[(round + 1) % 3]);
        let third = &rpcs[(round + 2) % 3];
        ensure!(text(put(other, "a").await) == "etcdserver: user name is empty");
        let token = log_in(by, "root", "secret").await.context("root logs in")?;
        let root = other.with_token("token", &token);
        let user = log_in(third, "user", "secret").await.context("the user logs in")?;
        let user_there = other.with_token("token", &user);
        let user_here = by.with_token("token", &user);
        let denied = "etcdserver: permission denied";
        ensure!(text(put(&user_there, "a").await) == denied, "round {round}: before the grant");
        let perm = Permission {
            perm_type: permission::Type::Readwrite as i32,
            key: "a".into(),
            range_end: Bytes::new(),
        };
        let name = "role".to_owned();
        let grant = pb::AuthRoleGrantPermissionRequest { name, perm: Some(perm) };
        let _: pb::AuthRoleGrantPermissionResponse =
            ask(&root, "Auth/RoleGrantPermission", &grant).await?;
        // A read waits for what was committed; a write may meet an older view of its caller.
        ensure!(text(get(&user_here, "a").await) == "OK", "round {round}: read where it is new");
        ensure!(text(put(&user_here, "a").await) == "OK", "round {round}: write after that");
        let revoke = pb::AuthRoleRevokePermissionRequest {
            role: "role".to_owned(),
            key: "a".into(),
            range_end: Bytes::new(),
        };
        let _: pb::AuthRoleRevokePermissionResponse =
            ask(&root, "Auth/RoleRevokePermission", &revoke).await?;
        for rpc in [&user_here, &user_there] {
            ensure!(text(get(rpc, "a").await) == denied, "round {round}: read after all");
            let refused = text(put(rpc, "a").await);
            ensure!(refused == denied, "round {round}: write after all: {refused}");
        }
    }
    let root = rpcs[1].with_token("token", &log_in(&rpcs[0], "root", "secret").await?);
    let delete = pb::AuthUserDeleteRequest { name: "root".to_owned() };
    let refused = text(ask::<pb::AuthUserDeleteResponse>(&root, "Auth/UserDelete", &delete).await);
    ensure!(refused == "etcdserver: invalid auth management", "{refused}");
    for seat in cluster.seats() {
        ensure!(!seat.member.log().contains("secret"), "a password is in the log");
    }
    cluster.finish()
}
