//! Users by certificate, listeners apart, certificates made on the spot, and token keys that
//! change: told by ketch and by the real etcd where it can tell it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{
    AuthEnableRequest, AuthEnableResponse, AuthRoleAddRequest, AuthRoleAddResponse,
    AuthUserAddRequest, AuthUserAddResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse,
    AuthenticateRequest, AuthenticateResponse, RangeRequest, RangeResponse,
};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use ketch_tests::{peers, ports};
use ketch_tls::authority::{Authority, Subject};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::tls_server::Secured;

/// On a server with `--client-cert-auth`: `$A` is its address, `$P` one in clear. Certificates
/// stand for `root`, for `bob` who may do little, for a stranger, and for nobody.
const BY_NAME: &[&str] = &[
    "https://$A ROOT put a 1",
    "https://$A ROOT role add reader",
    "https://$A ROOT role grant-permission reader read a",
    "https://$A ROOT user add root --no-password",
    "https://$A ROOT user add bob --no-password",
    "https://$A ROOT user add ann:pw",
    "https://$A ROOT user grant-role bob reader",
    "https://$A ROOT user grant-role root root",
    "https://$A ROOT auth enable",
    "https://$A ROOT put a 2",
    "https://$A ROOT user list",
    "https://$A BOB get a",
    "https://$A BOB put a 3",
    "https://$A BOB get b",
    "https://$A BOB user list",
    "https://$A STRANGER get a",
    "https://$A STRANGER member list",
    "https://$A NAMELESS get a",
    "https://$A BOB --user ann:pw get a",
    "https://$A ROOT --user ann:wrong get a",
    "https://$A ROOT --user bob:pw get a",
    "http://$P PLAIN get a",
    "http://$P PLAIN --user ann:pw get a",
    "https://$A ROOT auth disable",
    "https://$A STRANGER get a",
];

#[test]
fn the_name_in_a_certificate_is_the_user() -> Result<()> {
    let (Some(etcdctl), Some(_)) = (peers::find("etcdctl"), peers::find("etcd")) else {
        return Ok(());
    };
    let right = by_name(Program::Etcd, &etcdctl)?;
    let found = by_name(Program::Ketch, &etcdctl)?;
    println!("{right}");
    ensure!(right == found, "-- etcd\n{right}\n-- ketch\n{found}");
    Ok(())
}

fn by_name(program: Program, etcdctl: &Path) -> Result<String> {
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let (at, authority) = (folder.path(), Authority::new("ours"));
    std::fs::write(at.join("ca.crt"), authority.pem())?;
    authority.issue(&Subject::new("server", &["127.0.0.1"])).write(at, "server");
    for (serial, name) in (2..).zip(["root", "bob", "stranger", ""]) {
        let file = if name.is_empty() { "nameless" } else { name };
        authority.issue(&Subject::new(name, &[]).serial(serial)).write(at, file);
    }
    let flags = ["--client-cert-auth", "--trusted-ca-file", "ca.crt", "--bcrypt-cost", "4"];
    let secured = Secured::start(program, at, &flags)?;
    let mut story = String::new();
    for line in BY_NAME {
        let (url, rest) = line.split_once(' ').context("a URL")?;
        let (who, rest) = rest.split_once(' ').context("a name")?;
        let url = url.replace("$A", &secured.address()).replace("$P", &secured.member.address());
        let mut command = Command::new(etcdctl);
        command.args(["--command-timeout", "10s", "--endpoints", &url]).current_dir(at);
        if who != "PLAIN" {
            let name = who.to_ascii_lowercase();
            command.args(["--cacert", "ca.crt", "--cert", &format!("{name}.crt")]);
            command.args(["--key", &format!("{name}.key")]);
        }
        let output = command.args(rest.split(' ')).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Vec<&str> = said.split(' ').filter(|word| word.len() < 15).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("Error")).collect();
        let code = output.status.code();
        story.push_str(&format!("$ {line}\n{}{}{code:?}\n", said.join(" "), errors.join("\n")));
    }
    Ok(story)
}

/// HTTP apart from gRPC, metrics by themselves, all with a certificate made at the first start
/// and kept for the second.
#[test]
fn listeners_apart_with_a_certificate_made_on_the_spot() -> Result<()> {
    let mut seen = Vec::new();
    for program in [Program::Etcd, Program::Ketch] {
        if program == Program::Etcd && peers::find("etcd").is_none() {
            continue;
        }
        seen.push(apart(program)?);
    }
    println!("{}", seen[0]);
    let Some((right, found)) = seen.first().zip(seen.get(1)) else { return Ok(()) };
    ensure!(right == found, "-- etcd\n{right}\n-- ketch\n{found}");
    Ok(())
}

fn apart(program: Program) -> Result<String> {
    let [grpc, metrics] = [(); 2].map(|()| ports::free_port());
    let mut member = Member::prepare(program, Options::default())?;
    let url = |port: u16| format!("https://127.0.0.1:{port}");
    // The port in clear that tests look at is for HTTP alone.
    let http = member.endpoint();
    let flags = [
        "--listen-client-urls",
        &url(grpc),
        "--listen-client-http-urls",
        &http,
        "--listen-metrics-urls",
        &url(metrics),
        "--auto-tls",
    ];
    member.set_flags(flags.map(str::to_owned).to_vec());
    member.restart()?;
    member.wait_for_versions()?;
    let mut story = String::new();
    for path in ["/version", "/health", "/readyz", "/nothing"] {
        let (code, body) = member.http_get(path)?;
        story.push_str(&format!("http {path} {code} {body}\n"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (name, port) in [("grpc", grpc), ("metrics", metrics)] {
        let served = runtime.block_on(served(port));
        story.push_str(&format!("{name} {}\n", served?));
    }
    let plain = runtime.block_on(async {
        let rpc = Rpc::connect(&http).await?;
        rpc.call::<RangeResponse>(RANGE, &range()).await.map_err(anyhow::Error::from)
    });
    story.push_str(&format!("grpc at the port of http: {}\n", plain.is_ok()));
    let files = ["cert.pem", "key.pem"].map(|name| {
        let path = member.data_dir().join("fixtures/client").join(name);
        std::fs::read_to_string(path).unwrap_or_default()
    });
    ensure!(files.iter().all(|text| text.starts_with("-----BEGIN")), "{}", member.log_tail());
    member.terminate().or_else(|error| match program {
        Program::Ketch => Err(error),
        Program::Etcd | Program::EtcdOld => Ok(Default::default()),
    })?;
    member.restart()?;
    let again = std::fs::read_to_string(member.data_dir().join("fixtures/client/cert.pem"))?;
    story.push_str(&format!("the same certificate: {}\n", again == files[0]));
    Ok(story)
}

const RANGE: &str = "/etcdserverpb.KV/Range";

fn range() -> RangeRequest {
    RangeRequest { key: "a".into(), ..RangeRequest::default() }
}

/// Which of the two kinds of service a port with TLS has.
async fn served(port: u16) -> Result<String> {
    use ketch_tls::{Alpn, Files, Identity, Rules};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = format!("127.0.0.1:{port}");
    let rules = Rules { insecure_skip_verify: true, ..Rules::default() };
    let identity = |alpn| Identity::load(Files::default(), rules.clone(), alpn);
    let rpc = Rpc::secured(&address, identity(Alpn::Clients)?).await;
    let grpc = match rpc {
        Ok(rpc) => rpc.call::<RangeResponse>(RANGE, &range()).await.is_ok(),
        Err(_) => false,
    };
    // Members offer nothing but HTTP/1.1.
    let http = async {
        let socket = tokio::net::TcpStream::connect(&address).await?;
        let limit = Duration::from_secs(5);
        let connector = identity(Alpn::Peers)?.connector();
        let mut stream = connector.connect(&address, socket, limit).await?;
        let ask = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, anyhow::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    let http = tokio::time::timeout(Duration::from_secs(10), http).await;
    Ok(format!("grpc {grpc}, http {}", matches!(http, Ok(Ok(true)))))
}

/// Signed tokens: what an old key signed is no good once the file has another one, and no process
/// has to be started again. A file of no use changes nothing.
#[tokio::test]
async fn token_keys_follow_their_file() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-jwt-")?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the first secret of all")?;
    let token = format!("jwt,sign-method=HS256,priv-key={},ttl=1h", secret.display());
    let flags = ["--auth-token", &token, "--bcrypt-cost", "4"];
    let member = Member::start(Program::Ketch, Options::with_flags(&flags))?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    enable(&rpc).await?;
    let first = login(&rpc).await?;
    ensure!(is_known(&rpc, &first).await, "a fresh token");
    std::fs::write(&secret, "another secret, longer than that")?;
    wait(|| async { Ok(!is_known(&rpc, &first).await) }).await.context("by the file")?;
    let second = login(&rpc).await?;
    ensure!(is_known(&rpc, &second).await, "a token of the new key");
    std::fs::write(&secret, "")?;
    member.signal(Signal::HUP)?;
    let stays = "the keys of tokens cannot be used; the ones in service stay";
    wait(|| async { Ok(member.log().contains(stays)) }).await.context("by the signal")?;
    ensure!(is_known(&rpc, &second).await, "a file of no use changed something");
    ensure!(!member.log().contains(&first) && !member.log().contains("secret of all"));
    Ok(())
}

/// By P-521 both ways: what one server signs the other takes, and nobody takes it changed.
#[tokio::test]
async fn tokens_by_es512_are_etcds() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let folder = TempDir::with_prefix("ketch-jwt-")?;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512)?;
    let [private, public] = ["private", "public"].map(|name| folder.path().join(name));
    std::fs::write(&private, pair.serialize_pem())?;
    std::fs::write(&public, pair.public_key_pem())?;
    let (private, public) = (private.display(), public.display());
    let token = format!("jwt,sign-method=ES512,pub-key={public},priv-key={private}");
    let flags = ["--auth-token", &token, "--bcrypt-cost", "4"];
    let mut both = Vec::new();
    for program in [Program::Etcd, Program::Ketch] {
        let member = Member::start(program, Options::with_flags(&flags))?;
        let rpc = Rpc::connect(&member.endpoint()).await?;
        enable(&rpc).await?;
        let token = login(&rpc).await?;
        both.push((member, rpc, token));
    }
    for (_, rpc, _) in &both {
        for (member, _, token) in &both {
            let signer = member.program();
            ensure!(is_known(rpc, token).await, "a token that {signer:?} signed");
            let changed = match token.strip_suffix('A') {
                Some(most) => format!("{most}Q"),
                None => format!("{}A", &token[..token.len() - 1]),
            };
            ensure!(!is_known(rpc, &changed).await, "a token changed after {signer:?} signed it");
        }
    }
    Ok(())
}

pub(crate) async fn enable(rpc: &Rpc) -> Result<()> {
    let name = || "root".to_owned();
    let user = AuthUserAddRequest { name: name(), password: "pw".to_owned(), ..Default::default() };
    rpc.call::<AuthUserAddResponse>("/etcdserverpb.Auth/UserAdd", &user).await?;
    let role = AuthRoleAddRequest { name: name() };
    rpc.call::<AuthRoleAddResponse>("/etcdserverpb.Auth/RoleAdd", &role).await?;
    let grant = AuthUserGrantRoleRequest { user: name(), role: name() };
    rpc.call::<AuthUserGrantRoleResponse>("/etcdserverpb.Auth/UserGrantRole", &grant).await?;
    let enable = AuthEnableRequest {};
    rpc.call::<AuthEnableResponse>("/etcdserverpb.Auth/AuthEnable", &enable).await?;
    Ok(())
}

pub(crate) async fn login(rpc: &Rpc) -> Result<String> {
    let ask = AuthenticateRequest { name: "root".to_owned(), password: "pw".to_owned() };
    let path = "/etcdserverpb.Auth/Authenticate";
    Ok(rpc.call::<AuthenticateResponse>(path, &ask).await?.token)
}

async fn is_known(rpc: &Rpc, token: &str) -> bool {
    let rpc = rpc.with_token("token", token);
    rpc.call::<RangeResponse>(RANGE, &range()).await.is_ok()
}

async fn wait<F: Future<Output = Result<bool>>>(mut done: impl FnMut() -> F) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while !done().await? {
        ensure!(Instant::now() < end, "not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
