//! Ten thousand TLS handshakes that were begun and left: bounded memory, the oldest give way, and
//! others are served meanwhile, on connections old and new.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse};
use ketch_tests::process::Program;
use ketch_tests::rpc::Rpc;
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules, limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::tls_server::Secured;

const HALF_OPEN: usize = 10_000;
/// Beside those of the connections.
const OTHER_FILES: u64 = 2_000;
/// What all of them together may cost, with the handshakes done in between.
// About 34 MiB on a quiet machine; all of them at once would be five times that.
const KIB_MAX: u64 = 128 * 1024;
/// Until all handshakes are over that nobody goes on with.
const GONE_LIMIT: Duration = Duration::from_secs(120);
/// The beginning of a ClientHello that says it is longer.
const HALF_A_HELLO: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 7, 7, 7, 7];

#[tokio::test]
async fn ten_thousand_half_open_handshakes_harm_nobody() -> Result<()> {
    allow_files()?;
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let authority = Authority::new("ours");
    let at = folder.path();
    std::fs::write(at.join("ca.crt"), authority.pem())?;
    authority.issue(&Subject::new("server", &["127.0.0.1"])).write(at, "server");
    let secured = Secured::start(Program::Ketch, at, &[])?;
    let old = Rpc::secured(&secured.address(), identity(at)?).await?;
    put(&old).await?;
    let before = secured.member.resident_kib()?;
    let mut open = Vec::new();
    for place in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(secured.address())?;
        if place % 2 == 0 {
            stream.write_all(HALF_A_HELLO)?;
        }
        open.push(stream);
        if place % 1_000 == 999 {
            put(&old).await.context("on an old connection")?;
        }
    }
    let new = Rpc::secured(&secured.address(), identity(at)?).await.context("a new connection")?;
    put(&new).await?;
    let grown = secured.member.resident_peak_kib()?.saturating_sub(before);
    println!("{HALF_OPEN} half-open handshakes cost {grown} KiB at most");
    ensure!(grown < KIB_MAX, "{grown} KiB more");
    let end = Instant::now() + GONE_LIMIT;
    while !open.is_empty() {
        open.retain_mut(is_open);
        ensure!(Instant::now() < end, "{} are still held", open.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    put(&old).await?;
    let log = secured.member.log();
    let gave_way = format!("at most {} at a time", limits::HALF_OPEN_MAX_HANDSHAKES);
    ensure!(log.contains(&gave_way) && !log.contains("panic"), "{}", secured.member.log_tail());
    Ok(())
}

/// The server has not hung up.
fn is_open(stream: &mut TcpStream) -> bool {
    let waits = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
    // An alert may come before the end.
    let read = stream.set_nonblocking(true).and_then(|()| stream.read(&mut [0; 64]));
    read.map_or_else(waits, |length| length > 0)
}

async fn put(rpc: &Rpc) -> Result<()> {
    let ask = PutRequest { key: "a".into(), value: "1".into(), ..PutRequest::default() };
    let answer = rpc.call::<PutResponse>("/etcdserverpb.KV/Put", &ask);
    tokio::time::timeout(Duration::from_secs(10), answer).await??;
    Ok(())
}

fn identity(at: &Path) -> Result<Arc<Identity>> {
    let files = Files { trusted_ca: Some(at.join("ca.crt")), ..Files::default() };
    Ok(Identity::load(files, Rules::default(), Alpn::Clients)?)
}

/// Both ends of all connections; the server sees to its own.
fn allow_files() -> Result<()> {
    let given = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum })?;
    let enough = given.maximum.is_none_or(|most| most >= HALF_OPEN as u64 + OTHER_FILES);
    ensure!(enough, "the system allows too few open files: {:?}", given.maximum);
    Ok(())
}
