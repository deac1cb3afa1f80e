//! Client listeners with TLS: good and bad certificates, versions, names, the wrong protocol, unix
//! sockets. One story told by ketch and by the real etcd, to clients and in the log.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_tests::hung_up::hung_up;
use ketch_tests::process::{Member, Options, Place, Program};
use ketch_tests::{peers, ports};
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules, Version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the others read.
const FIRST: &[&str] = &[
    "--endpoints https://$M --cacert ca.crt --cert client.crt --key client.key put a 1",
    "--endpoints https://$N --cacert ca.crt --cert named.crt --key named.key put a 1",
    "--endpoints https://$S --cacert ca.crt put a 1",
];

/// `$M` demands certificates and knows revoked ones, `$N` wants a host name in them and TLS 1.3,
/// `$S` asks for none and stays at TLS 1.2; `$P` is `$S` in clear. `log` compares the reason that
/// etcdctl logs, too: left out where it depends on which of two packets is first.
const LINES: &[&str] = &[
    "--endpoints https://$M --cacert ca.crt --cert client.crt --key client.key get a",
    "--endpoints https://$M --cacert ca.crt --cert named.crt --key named.key get a",
    "--endpoints https://$M --cacert ca.crt get a",
    "--endpoints https://$M --cacert ca.crt --cert other.crt --key other.key get a",
    "--endpoints https://$M --cacert ca.crt --cert old.crt --key old.key get a",
    "--endpoints https://$M --cacert ca.crt --cert early.crt --key early.key get a",
    "--endpoints https://$M --cacert ca.crt --cert revoked.crt --key revoked.key get a",
    "--endpoints https://$N --cacert ca.crt --cert named.crt --key named.key get a",
    "--endpoints https://$N --cacert ca.crt --cert client.crt --key client.key get a",
    "--endpoints https://$N --cacert ca.crt get a",
    "--endpoints https://$S --cacert ca.crt get a",
    "--endpoints https://$S --insecure-skip-tls-verify get a",
    "--endpoints http://$P get a",
    "--endpoints $P get a",
    "--endpoints unix://$U get a",
    "--endpoints unixs://$V --insecure-skip-tls-verify get a",
    "log --endpoints https://$S --cacert other-ca.crt get a",
    "log --endpoints https://$S get a",
    "log --endpoints http://$S get a",
    "--endpoints https://$P --cacert ca.crt get a",
];

/// Host names are looked at in clear only: a certificate stands for the name already.
const GET_OF_A_STRANGE_HOST: &str =
    "GET /version HTTP/1.1\r\nHost: strange.example\r\nConnection: close\r\n\r\n";

/// Lines at a time: most of them wait for their end.
const BESIDE: usize = 6;

#[test]
fn one_story_by_both_servers() -> Result<()> {
    let (Some(etcdctl), Some(_)) = (peers::find("etcdctl"), peers::find("etcd")) else {
        return Ok(());
    };
    let tell = |program| tell(program, &etcdctl);
    let (right, found) = thread::scope(|scope| {
        let right = scope.spawn(|| tell(Program::Etcd));
        let found = tell(Program::Ketch);
        Ok::<_, anyhow::Error>((right.join().expect("its panic is printed")?, found?))
    })?;
    println!("{}", right.join("\n"));
    let pairs = right.iter().zip(&found);
    let differences: Vec<String> = pairs
        .filter(|(right, found)| right != found)
        .map(|(right, found)| format!("-- etcd\n{right}\n-- ketch\n{found}\n"))
        .collect();
    ensure!(differences.is_empty() && right.len() == found.len(), "{}", differences.concat());
    Ok(())
}

/// What clients saw, then what the log says of those who were turned away.
fn tell(program: Program, etcdctl: &Path) -> Result<Vec<String>> {
    let folder = certificates()?;
    let world = World::start(program, folder.path())?;
    let mut story = Vec::new();
    for line in FIRST {
        story.push(world.run(etcdctl, line)?);
    }
    for lines in LINES.chunks(BESIDE) {
        thread::scope(|scope| {
            let running: Vec<_> =
                lines.iter().map(|line| scope.spawn(|| world.run(etcdctl, line))).collect();
            running.into_iter().try_for_each(|one| -> Result<()> {
                story.push(one.join().expect("its panic is printed")?);
                Ok(())
            })
        })?;
    }
    for version in [Version::Tls12, Version::Tls13] {
        for secured in [&world.mutual, &world.named, &world.simple] {
            story.push(world.version(secured, version)?);
        }
    }
    let said = exchange(&world.simple.member.address(), GET_OF_A_STRANGE_HOST.as_bytes())?;
    story.push(format!("in clear: {:?}", said.lines().next()));
    story.push(format!("garbage: {:?}", exchange(&world.simple.address(), &[0; 8])?));
    for secured in [&world.mutual, &world.named, &world.simple] {
        story.push(secured.turned_away());
    }
    Ok(story)
}

struct World {
    folder: PathBuf,
    mutual: Secured,
    named: Secured,
    simple: Secured,
}

impl World {
    fn start(program: Program, folder: &Path) -> Result<Self> {
        let start = |flags: &[&str]| Secured::start(program, folder, flags);
        let demand = ["--client-cert-auth", "--trusted-ca-file", "ca.crt"];
        let mutual = [&demand[..], &["--client-crl-file", "ca.crl"]].concat();
        let hostname = ["--client-cert-allowed-hostname", "good.example"];
        let named = [&demand[..], &hostname, &["--tls-min-version", "TLS1.3"]].concat();
        let suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,\
                      TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
        let versions = ["--tls-max-version", "TLS1.2", "--cipher-suites", suites];
        let simple = [&versions[..], &["--host-whitelist", "127.0.0.1"]].concat();
        Ok(Self {
            folder: folder.to_owned(),
            mutual: start(&mutual)?,
            named: start(&named)?,
            simple: start(&simple)?,
        })
    }

    /// Output, errors and exit code; of log lines only the reason, and only where it is asked for.
    fn run(&self, etcdctl: &Path, line: &str) -> Result<String> {
        let told = line;
        let (log, line) = line.strip_prefix("log ").map_or((false, line), |line| (true, line));
        let line = line
            .replace("$M", &self.mutual.address())
            .replace("$N", &self.named.address())
            .replace("$S", &self.simple.address())
            .replace("$P", &self.simple.member.address())
            .replace("$U", &self.simple.socket("u"))
            .replace("$V", &self.simple.socket("v"));
        let output = Command::new(etcdctl)
            .args(["--command-timeout", "4s", "--dial-timeout", "3s"])
            .args(line.split(' '))
            .current_dir(&self.folder)
            .output()?;
        let mut said = format!("$ {told}\n{}", String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            match line.split_once("\"error\":") {
                Some((_, reason)) if log => said.push_str(&format!("[log] {}\n", hung_up(reason))),
                Some(_) => {}
                None => said.push_str(&format!("[stderr] {line}\n")),
            }
        }
        Ok(format!("{said}[exit {:?}]", output.status.code()))
    }

    /// What a client gets that speaks only this version, by HTTP/1.1.
    fn version(&self, secured: &Secured, version: Version) -> Result<String> {
        let file = |name: &str| Some(self.folder.join(name));
        let files = Files {
            cert: file("named.crt"),
            key: file("named.key"),
            trusted_ca: file("ca.crt"),
            ..Files::default()
        };
        let rules = Rules { min: Some(version), max: Some(version), ..Rules::default() };
        // Members offer nothing but HTTP/1.1.
        let identity = Identity::load(files, rules, Alpn::Peers)?;
        let address = secured.address();
        let answer =
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let socket = tokio::net::TcpStream::connect(&address).await?;
                let limit = Duration::from_secs(5);
                let mut stream = identity.connector().connect(&address, socket, limit).await?;
                stream.write_all(GET_OF_A_STRANGE_HOST.as_bytes()).await?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await?;
                Ok::<_, anyhow::Error>(answer)
            });
        let told = match &answer {
            Ok(answer) => answer.lines().last().unwrap_or_default(),
            // Which alert it is differs.
            Err(_) => "refused",
        };
        Ok(format!("{}: {told}", version.name()))
    }
}

/// A member that serves the same keys plain, secured, and on unix sockets.
pub(crate) struct Secured {
    pub(crate) member: Member,
    port: u16,
    sockets: TempDir,
}

impl Secured {
    /// With `server.crt` and `server.key` of `folder`; flags that begin with `ca.` are files
    /// there as well.
    pub(crate) fn start(program: Program, folder: &Path, flags: &[&str]) -> Result<Self> {
        let port = ports::free_port();
        let sockets = TempDir::with_prefix("ketch-unix-")?;
        let peer_url = "http://127.0.0.1:23800".to_owned();
        let place = Place {
            name: "s1".to_owned(),
            client_port: ports::free_port(),
            peer_port: ports::free_port(),
            bootstrap: vec![format!("--initial-cluster=s1={peer_url}")],
            peer_url,
        };
        let at = sockets.path().display();
        let urls = format!(
            "http://127.0.0.1:{},https://127.0.0.1:{port},unix://{at}/u,unixs://{at}/v",
            place.client_port
        );
        let path = |name: &str| folder.join(name).display().to_string();
        let mut all = vec!["--listen-client-urls".to_owned(), urls];
        all.extend(["--cert-file".to_owned(), path("server.crt")]);
        all.extend(["--key-file".to_owned(), path("server.key")]);
        all.extend(flags.iter().map(|flag| match flag.starts_with("ca.") {
            true => path(flag),
            false => (*flag).to_owned(),
        }));
        let options = Options { flags: all, place: Some(place), ..Options::default() };
        Ok(Self { member: Member::start(program, options)?, port, sockets })
    }

    /// Of the port with TLS.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn socket(&self, name: &str) -> String {
        self.sockets.path().join(name).display().to_string()
    }

    /// The reasons of log lines about connections that were not let in.
    fn turned_away(&self) -> String {
        let log = self.member.log();
        let lines = log.lines().filter(|line| line.contains("rejected connection on client"));
        let reasons: BTreeSet<&str> = lines
            .filter_map(|line| line.split_once("\"error\":\""))
            .filter_map(|(_, rest)| rest.split_once("\"}").map(|(reason, _)| same(reason)))
            .collect();
        reasons.into_iter().collect::<Vec<_>>().join("\n")
    }
}

/// One word for what both tell in words of their own; ketch tells more of plain ports than etcd.
fn same(reason: &str) -> &str {
    let words = [
        ("is after", "expired"),
        ("it has expired", "expired"),
        ("is before", "not yet valid"),
        ("it is not yet valid", "not yet valid"),
        ("certificate serial", "revoked"),
        ("client certificate authentication failed", "name"),
        ("offered only unsupported versions", "version"),
        ("no protocol version supported by both", "version"),
        ("TLS handshake on a plaintext port", "first record"),
        ("first record does not look like a TLS handshake", "first record"),
    ];
    words.iter().find(|(part, _)| reason.contains(part)).map_or(reason, |(_, word)| word)
}

/// What a port answers before it hangs up.
fn exchange(address: &str, said: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(said)?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn certificates() -> Result<TempDir> {
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let at = folder.path();
    std::fs::write(at.join("ca.crt"), ours.pem())?;
    std::fs::write(at.join("ca.crl"), ours.revoke_der(&[9]))?;
    std::fs::write(at.join("other-ca.crt"), other.pem())?;
    ours.issue(&Subject::new("server", &["127.0.0.1", "localhost"])).write(at, "server");
    ours.issue(&Subject::new("alice", &[]).serial(2)).write(at, "client");
    ours.issue(&Subject::new("alice", &["good.example"]).serial(3)).write(at, "named");
    ours.issue(&Subject::new("alice", &[]).serial(4).days(-9, -2)).write(at, "old");
    ours.issue(&Subject::new("alice", &[]).serial(5).days(2, 9)).write(at, "early");
    ours.issue(&Subject::new("alice", &[]).serial(9)).write(at, "revoked");
    other.issue(&Subject::new("eve", &[])).write(at, "other");
    Ok(folder)
}
