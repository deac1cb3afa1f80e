//! Starts that must not succeed: wrong flags as etcd words them, a data directory in use.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::{binaries, peers};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

/// What both programs say, and their exit codes: standard error's first line for flags that do
/// not parse, the message of the last log line for those that do not fit.
#[test]
fn wrong_flags_fail_as_etcds_do() -> Result<()> {
    let Some(etcd) = peers::find("etcd") else { return Ok(()) };
    let ketch = binaries::path("ketch");
    let mut differences = Vec::new();
    for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let right = verdict(&run(Command::new(&etcd), line)?);
        let found = verdict(&run(Command::new(&ketch), line)?);
        println!("{line}\n    {right}");
        if right != found {
            differences.push(format!("{line}\n  etcd  {right}\n  ketch {found}"));
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// `NAME=value ..` sets variables, the rest are arguments.
const CASES: &str = "
    --no-such-flag
    --no-such-flag=1
    --name
    -unknown
    foo
    --name a foo
    --election-timeout abc
    --heartbeat-interval -1
    --max-txn-ops -1
    --auto-compaction-retention
    --initial-cluster-state old
    --pre-vote=maybe
    --enable-v2
    --experimental-watch-progress-notify-interval 1s
    --discovery http://127.0.0.1:1
    --feature-gates NoSuchGate=true
    --v2-deprecation not-yet
    --listen-client-urls http://127.0.0.1:14999
    --listen-client-urls http://nohost.example:1 --advertise-client-urls http://nohost.example:1
    --listen-client-urls notaurl --advertise-client-urls http://127.0.0.1:1
    --heartbeat-interval 300 --election-timeout 1000
    --election-timeout 60000
    --auto-compaction-mode foo
    --initial-cluster other=http://localhost:2380
    --log-format foo
    --logger capnslog
    --config-file /no/such/file
    ETCD_NAME=x --name y
    --version=maybe
    --tls-min-version TLS1.0
    --tls-max-version SSL3
    --tls-min-version TLS1.3 --tls-max-version TLS1.2
    --tls-min-version TLS1.3 --cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    --cipher-suites NO_SUCH_SUITE
    --auto-tls --self-signed-cert-validity 0
    --peer-auto-tls --self-signed-cert-validity 0
    --peer-cert-file /no/such/file
    --peer-cert-file /no/such/file --peer-key-file /no/such/file
    --peer-trusted-ca-file /no/such/file
    --listen-peer-urls https://127.0.0.1:14998
    --listen-client-urls unix://localhost:m1 --advertise-client-urls http://127.0.0.1:1
    --listen-client-http-urls http://localhost:2379
    --listen-client-urls https://127.0.0.1:14999 --advertise-client-urls https://127.0.0.1:1
    --listen-client-urls unixs://a --advertise-client-urls unixs://a
    --listen-client-urls unixs://a --advertise-client-urls unixs://a --cert-file /no --key-file /no
    --listen-client-urls unixs://a --advertise-client-urls unixs://a --key-file /no
    --client-cert-auth=x
    --self-signed-cert-validity -1
    ETCD_CERT_FILE=a --cert-file b
    ETCD_TLS_MIN_VERSION=TLS1.1
    ETCD_PEER_CLIENT_CERT_AUTH=x
";

/// Exit code, and the line that says why.
fn verdict(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    let first = stderr.lines().next().unwrap_or_default();
    let why = match first.starts_with('{') {
        false => first.to_owned(),
        // etcd logs more on its way; what it ends with is the reason.
        true => stderr.lines().rev().find_map(reason).unwrap_or_default(),
    };
    format!("{code:?} {why}")
}

/// The `error` of a log line of level warn or above, else its message.
fn reason(line: &str) -> Option<String> {
    let severe = ["\"level\":\"fatal\"", "\"level\":\"warn\"", "\"level\":\"error\""];
    if !severe.iter().any(|level| line.contains(level)) {
        return None;
    }
    let of = |name: &str| {
        let start = line.find(&format!("\"{name}\":\""))? + name.len() + 4;
        // Up to the closing quote, stepping over escaped ones.
        let mut escaped = false;
        let end = line[start..].find(|letter| {
            let closes = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            closes
        })?;
        Some(line[start..start + end].to_owned())
    };
    of("error").or_else(|| of("msg"))
}

fn run(mut command: Command, line: &str) -> Result<Output> {
    let folder = TempDir::with_prefix("ketch-start-")?;
    let words: Vec<&str> = line.split(' ').collect();
    let (vars, arguments): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| word.starts_with("ETCD_"));
    for var in vars {
        let (name, value) = var.split_once('=').context("NAME=value")?;
        command.env(name, value);
    }
    command.args(arguments).current_dir(folder.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let end = Instant::now() + LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child.wait_with_output()?)
}

/// A second process on the same directory is refused at once, and harms nothing.
#[test]
fn a_directory_in_use_is_refused() -> Result<()> {
    let first = Member::start(Program::Ketch, Options::default())?;
    let data_dir = Some(first.data_dir());
    let second = Member::prepare(Program::Ketch, Options { data_dir, ..Options::default() })?;
    let before = Instant::now();
    let output = second.command().output()?;
    println!("refused after {:?}", before.elapsed());
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code().is_some_and(|code| code != 0), "{said}");
    ensure!(said.contains("in use") && !said.contains("panic"), "{said}");
    ensure!(first.http_get("/health")?.0 == 200, "the first one is harmed");
    Ok(())
}

/// A client port in use is refused by name too.
#[test]
fn a_port_in_use_is_refused() -> Result<()> {
    let first = Member::start(Program::Ketch, Options::default())?;
    let second = Member::prepare(Program::Ketch, Options::default())?;
    let output = second
        .command()
        .args(["--listen-client-urls", &first.endpoint()])
        .args(["--advertise-client-urls", &first.endpoint()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code().is_some_and(|code| code != 0), "{said}");
    ensure!(said.contains("ddress already in use"), "{said}");
    Ok(())
}

/// Flags of later issues are refused by their names, not taken and ignored.
#[test]
fn flags_to_come_are_refused_by_name() -> Result<()> {
    for flag in ["--memory-mlock", "--enable-pprof", "--enable-log-rotation"] {
        let output = run(Command::new(binaries::path("ketch")), flag)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let refused = output.status.code().is_some_and(|code| code != 0);
        ensure!(refused && said.contains(flag.trim_start_matches('-')), "{flag}: {said}");
    }
    Ok(())
}
