//! Tokens of every wrong shape, and right ones in odd shapes: whatever the real etcd makes of
//! them, ketch makes of them too.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use jsonwebtoken::Algorithm;
use ketch_proto::etcdserverpb as pb;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use prost::Message;
use tempfile::TempDir;

use crate::auth_signing::{at, hmac, hs256, part};

const SECRET: &[u8] = b"a secret for both";
const PASSWORD: &str = "a-password";

/// Makes of a good token what is to be shown.
type Shape = Box<dyn Fn(&str) -> String>;

/// A server with root and authentication on.
struct Side {
    member: Member,
    rpc: Rpc,
}

#[tokio::test]
async fn simple_tokens() -> Result<()> {
    let Some(sides) = sides("simple").await? else { return Ok(()) };
    let good = [sides[0].log_in().await?, sides[1].log_in().await?];
    let mut shapes: Vec<Shape> = Vec::new();
    for text in ["", ".", "..", "a", ".1", "1.", "a.b", "a.-1", "a.+1", "a.0", "a.1.2", "é.1"] {
        shapes.push(Box::new(move |_| text.to_owned()));
    }
    for text in ["a.99999999999999999999", "Bearer ", "Bearer", "a 1", "a.1 ", "\"a.1\""] {
        shapes.push(Box::new(move |_| text.to_owned()));
    }
    shapes.push(Box::new(str::to_owned));
    shapes.push(Box::new(|good| format!("Bearer {good}")));
    shapes.push(Box::new(|good| format!("bearer {good}")));
    shapes.push(Box::new(|good| format!("Bearer Bearer {good}")));
    shapes.push(Box::new(|good| format!("0{good}")));
    shapes.push(Box::new(|good| good.to_lowercase()));
    shapes.push(Box::new(|good| good.split('.').next().unwrap_or_default().to_owned()));
    shapes.push(Box::new(|good| format!("{}.1", good.split('.').next().unwrap_or_default())));
    shapes.extend(huge());
    same(&sides, &good, &shapes).await
}

#[tokio::test]
async fn signed_tokens() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-tokens-")?;
    let key = folder.path().join("secret");
    std::fs::write(&key, SECRET)?;
    let flag = format!("jwt,sign-method=HS256,priv-key={}", key.display());
    let Some(sides) = sides(&flag).await? else { return Ok(()) };
    let good = [sides[0].log_in().await?, sides[1].log_in().await?];
    let mut shapes: Vec<Shape> = Vec::new();
    for text in ["", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "a.1", "Bearer ", "{}.{}.{}"]
    {
        shapes.push(Box::new(move |_| text.to_owned()));
    }
    for (before, after) in [("", "."), (".", ""), ("", "="), ("", "A"), ("Bearer ", ""), (" ", "")]
    {
        shapes.push(Box::new(move |good| format!("{before}{good}{after}")));
    }
    shapes.push(Box::new(str::to_owned));
    shapes.push(Box::new(|good| good[..good.len() - 1].to_owned()));
    shapes.push(Box::new(|good| good.replacen('.', "=.", 1)));
    shapes.push(Box::new(|good| good.to_uppercase()));
    shapes.push(Box::new(|good| format!("{}.", good.rsplit_once('.').unwrap_or_default().0)));
    // The last letter's lowest bits stand for nothing: the same signature, written otherwise.
    shapes.push(Box::new(|good| {
        let last = good.bytes().next_back().unwrap_or_default();
        format!("{}{}", &good[..good.len() - 1], char::from(last + 1))
    }));
    for token in by_hand()? {
        shapes.push(Box::new(move |_| token.clone()));
    }
    shapes.extend(huge());
    same(&sides, &good, &shapes).await
}

/// Tokens over claims and headers of all kinds; `LATER` and `PAST` are times.
fn by_hand() -> Result<Vec<String>> {
    let mut all = Vec::new();
    let times = |claims: &str| {
        claims.replace("LATER", &at(3600).to_string()).replace("PAST", &at(-60).to_string())
    };
    for claims in [
        r#"{"username":"root","revision":4,"exp":LATER}"#,
        r#"{"username":"root","revision":4}"#,
        r#"{"username":"root","revision":4,"exp":PAST}"#,
        r#"{"username":"root","revision":4,"exp":0}"#,
        r#"{"username":"root","revision":4,"exp":-1}"#,
        r#"{"username":"root","revision":4,"exp":null}"#,
        r#"{"username":"root","revision":4,"exp":"LATER"}"#,
        r#"{"username":"root","revision":4,"exp":1e300}"#,
        r#"{"username":"root","revision":4,"exp":LATER.5}"#,
        r#"{"username":"root","revision":4,"nbf":LATER}"#,
        r#"{"username":"root","revision":4,"nbf":PAST}"#,
        r#"{"username":"root","revision":4,"nbf":"PAST"}"#,
        r#"{"username":"root","revision":4,"iat":LATER}"#,
        r#"{"username":"root","revision":4,"iat":"x","aud":7,"iss":[],"sub":{},"jti":null}"#,
        r#"{"username":"root","revision":4.9}"#,
        r#"{"username":"root","revision":-1}"#,
        r#"{"username":"root","revision":1e300}"#,
        r#"{"username":"root","revision":1e999}"#,
        r#"{"username":"root","revision":0}"#,
        r#"{"username":"root","revision":"4"}"#,
        r#"{"username":"root","revision":null}"#,
        r#"{"username":"root","revision":true}"#,
        r#"{"username":"root"}"#,
        r#"{"revision":4}"#,
        r#"{"username":"","revision":4}"#,
        r#"{"username":7,"revision":4}"#,
        r#"{"username":null,"revision":4}"#,
        r#"{"username":["root"],"revision":4}"#,
        r#"{"username":"who","revision":4}"#,
        r#"{"username":"ROOT","revision":4}"#,
        r#"{"username":"root\u0000","revision":4}"#,
        r#"{"Username":"root","revision":4}"#,
        r#"{"username":"who","username":"root","revision":4}"#,
        r#"{"username":"root","revision":4} "#,
        r#"{"username":"root","revision":4}x"#,
        r#"[{"username":"root","revision":4}]"#,
        r#""root""#,
        "null",
        "{}",
        "",
        "{",
    ] {
        all.push(hs256(&times(claims), SECRET)?);
    }
    all.extend(under_headers()?);
    Ok(all)
}

/// The same claims under headers of all kinds, signed and not.
fn under_headers() -> Result<Vec<String>> {
    let mut all = Vec::new();
    let claims = r#"{"username":"root","revision":4}"#;
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":7}"#,
        r#"{"alg":"HS256","typ":"x","kid":"y","crit":["exp"],"jku":"http://127.0.0.1:1"}"#,
        r#"{"alg":"hs256","typ":"JWT"}"#,
        r#"{"alg":"HS384","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"None","typ":"JWT"}"#,
        r#"{"alg":"","typ":"JWT"}"#,
        r#"{"alg":null,"typ":"JWT"}"#,
        r#"{"alg":["HS256"],"typ":"JWT"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
        "[]",
        "",
    ] {
        all.push(hmac(header, claims, Algorithm::HS256, SECRET)?);
        all.push(format!("{}.{}.", part(header), part(claims)));
    }
    all.push(hs256(claims, b"another secret")?);
    all.push(hs256(claims, b"")?);
    all.push(hmac(r#"{"alg":"HS256"}"#, claims, Algorithm::HS384, SECRET)?);
    Ok(all)
}

/// A public key is no secret: who signs by HMAC with it is nobody.
#[tokio::test]
async fn a_public_key_signs_nothing() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-rsa-")?;
    let [private, public] = ["rsa.key", "rsa.pub"].map(|name| folder.path().join(name));
    openssl(&["genrsa", "-out", &private.display().to_string(), "2048"])?;
    let pem = private.display().to_string();
    openssl(&["rsa", "-in", &pem, "-pubout", "-out", &public.display().to_string()])?;
    let files = format!("pub-key={},priv-key={pem}", public.display());
    let Some(sides) = sides(&format!("jwt,sign-method=RS256,{files}")).await? else {
        return Ok(());
    };
    let good = [sides[0].log_in().await?, sides[1].log_in().await?];
    let key = std::fs::read(&public)?;
    let claims = r#"{"username":"root","revision":4}"#;
    let mut shapes: Vec<Shape> = vec![Box::new(str::to_owned)];
    for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"RS256"}"#, r#"{"alg":"none"}"#] {
        let token = hmac(header, claims, Algorithm::HS256, &key)?;
        shapes.push(Box::new(move |_| token.clone()));
    }
    same(&sides, &good, &shapes).await?;
    let forged = hmac(r#"{"alg":"HS256"}"#, claims, Algorithm::HS256, &key)?;
    let told = sides[1].told(&forged).await;
    ensure!(told == "Unauthenticated: etcdserver: invalid auth token", "{told}");
    // Each takes what the other has signed.
    for (side, token) in sides.iter().zip([&good[1], &good[0]]) {
        let told = side.told(token).await;
        ensure!(told == "OK", "{:?}: {told}", side.member.program());
    }
    Ok(())
}

fn huge() -> Vec<Shape> {
    let make = |size: usize| -> Shape { Box::new(move |_| "a".repeat(size)) };
    [100, 1_000, 10_000].map(make).into()
}

/// What etcd would wait for, or take into memory: an index that is not in the log yet, fields of
/// megabytes. Here they are refused, and the next caller is served.
#[tokio::test]
async fn what_etcd_suffers_is_refused_at_once() -> Result<()> {
    let side = Side::open(Program::Ketch, "simple").await?;
    let good = side.log_in().await?;
    let told = side.told(&format!("{good}000")).await;
    ensure!(told == "Unauthenticated: etcdserver: invalid auth token", "{told}");
    let before = side.member.resident_peak_kib()?;
    for size in [100_000, 1_000_000, 10_000_000] {
        let told = side.told(&"a".repeat(size)).await;
        ensure!(!told.contains("OK"), "{size}: {told}");
        ensure!(side.told(&good).await == "OK", "after {size} bytes");
    }
    let grown = side.member.resident_peak_kib()?.saturating_sub(before);
    ensure!(grown < 20_000, "{grown} KiB more");
    Ok(())
}

async fn same(sides: &[Side; 2], good: &[String; 2], shapes: &[Shape]) -> Result<()> {
    let mut differences = Vec::new();
    for shape in shapes {
        let told = [sides[0].told(&shape(&good[0])).await, sides[1].told(&shape(&good[1])).await];
        let shown: String = shape(&good[1]).chars().take(150).collect();
        println!("{shown}: {}", told[0]);
        if told[0] != told[1] {
            differences.push(format!("{shown}\n etcd {}\n here {}", told[0], told[1]));
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    for side in sides {
        ensure!(side.told(&side.log_in().await?).await == "OK", "others are let in as before");
    }
    Ok(())
}

async fn sides(token: &str) -> Result<Option<[Side; 2]>> {
    if peers::find("etcd").is_none() {
        return Ok(None);
    }
    let (etcd, ours) = tokio::try_join!(
        Side::open(Program::Etcd, token),
        Side::open(Program::under_test(), token)
    )?;
    Ok(Some([etcd, ours]))
}

fn openssl(arguments: &[&str]) -> Result<()> {
    let output = Command::new("openssl").args(arguments).output().context("starting openssl")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Side {
    async fn open(program: Program, token: &str) -> Result<Self> {
        let flags = ["--auth-token", token, "--bcrypt-cost", "4", "--unsafe-no-fsync"];
        let member = Member::start(program, Options::with_flags(&flags))?;
        let rpc = Rpc::connect(&member.endpoint()).await?;
        let side = Self { member, rpc };
        let (name, password) = ("root".to_owned(), PASSWORD.to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        side.must("UserAdd", &add).await?;
        let (user, role) = ("root".to_owned(), "root".to_owned());
        side.must("UserGrantRole", &pb::AuthUserGrantRoleRequest { user, role }).await?;
        side.must("AuthEnable", &pb::AuthEnableRequest {}).await?;
        Ok(side)
    }

    async fn must(&self, name: &str, ask: &impl Message) -> Result<()> {
        let method = format!("/etcdserverpb.Auth/{name}");
        self.rpc.call_bytes(&method, ask.encode_to_vec().into()).await.context(method)?;
        Ok(())
    }

    async fn log_in(&self) -> Result<String> {
        let (name, password) = ("root".to_owned(), PASSWORD.to_owned());
        let login = pb::AuthenticateRequest { name, password };
        let answer: pb::AuthenticateResponse =
            self.rpc.call("/etcdserverpb.Auth/Authenticate", &login).await?;
        Ok(answer.token)
    }

    /// What a call for root alone gives, and one that keys decide; on a connection of its own,
    /// for a huge token may end it.
    async fn told(&self, token: &str) -> String {
        let Ok(rpc) = Rpc::connect(&self.member.endpoint()).await else {
            return "not connected".to_owned();
        };
        let rpc = rpc.with_token("token", token);
        let list = rpc.call_bytes("/etcdserverpb.Auth/UserList", bytes::Bytes::new()).await;
        let range = pb::RangeRequest { key: "a".into(), ..Default::default() };
        let range = rpc.call_bytes("/etcdserverpb.KV/Range", range.encode_to_vec().into()).await;
        let [list, range] = [list, range]
            .map(|one| one.map_or_else(|refusal| refusal.to_string(), |_| "OK".to_owned()));
        if list == range { list } else { format!("{list}, {range}") }
    }
}
