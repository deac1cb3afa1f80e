//! New certificates, authorities, revocations and token keys while clients are at work: no request
//! fails, and what was valid before is not for ever.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse};
use ketch_tests::process::Program;
use ketch_tests::rpc::Rpc;
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::tls_server::Secured;

const LIMIT: Duration = Duration::from_secs(20);
/// Requests of each kind of client between two changes.
const BETWEEN: usize = 20;

#[tokio::test]
async fn leaf_and_authority_change_under_load() -> Result<()> {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let at = folder.path();
    let server = Subject::new("server", &["127.0.0.1"]);
    put_file(at, "ca.crt", old.pem())?;
    put_file(at, "ca.crl", old.revoke_der(&[]))?;
    put_file(at, "clients-ca.crt", [old.pem(), new.pem()].concat())?;
    old.issue(&server).write(at, "server");
    old.issue(&Subject::new("a", &[]).serial(7)).write(at, "client");
    old.issue(&Subject::new("a", &[]).serial(8)).write(at, "before");
    let demand = ["--client-cert-auth", "--trusted-ca-file", "ca.crt"];
    let secured = Secured::start(Program::Ketch, at, &demand)?;
    let load = Load::start(&secured, at).await?;

    let mut log = Reloads { secured: &secured, seen: 0 };
    load.go_on().await?;
    // Both files of the next leaf are there for a moment with one of this.
    old.issue(&server.clone().serial(2)).write(at, "server");
    log.next("the next leaf").await?;
    load.go_on().await?;
    put_file(at, "ca.crt", [old.pem(), new.pem()].concat())?;
    log.next("both authorities").await?;
    load.go_on().await?;
    new.issue(&server.clone().serial(3)).write(at, "server");
    log.next("a leaf of the new authority").await?;
    load.go_on().await?;
    let next = new.issue(&Subject::new("a", &[]).serial(7));
    put_file(at, "client.pem", [next.cert, next.key].concat())?;
    load.go_on().await?;
    put_file(at, "ca.crt", new.pem())?;
    log.next("the new authority alone").await?;
    load.go_on().await?;
    put_file(at, "ca.crt", "nothing of use")?;
    wait_for(&secured, "changed certificate files cannot be used").await?;
    load.go_on().await?;
    load.stop().await?;

    let refused = dial(&secured, at, "before").await;
    ensure!(refused.is_err(), "a certificate of the old authority still opens the door");
    Ok(())
}

/// What a file says now holds after SIGHUP at the latest; the process stays.
#[tokio::test]
async fn revocations_come_with_sighup() -> Result<()> {
    let authority = Authority::new("ours");
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let at = folder.path();
    put_file(at, "ca.crt", authority.pem())?;
    put_file(at, "clients-ca.crt", authority.pem())?;
    put_file(at, "ca.crl", authority.revoke_der(&[]))?;
    authority.issue(&Subject::new("server", &["127.0.0.1"])).write(at, "server");
    authority.issue(&Subject::new("a", &[]).serial(7)).write(at, "good");
    authority.issue(&Subject::new("b", &[]).serial(8)).write(at, "lost");
    let flags =
        ["--client-cert-auth", "--trusted-ca-file", "ca.crt", "--client-crl-file", "ca.crl"];
    let secured = Secured::start(Program::Ketch, at, &flags)?;
    let running = dial(&secured, at, "lost").await?;
    put(&running).await?;
    put_file(at, "ca.crl", authority.revoke_der(&[8]))?;
    secured.member.signal(Signal::HUP)?;
    wait_for(&secured, "reading certificates and keys again").await?;
    let end = Instant::now() + LIMIT;
    while dial(&secured, at, "lost").await.is_ok() {
        ensure!(Instant::now() < end, "a revoked certificate is still good");
    }
    put(&dial(&secured, at, "good").await?).await?;
    // What runs goes on, as in etcd.
    put(&running).await?;
    ensure!(secured.member.log().contains("transport: certificate serial revoked"));
    Ok(())
}

/// Two kinds of clients that never stop: one that stays on its connection, one that makes a new
/// one for every request.
struct Load {
    state: Arc<State>,
    tasks: JoinSet<Result<()>>,
}

#[derive(Default)]
struct State {
    staying: AtomicUsize,
    coming: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    async fn start(secured: &Secured, at: &Path) -> Result<Self> {
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        let (address, folder) = (secured.address(), at.to_owned());
        let first = dial_at(&address, &folder, "client").await?;
        let staying = Arc::clone(&state);
        tasks.spawn(async move {
            while !staying.is_over.load(Ordering::Relaxed) {
                put(&first).await.context("on a connection that stays")?;
                staying.staying.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let coming = Arc::clone(&state);
        tasks.spawn(async move {
            while !coming.is_over.load(Ordering::Relaxed) {
                let rpc = dial_at(&address, &folder, "client").await.context("a new connection")?;
                put(&rpc).await.context("on a new connection")?;
                coming.coming.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Ok(Self { state, tasks })
    }

    /// Waits until both have done a good deal more.
    async fn go_on(&self) -> Result<()> {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (staying, coming) = (count(&self.state.staying), count(&self.state.coming));
        let end = Instant::now() + LIMIT;
        loop {
            let done = count(&self.state.staying) >= staying + BETWEEN
                && count(&self.state.coming) >= coming + BETWEEN;
            match done {
                true => return Ok(()),
                // Why shows at the end.
                false if Instant::now() > end || self.tasks.len() < 2 => return Ok(()),
                false => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn stop(mut self) -> Result<()> {
        self.state.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        let State { staying, coming, .. } = &*self.state;
        println!("{staying:?} puts on one connection, {coming:?} on one each, none failed");
        let least = 6 * BETWEEN;
        let both = [staying, coming].map(|counter| counter.load(Ordering::Relaxed));
        ensure!(both.iter().all(|count| *count >= least), "the load stood still: {both:?}");
        Ok(())
    }
}

/// Waits for the log line of each reload in turn.
struct Reloads<'a> {
    secured: &'a Secured,
    seen: usize,
}

impl Reloads<'_> {
    async fn next(&mut self, what: &str) -> Result<()> {
        let end = Instant::now() + LIMIT;
        let count = || self.secured.member.log().matches("files were reloaded").count();
        while count() <= self.seen {
            ensure!(Instant::now() < end, "{what}: not read; {}", self.secured.member.log_tail());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.seen = count();
        Ok(())
    }
}

async fn wait_for(secured: &Secured, text: &str) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !secured.member.log().contains(text) {
        if Instant::now() > end {
            bail!("no {text:?}; {}", secured.member.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn dial(secured: &Secured, at: &Path, name: &str) -> Result<Rpc> {
    let rpc = dial_at(&secured.address(), at, name).await?;
    // With TLS 1.3 a refusal comes after the handshake.
    put(&rpc).await?;
    Ok(rpc)
}

/// With `name.pem`, which has both, where there is one.
async fn dial_at(address: &str, at: &Path, name: &str) -> Result<Rpc> {
    let both = at.join(format!("{name}.pem"));
    let (cert, key) = match both.exists() {
        true => (both.clone(), both),
        false => (at.join(format!("{name}.crt")), at.join(format!("{name}.key"))),
    };
    let trusted_ca = Some(at.join("clients-ca.crt"));
    let files = Files { cert: Some(cert), key: Some(key), trusted_ca, ..Files::default() };
    let identity = Identity::load(files, Rules::default(), Alpn::Clients)?;
    Rpc::secured(address, identity).await
}

async fn put(rpc: &Rpc) -> Result<()> {
    let ask = PutRequest { key: "a".into(), value: "1".into(), ..PutRequest::default() };
    let answer = rpc.call::<PutResponse>("/etcdserverpb.KV/Put", &ask);
    tokio::time::timeout(Duration::from_secs(10), answer).await??;
    Ok(())
}

/// In one step, as those who rotate certificates do.
fn put_file(at: &Path, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(at.join("fresh"), bytes)?;
    std::fs::rename(at.join("fresh"), at.join(name))?;
    Ok(())
}
