//! The audit log of a running member: a story of users, line by line; and secrets planted in
//! every field of every request, none of which may come out anywhere.

mod secrets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use ketch_tests::schema::Method;
use prost::Message;
use rustix::process::Signal;

/// How long a line may take to the file; the member writes ten times a second.
const LINE_LIMIT: Duration = Duration::from_secs(30);

/// A member with an audit log beside its data.
struct Audited {
    member: Member,
    rpc: Rpc,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Audited {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("audit.log");
        let flags = ["--audit-log-path", &path.display().to_string(), "--bcrypt-cost", "4"];
        let member = Member::start(Program::Ketch, Options::with_flags(&flags))?;
        let rpc = Rpc::connect(&member.endpoint()).await?;
        Ok(Self { member, rpc, path, _folder: folder })
    }

    async fn wait_for_line(&self, part: &str) -> Result<()> {
        let begun = std::time::Instant::now();
        while !read(&self.path).contains(part) {
            ensure!(begun.elapsed() < LINE_LIMIT, "no {part:?} in {}", read(&self.path));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// `KV/Put key: "a"`; refusals are what the log is asked about.
async fn say(rpc: &Rpc, line: &str) -> Result<()> {
    let (name, request) = line.split_once(' ').unwrap_or((line, ""));
    let method = Method::find(name)?;
    let _ = rpc.call_bytes(&method.path(), method.parse(request)?).await;
    Ok(())
}

async fn log_in(rpc: &Rpc, name: &str, password: &str) -> Result<Rpc> {
    let login = pb::AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    let answer: pb::AuthenticateResponse =
        rpc.call("/etcdserverpb.Auth/Authenticate", &login).await.context("logs in")?;
    Ok(rpc.with_token("token", &answer.token))
}

/// The lines without what differs from run to run, and without what all have alike.
fn bare(log: &str) -> Vec<String> {
    log.lines()
        .map(|line| {
            let (_, line) = line.split_once("Z\",").unwrap_or(("", line));
            let line = line.rsplit_once(",\"took_us\":").map_or(line, |(line, _)| line);
            let Some((head, tail)) = line.split_once(",\"remote\":\"127.0.0.1:") else {
                return line.to_owned();
            };
            let tail = tail.split_once('"').map_or(tail, |(_, tail)| tail);
            format!("{head}{tail}").replace("\"rpc\":\"/etcdserverpb.", "\"")
        })
        .collect()
}

const FOUNDING: [&str; 8] = [
    "Auth/UserAdd name: 'root' password: 'pw-of-root'",
    "Auth/UserGrantRole user: 'root' role: 'root'",
    "Auth/UserAdd name: 'al' password: 'pw-of-al'",
    "Auth/RoleAdd name: 'r'",
    "Auth/RoleGrantPermission name: 'r' perm { permType: READWRITE key: 'a' range_end: 'b' }",
    "Auth/UserGrantRole user: 'al' role: 'r'",
    "Auth/AuthEnable",
    "Auth/Authenticate name: 'al' password: 'pw-wrong'",
];

const FOUNDED: [&str; 8] = [
    r#""Auth/UserAdd","user":null,"how":"none","for_user":"root","code":"OK""#,
    r#""Auth/UserGrantRole","user":null,"how":"none","for_user":"root","for_role":"root","code":"OK""#,
    r#""Auth/UserAdd","user":null,"how":"none","for_user":"al","code":"OK""#,
    r#""Auth/RoleAdd","user":null,"how":"none","for_role":"r","code":"OK""#,
    r#""Auth/RoleGrantPermission","user":null,"how":"none","for_role":"r","ranges":[{"op":"readwrite","key":"a","end":"b"}],"code":"OK""#,
    r#""Auth/UserGrantRole","user":null,"how":"none","for_user":"al","for_role":"r","code":"OK""#,
    r#""Auth/AuthEnable","user":null,"how":"none","code":"OK""#,
    r#""Auth/Authenticate","user":null,"how":"none","for_user":"al","code":"InvalidArgument","message":"etcdserver: authentication failed, invalid user ID or password""#,
];

const BY_AL: [&str; 8] = [
    "Lease/LeaseGrant ID: 31 TTL: 600",
    "KV/Put key: 'a1' value: 'value-1' lease: 31",
    "KV/Put key: 'z' value: 'value-2'",
    "KV/Put key: '' value: 'value-3'",
    "KV/Txn compare { key: 'a1' target: VALUE value: 'value-4' } \
     success { request_range { key: 'a' range_end: 'b' } } \
     failure { request_txn { success { request_put { key: 'a\\377' value: 'value-5' } } } }",
    "KV/DeleteRange key: 'a' range_end: '\\000'",
    "Maintenance/Defragment",
    "v3lockpb.Lock/Lock name: 'a-lock' lease: 31",
];

const DONE_BY_AL: [&str; 9] = [
    r#""Auth/Authenticate","user":null,"how":"none","for_user":"al","code":"OK""#,
    r#""Lease/LeaseGrant","user":"al","how":"token","lease":"1f","code":"OK""#,
    r#""KV/Put","user":"al","how":"token","ranges":[{"key":"a1","lease":"1f"}],"code":"OK""#,
    r#""KV/Put","user":"al","how":"token","ranges":[{"key":"z"}],"code":"PermissionDenied","message":"etcdserver: permission denied""#,
    r#""KV/Put","user":"al","how":"token","ranges":[{"key":""}],"code":"InvalidArgument","message":"etcdserver: key is not provided""#,
    r#""KV/Txn","user":"al","how":"token","ranges":[{"op":"compare","key":"a1"},{"op":"range","key":"a","end":"b"},{"op":"put","key_base64":"Yf8="}],"code":"OK""#,
    r#""KV/DeleteRange","user":"al","how":"token","ranges":[{"key":"a","end":"\u0000"}],"code":"PermissionDenied","message":"etcdserver: permission denied""#,
    r#""Maintenance/Defragment","user":"al","how":"token","code":"PermissionDenied","message":"etcdserver: permission denied""#,
    r#""rpc":"/v3lockpb.Lock/Lock","user":"al","how":"token","ranges":[{"key":"a-lock","lease":"1f"}],"code":"OK""#,
];

const BY_NOBODY: [&str; 3] =
    ["KV/Put key: 'a2' value: 'value-6'", "Auth/UserList", "Auth/AuthStatus"];

const DONE_BY_NOBODY: [&str; 4] = [
    r#""KV/Put","user":null,"how":"none","ranges":[{"key":"a2"}],"code":"InvalidArgument","message":"etcdserver: user name is empty""#,
    r#""Auth/UserList","user":null,"how":"none","code":"InvalidArgument","message":"etcdserver: user name is empty""#,
    r#""Auth/AuthStatus","user":null,"how":"none","code":"OK""#,
    r#""KV/Range","user":null,"how":"token","ranges":[{"key":"a1"}],"code":"Unauthenticated","message":"etcdserver: invalid auth token""#,
];

const STREAMED: [&str; 5] = [
    r#""Watch/Watch","event":"create","watch_id":0,"user":"al","how":"token","ranges":[{"key":"a"}],"code":"OK""#,
    r#""Watch/Watch","event":"create","watch_id":-1,"user":"al","how":"token","ranges":[{"key":"z"}],"revision":7,"code":"PermissionDenied","message":"etcdserver: permission denied""#,
    r#""Watch/Watch","event":"cancel","watch_id":0,"user":null,"how":"none","code":"OK""#,
    r#""Lease/LeaseKeepAlive","user":"al","how":"token","lease":"1f","code":"OK""#,
    r#""Lease/LeaseKeepAlive","user":"al","how":"token","lease":"63","code":"OK""#,
];

/// Two watches, of which one is refused; then a lease twice and one that is not there.
async fn streams(al: &Rpc) -> Result<()> {
    let watch = Method::find("Watch/Watch")?;
    let ask = |text: &str| watch.parse(text);
    let mut stream = al.duplex_bytes(&watch.path(), ask("create_request { key: 'a' }")?).await?;
    stream.next_bytes().await?.context("created")?;
    stream.send(&pb::WatchRequest::decode(ask("create_request { key: 'z' start_revision: 7 }")?)?);
    stream.next_bytes().await?.context("refused")?;
    stream.send(&pb::WatchRequest::decode(ask("cancel_request { watch_id: 0 }")?)?);
    stream.next_bytes().await?.context("canceled")?;
    drop(stream);
    let keep = pb::LeaseKeepAliveRequest { id: 31 };
    let mut stream = al.duplex("/etcdserverpb.Lease/LeaseKeepAlive", &keep).await?;
    for id in [31, 99] {
        stream.next_bytes().await?.context("kept")?;
        stream.send(&pb::LeaseKeepAliveRequest { id });
    }
    stream.next_bytes().await?.context("told that it is gone")?;
    Ok(())
}

#[tokio::test]
async fn a_story_of_users() -> Result<()> {
    let mut audited = Audited::start().await?;
    for line in FOUNDING {
        say(&audited.rpc, line).await?;
    }
    let al = log_in(&audited.rpc, "al", "pw-of-al").await?;
    for line in BY_AL {
        say(&al, line).await?;
    }
    for line in BY_NOBODY {
        say(&audited.rpc, line).await?;
    }
    let forger = audited.rpc.with_token("token", "forgedforgedforg.7");
    say(&forger, "KV/Range key: 'a1'").await?;
    streams(&al).await?;
    audited.wait_for_line("\"lease\":\"63\"").await?;
    let old = audited.path.with_extension("1");
    std::fs::rename(&audited.path, &old)?;
    audited.member.signal(Signal::HUP)?;
    audited.wait_for_line("\"opened\":true").await?;
    let expected: Vec<&str> = [&FOUNDED[..], &DONE_BY_AL, &DONE_BY_NOBODY, &STREAMED].concat();
    let (status, metrics) = audited.member.http_get("/metrics")?;
    ensure!(status == 200 && metrics.contains("\nketch_audit_dropped_total 0\n"), "{metrics}");
    let written = format!("\nketch_audit_written_total {}\n", expected.len());
    ensure!(metrics.contains(&written), "{metrics}");
    say(&al, "KV/Put key: 'a9' value: 'value-9'").await?;
    audited.member.terminate()?;
    let (first, second) = (read(&old), read(&audited.path));
    let opened = "\"opened\":true,\"member\":\"";
    let mut told = bare(&first);
    ensure!(told.remove(0).starts_with(opened), "{first}");
    for (told, expected) in told.iter().zip(&expected) {
        ensure!(told == expected, "told:     {told}\nexpected: {expected}");
    }
    ensure!(told.len() == expected.len(), "{told:#?}");
    let told = bare(&second);
    ensure!(told.len() == 2 && told[0].starts_with(opened) && told[1].contains("a9"), "{told:?}");
    for secret in ["pw-", "value-", "forged", "$2a$"] {
        ensure!(!first.contains(secret) && !second.contains(secret), "{secret} in {first}");
    }
    Ok(())
}

#[test]
fn a_log_that_cannot_be_opened_is_no_start() -> Result<()> {
    let flags = ["--audit-log-path", "/nowhere/audit.log"];
    let mut member = Member::prepare(Program::Ketch, Options::with_flags(&flags))?;
    member.spawn()?;
    let status = member.wait_exit(LINE_LIMIT)?;
    let log = member.log();
    ensure!(
        !status.success() && log.contains("cannot open the audit log /nowhere/audit.log"),
        "{log}"
    );
    Ok(())
}
