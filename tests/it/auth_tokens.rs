//! Signed tokens: ketch takes those of the real etcd and gives such itself; none that is not
//! signed by its key with its method.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use prost::Message;
use tonic::Code;

const BAD: &str = "Unauthenticated: etcdserver: invalid auth token";

/// A member with root and authentication on, and a token of root.
async fn member(program: Program, folder: &Path, secret: &str, method: &str) -> Result<Signed> {
    let key = folder.join(secret);
    std::fs::write(&key, secret)?;
    let token = format!("jwt,sign-method={method},priv-key={},ttl=10m", key.display());
    let flags = ["--auth-token", &token, "--bcrypt-cost", "4"];
    let member = Member::start(program, Options::with_flags(&flags))?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let (name, password) = (|| "root".to_owned(), "a-password".to_owned());
    let user = pb::AuthUserAddRequest { name: name(), password, ..Default::default() };
    call(&rpc, "UserAdd", &user).await?;
    let grant = pb::AuthUserGrantRoleRequest { user: name(), role: name() };
    call(&rpc, "UserGrantRole", &grant).await?;
    call(&rpc, "AuthEnable", &pb::AuthEnableRequest {}).await?;
    let login = pb::AuthenticateRequest { name: name(), password: "a-password".to_owned() };
    let answer: pb::AuthenticateResponse =
        rpc.call("/etcdserverpb.Auth/Authenticate", &login).await.context("root logs in")?;
    Ok(Signed { member, rpc, token: answer.token })
}

struct Signed {
    member: Member,
    rpc: Rpc,
    token: String,
}

async fn call(rpc: &Rpc, name: &str, ask: &impl Message) -> Result<()> {
    let method = format!("/etcdserverpb.Auth/{name}");
    rpc.call_bytes(&method, ask.encode_to_vec().into()).await.context(method)?;
    Ok(())
}

impl Signed {
    async fn with(&self, token: &str) -> String {
        let rpc = self.rpc.with_token("token", token);
        let asked = rpc.call_bytes("/etcdserverpb.Auth/UserList", bytes::Bytes::new()).await;
        asked.map_or_else(|refusal| refusal.to_string(), |_| format!("{:?}", Code::Ok))
    }
}

#[tokio::test]
async fn signed_tokens() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let etcd = member(Program::Etcd, folder.path(), "one", "HS256").await?;
    let ours = member(Program::under_test(), folder.path(), "one", "HS256").await?;
    let other_key = member(Program::under_test(), folder.path(), "another", "HS256").await?;
    let other_method = member(Program::under_test(), folder.path(), "one", "HS384").await?;
    let payload = ours.token.split('.').nth(1).context("three parts")?.to_owned();
    let cut = &ours.token[..ours.token.len() - 4];
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    for (token, expected) in [
        (ours.token.as_str(), "Ok"),
        (&etcd.token, "Ok"),
        (&other_key.token, BAD),
        (&other_method.token, BAD),
        (cut, BAD),
        (&none, BAD),
        ("simple.1", BAD),
        ("", BAD),
        ("..", BAD),
    ] {
        for signed in [&etcd, &ours] {
            let answer = signed.with(token).await;
            ensure!(answer == expected, "{:?} {token}: {answer}", signed.member.program());
        }
    }
    for signed in [&ours, &other_key] {
        let log = signed.member.log();
        ensure!(!log.contains("a-password") && !log.contains(&payload), "a secret is in the log");
    }
    Ok(())
}
