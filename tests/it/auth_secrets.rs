//! What is secret is in no log, at whatever level, no metric and no refusal: passwords, tokens
//! of both kinds, hashes, the keys that sign.

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::{Answer, Rpc};
use prost::Message;
use tempfile::TempDir;

const PASSWORDS: [&str; 4] = ["pass-one-4711", "pass-two-4712", "wrong-4713", "hash-4714"];
const KEY: &str = "key-that-signs-4715";

#[tokio::test]
async fn of_simple_tokens() -> Result<()> {
    story("simple").await
}

#[tokio::test]
async fn of_signed_tokens() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-secrets-")?;
    let key = folder.path().join("secret");
    std::fs::write(&key, KEY)?;
    story(&format!("jwt,sign-method=HS256,priv-key={}", key.display())).await
}

async fn story(token: &str) -> Result<()> {
    let flags = ["--auth-token", token, "--bcrypt-cost", "4", "--log-level", "debug"];
    let mut member = Member::start(Program::Ketch, Options::with_flags(&flags))?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let mut said = Vec::new();
    let mut secrets: Vec<String> = PASSWORDS.iter().map(|text| (*text).to_owned()).collect();
    secrets.push(KEY.to_owned());
    said.push(tell(&rpc, "UserAdd", &user("root", PASSWORDS[0])).await);
    said.push(tell(&rpc, "UserAdd", &user("root", PASSWORDS[0])).await);
    said.push(tell(&rpc, "UserAdd", &user("", PASSWORDS[0])).await);
    said.push(tell(&rpc, "UserAdd", &user("ann", &PASSWORDS[1].repeat(9))).await);
    said.push(tell(&rpc, "UserAdd", &user("ann", PASSWORDS[1])).await);
    let (name, role) = ("root".to_owned(), "root".to_owned());
    let grant = pb::AuthUserGrantRoleRequest { user: name, role };
    said.push(tell(&rpc, "UserGrantRole", &grant).await);
    said.push(tell(&rpc, "AuthEnable", &pb::AuthEnableRequest {}).await);
    let mut tokens = Vec::new();
    for (name, password) in [
        ("root", PASSWORDS[0]),
        ("ann", PASSWORDS[1]),
        ("ann", PASSWORDS[2]),
        ("who", PASSWORDS[2]),
    ] {
        let (name, password) = (name.to_owned(), password.to_owned());
        let login = pb::AuthenticateRequest { name, password };
        match ask::<pb::AuthenticateResponse>(&rpc, "Authenticate", &login).await {
            Ok(answer) => tokens.push(answer.token),
            Err(refusal) => said.push(refusal.to_string()),
        }
    }
    ensure!(tokens.len() == 2, "two log in");
    for token in &tokens {
        let here = rpc.with_token("token", token);
        let change = |password: &str, hash: &str| pb::AuthUserChangePasswordRequest {
            name: "ann".to_owned(),
            password: password.to_owned(),
            hashed_password: hash.to_owned(),
        };
        said.push(tell(&here, "UserChangePassword", &change(PASSWORDS[2], "")).await);
        said.push(tell(&here, "UserChangePassword", &change("", PASSWORDS[3])).await);
        said.push(tell(&here, "UserList", &pb::AuthUserListRequest {}).await);
        let cut = rpc.with_token("token", &token[..token.len() - 2]);
        said.push(tell(&cut, "UserList", &pb::AuthUserListRequest {}).await);
        let field = rpc.with_token("authorization", &format!("Bearer {token}x"));
        said.push(tell(&field, "UserList", &pb::AuthUserListRequest {}).await);
    }
    let health = member.http_get("/health")?.1;
    let vars = member.http_get("/debug/vars")?.1;
    let metrics = member.http_get("/metrics")?.1;
    member.terminate()?;
    member.restart()?;
    member.terminate()?;
    secrets.extend(secret_parts(&tokens));
    // What a bcrypt hash begins with, as it is and as base64 has it.
    secrets.extend(["$2a$04$".to_owned(), "JDJhJDA0J".to_owned()]);
    let places = [
        ("the log", member.log()),
        ("/metrics", metrics),
        ("/health", health),
        ("/debug/vars", vars),
        ("a refusal", said.join("\n")),
    ];
    ensure!(places[0].1.contains("invalid authentication request"), "the log tells nothing");
    for (place, text) in places {
        clean(place, &text, &secrets)?;
    }
    Ok(())
}

/// What of a token is random, or signed.
fn secret_parts(tokens: &[String]) -> Vec<String> {
    let mut parts: Vec<String> =
        tokens.iter().flat_map(|token| token.split('.').map(str::to_owned)).collect();
    // An entry's index, a header and claims are no secrets; a prefix and a signature are.
    parts.retain(|part| part.len() > 8 && !part.starts_with("eyJ"));
    parts
}

fn clean(place: &str, text: &str, secrets: &[String]) -> Result<()> {
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret.as_str()));
        ensure!(line.is_none(), "{secret} is in {place}: {}", line.unwrap_or_default());
    }
    Ok(())
}

fn user(name: &str, password: &str) -> pb::AuthUserAddRequest {
    let (name, password) = (name.to_owned(), password.to_owned());
    pb::AuthUserAddRequest { name, password, ..Default::default() }
}

async fn ask<A: Message + Default>(rpc: &Rpc, name: &str, ask: &impl Message) -> Answer<A> {
    rpc.call(&format!("/etcdserverpb.Auth/{name}"), ask).await
}

async fn tell(rpc: &Rpc, name: &str, ask: &impl Message) -> String {
    let method = format!("/etcdserverpb.Auth/{name}");
    let answer = rpc.call_bytes(&method, ask.encode_to_vec().into()).await.context(method);
    answer.map_or_else(|refusal| format!("{refusal:#}"), |_| "OK".to_owned())
}
