//! Command lines over TLS: etcdctl and ketchctl say the same to a real etcd with certificates,
//! good and bad ones, and with the wrong protocol.

use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use ketch_tests::hung_up::hung_up;
use ketch_tests::process::{Member, Options, Place, Program};
use ketch_tests::{binaries, peers, ports};
use ketch_tls::authority::{Authority, Subject};
use tempfile::TempDir;

const FIRST: &str =
    "--endpoints https://$M --cacert ca.crt --cert client.crt --key client.key put a 1";

/// `$M` demands certificates, `$S` does not, `$P` is plain. `log` compares the reason in the log
/// line as well; where a server refuses the client's certificate it is left to chance in etcdctl.
const LINES: &[&str] = &[
    "--endpoints https://$M --cacert ca.crt --cert client.crt --key client.key get a",
    "--endpoints $M --cacert ca.crt --cert client.crt --key client.key get a",
    "--endpoints https://$S --cacert ca.crt get a",
    "--endpoints https://$S --insecure-skip-tls-verify get a",
    "--endpoints $S --insecure-skip-tls-verify get a",
    "--endpoints $S --cacert other.crt --insecure-skip-tls-verify get a",
    "--endpoints http://$P,https://$M --cacert ca.crt --cert client.crt --key client.key get a",
    "--endpoints http://$P --cacert ca.crt get a",
    "log --endpoints https://$S get a",
    "log --endpoints https://$S --insecure-transport=false get a",
    "log --endpoints $S --insecure-transport=false get a",
    "log --endpoints https://$S --cacert other.crt put a 2",
    "log --endpoints https://$P --cacert ca.crt get a",
    "log --endpoints $P --cacert ca.crt get a",
    "log --endpoints $S get a",
    "log --endpoints http://$S --cacert ca.crt get a",
    "--endpoints https://$M --cacert ca.crt get a",
    "--endpoints https://$M --cacert ca.crt put a 2",
    "--endpoints https://$M --cacert ca.crt endpoint status",
    "--endpoints https://$M --cacert ca.crt --cert other.crt --key other.key get a",
    "--endpoints https://$M --cacert ca.crt --cert old.crt --key old.key get a",
    "--endpoints https://$S --cert bad.pem --key client.key get a",
    "--endpoints https://$S --cert client.crt --key bad.pem get a",
    "--endpoints https://$S --cert client.crt --key other.key get a",
    "--endpoints https://$S --cert client.crt --key /nonexistent get a",
    "--endpoints https://$S --cacert /nonexistent get a",
    "--endpoints https://$S --cert client.crt get a",
    "--endpoints http://$P --cert /nonexistent --key /nonexistent get a",
];

/// Lines at a time: most of them wait for their end.
const BESIDE: usize = 5;

#[test]
fn both_programs_say_the_same() -> Result<()> {
    let Some(etcdctl) = peers::find("etcdctl") else { return Ok(()) };
    let folder = certificates()?;
    let mutual = Secured::start(folder.path(), &["--trusted-ca-file", "ca.crt"])?;
    let open = Secured::start(folder.path(), &[])?;
    let ours = binaries::path("ketchctl");
    let judge = |line: &str| -> Result<String> {
        let (log, line) = line.strip_prefix("log ").map_or((false, line), |line| (true, line));
        let line = line
            .replace("$M", &mutual.address())
            .replace("$S", &open.address())
            .replace("$P", &mutual.member.address());
        let right = run(&etcdctl, folder.path(), &line, log)?;
        let said = run(&ours, folder.path(), &line, log)?;
        let differs = format!("\n$ {line}\n-- etcdctl\n{right}\n-- ours\n{said}\n");
        Ok(if right == said { String::new() } else { differs })
    };
    let mut differences = judge(FIRST)?;
    for lines in LINES.chunks(BESIDE) {
        thread::scope(|scope| {
            let running: Vec<_> = lines.iter().map(|line| scope.spawn(|| judge(line))).collect();
            running.into_iter().try_for_each(|one| -> Result<()> {
                differences.push_str(&one.join().expect("its panic is printed")?);
                Ok(())
            })
        })?;
    }
    ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

/// A real etcd that serves the same keys plain and secured.
struct Secured {
    member: Member,
    port: u16,
}

impl Secured {
    fn start(folder: &Path, flags: &[&str]) -> Result<Self> {
        let port = ports::free_port();
        let place = Place {
            name: "s1".to_owned(),
            client_port: ports::free_port(),
            peer_port: ports::free_port(),
            peer_url: "http://127.0.0.1:23800".to_owned(),
            bootstrap: vec!["--initial-cluster=s1=http://127.0.0.1:23800".to_owned()],
        };
        let urls = format!("http://127.0.0.1:{},https://127.0.0.1:{port}", place.client_port);
        let path = |name: &str| folder.join(name).display().to_string();
        let mut all = vec!["--listen-client-urls".to_owned(), urls];
        all.extend(["--cert-file".to_owned(), path("server.crt")]);
        all.extend(["--key-file".to_owned(), path("server.key")]);
        all.extend(flags.iter().map(|flag| match flag.starts_with("--") {
            true => (*flag).to_owned(),
            false => path(flag),
        }));
        let options = Options { flags: all, place: Some(place), ..Options::default() };
        Ok(Self { member: Member::start(Program::Etcd, options)?, port })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn certificates() -> Result<TempDir> {
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let at = folder.path();
    std::fs::write(at.join("ca.crt"), ours.pem())?;
    std::fs::write(at.join("bad.pem"), "nothing of use")?;
    ours.issue(&Subject::new("server", &["127.0.0.1", "localhost"])).write(at, "server");
    ours.issue(&Subject::new("alice", &[]).serial(2)).write(at, "client");
    ours.issue(&Subject::new("alice", &[]).serial(3).days(-9, -2)).write(at, "old");
    other.issue(&Subject::new("eve", &[])).write(at, "other");
    Ok(folder)
}

/// Output, errors and exit code; of log lines only the reason, and only where it is asked for.
fn run(program: &Path, folder: &Path, line: &str, log: bool) -> Result<String> {
    let output = Command::new(program)
        .args(["--command-timeout", "4s", "--dial-timeout", "3s"])
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        match line.split_once("\"error\":") {
            Some((_, reason)) if log => said.push_str(&format!("[log] {}\n", hung_up(reason))),
            Some(_) => {}
            None => said.push_str(&format!("[stderr] {line}\n")),
        }
    }
    Ok(format!("{said}[exit {:?}]", output.status.code()))
}
