//! Who may do what: every call, nested and not, by every kind of caller. The real etcd's answers
//! are the committed table `golden/auth_matrix.txt`; neither ketch nor etcd may say otherwise.
//!
//! `KETCH_GOLDEN=write` writes the table anew from the real etcd.

mod asks;
mod callers;
mod side;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callers::{CERTIFIED, Caller, SECRET, SHORT, SIGNED, SIMPLE};
use ketch_tests::process::{Member, Options, Place, Program};
use ketch_tests::schema::Method;
use ketch_tests::{peers, ports};
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules};
use side::Side;
use table::Section;
use tempfile::TempDir;

/// Longer than the tokens of the second section live, and than it takes to see that.
const DEATH: Duration = Duration::from_secs(5);
const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test]
async fn ketch_answers_as_the_table() -> Result<()> {
    compare(&answers(Program::Ketch).await?)
}

#[tokio::test]
async fn etcd_answers_as_the_table() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let found = answers(Program::Etcd).await?;
    if std::env::var("KETCH_GOLDEN").is_ok_and(|value| value == "write") {
        let text = table::write(&found)?;
        std::fs::write(path(), &text)?;
        ensure!(table::read(&text)? == found, "the table does not read as it was written");
        return Ok(());
    }
    compare(&found)
}

#[test]
fn every_call_of_the_schema_is_in_the_table() -> Result<()> {
    let table = golden()?;
    for section in &table {
        let rows = section.rows.iter().map(|(ask, _)| ask.as_str());
        let asked: Vec<&str> = rows.filter_map(|ask| ask.split(' ').next()).collect();
        for path in Method::all().iter().map(Method::path) {
            ensure!(asked.contains(&path.as_str()), "[{}] has no row for {path}", section.name);
        }
    }
    ensure!(table.len() == 4, "{} sections", table.len());
    Ok(())
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/golden/auth_matrix.txt")
}

fn golden() -> Result<Vec<Section>> {
    table::read(&std::fs::read_to_string(path()).context("the table")?)
}

fn compare(found: &[Section]) -> Result<()> {
    let differences = table::differences(&golden()?, found);
    let cells: usize = found.iter().map(|one| one.rows.len() * one.callers.len()).sum();
    println!("{cells} answers compared");
    ensure!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// Every section, each on a server of its own.
async fn answers(program: Program) -> Result<Vec<Section>> {
    let folder = TempDir::with_prefix("ketch-matrix-")?;
    let key = folder.path().join("secret");
    std::fs::write(&key, SECRET)?;
    let signed = format!("jwt,sign-method=HS256,priv-key={},ttl=1h", key.display());
    let signed = ["--auth-token", &signed];
    let (simple, short, signed, certified) = tokio::try_join!(
        plain(program, "simple tokens", &[], AT_ONCE, SIMPLE),
        plain(program, "simple tokens of two seconds", &["--auth-token-ttl", "2"], DEATH, SHORT),
        plain(program, "signed tokens", &signed, AT_ONCE, SIGNED),
        certified(program, folder.path()),
    )?;
    Ok(vec![simple, short, signed, certified])
}

async fn plain(
    program: Program,
    name: &str,
    flags: &[&str],
    wait: Duration,
    callers: &[Caller],
) -> Result<Section> {
    let member = Member::start(program, options(flags))?;
    let mut side = Side::open(&member.endpoint(), None, wait).await.context(name.to_owned())?;
    side.section(name, callers).await.context(name.to_owned())
}

/// A server that demands certificates on one port, and has another in clear.
async fn certified(program: Program, folder: &Path) -> Result<Section> {
    let name = "client certificates";
    let authority = Authority::new("ours");
    std::fs::write(folder.join("ca.crt"), authority.pem())?;
    authority.issue(&Subject::new("server", &["127.0.0.1"])).write(folder, "server");
    let ([client_port, peer_port, secured], file) =
        ([(); 3].map(|()| ports::free_port()), |name: &str| {
            folder.join(name).display().to_string()
        });
    let peer_url = "http://127.0.0.1:23800".to_owned();
    let bootstrap = vec![format!("--initial-cluster=s1={peer_url}")];
    let place = Place { name: "s1".to_owned(), client_port, peer_port, peer_url, bootstrap };
    let urls = format!("http://127.0.0.1:{client_port},https://127.0.0.1:{secured}");
    let [cert, key, ca] = ["server.crt", "server.key", "ca.crt"].map(file);
    let flags = ["--listen-client-urls", &urls, "--client-cert-auth", "--trusted-ca-file", &ca];
    let files = ["--cert-file", &cert, "--key-file", &key];
    let options = Options { place: Some(place), ..options(&[&flags[..], &files[..]].concat()) };
    let member = Member::start(program, options)?;
    let identity = |name: &str| -> Result<Arc<Identity>> {
        let (cert, key) = authority.issue(&Subject::new(name, &[])).write(folder, "client");
        let trusted_ca = Some(folder.join("ca.crt"));
        let files = Files { cert: Some(cert), key: Some(key), trusted_ca, ..Files::default() };
        Ok(Identity::load(files, Rules::default(), Alpn::Clients)?)
    };
    let address = format!("127.0.0.1:{secured}");
    let secured = Some((address.as_str(), &identity as &dyn Fn(&str) -> Result<Arc<Identity>>));
    let mut side = Side::open(&member.endpoint(), secured, AT_ONCE).await.context(name)?;
    side.section(name, CERTIFIED).await.context(name)
}

fn options(flags: &[&str]) -> Options {
    let quick: &[&str] = &["--bcrypt-cost", "4", "--unsafe-no-fsync"];
    Options::with_flags(&[quick, flags].concat())
}
