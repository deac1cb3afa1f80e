//! Every certificate of a running cluster is replaced, authority and all, while clients are at
//! work: no request fails, new connections use what is new, and what was old is out at the end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse};
use ketch_tests::cluster::{Cluster, PATIENCE, Papers, SeatPorts, can_run, member};
use ketch_tests::ports;
use ketch_tests::process::Program;
use ketch_tests::rpc::Rpc;
use ketch_tls::authority::{Authority, Subject};
use ketch_tls::{Alpn, Files, Identity, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(20);
/// Requests of each client between two changes.
const BETWEEN: usize = 20;
/// Its connections to the others are made anew after each change; the clients are at the others.
const RESTARTED: usize = 2;

#[tokio::test]
async fn authority_and_leaves_change_under_load() -> Result<()> {
    let kinds = [Program::Ketch; 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let papers = Papers::of_members(&old, 3)?;
    papers.put("clients-ca.crt", old.pem())?;
    client(&papers, &old, "client")?;
    client(&papers, &old, "before")?;
    let mut world = World::start(papers).await?;
    let load = Load::start(&world).await?;
    load.go_on().await?;

    let both = [old.pem(), new.pem()].concat();
    world.papers.put("clients-ca.crt", &both)?;
    for seat in 0..3 {
        world.change(seat, |papers| papers.put(&format!("ca{seat}.crt"), &both)).await?;
    }
    load.go_on().await?;
    world.reconnect().await?;
    world.peer_port(0, "before").await.context("the old authority is still good")?;

    client(&world.papers, &new, "client")?;
    for seat in 0..3 {
        let issue = |papers: &Papers| papers.issue(&format!("m{seat}"), &new, &member(seat));
        world.change(seat, issue).await?;
    }
    load.go_on().await?;
    world.reconnect().await?;
    load.go_on().await?;

    world.papers.put("clients-ca.crt", new.pem())?;
    for seat in 0..3 {
        world.change(seat, |papers| papers.put(&format!("ca{seat}.crt"), new.pem())).await?;
    }
    load.go_on().await?;
    world.reconnect().await?;
    load.go_on().await?;
    load.stop().await?;

    for seat in 0..3 {
        world.peer_port(seat, "client").await.context("the new authority")?;
        let refused = world.peer_port(seat, "before").await;
        ensure!(refused.is_err(), "m{seat} still lets in what the old authority signed");
    }
    world.all_anew().await
}

/// Certificate and key in one file, so that they change together.
fn client(papers: &Papers, by: &Authority, name: &str) -> Result<()> {
    let issued = by.issue(&Subject::new("client", &["127.0.0.1"]));
    papers.put(&format!("{name}.pem"), [issued.cert, issued.key].concat())
}

/// Three members that are secured on both sides, and a port in clear for the driver.
struct World {
    cluster: Cluster,
    papers: Arc<Papers>,
    secured: [String; 3],
}

impl World {
    async fn start(papers: Papers) -> Result<Self> {
        let file = |name: &str| papers.text(name);
        let tls = papers.mutual().with(&[
            "--cert-file",
            &file("m$SEAT.crt"),
            "--key-file",
            &file("m$SEAT.key"),
            "--trusted-ca-file",
            &file("ca$SEAT.crt"),
            "--client-cert-auth",
        ]);
        let on = [(); 3].map(|()| SeatPorts::free());
        let mut cluster = Cluster::prepare_secured(&[Program::Ketch; 3], &[], &on, &tls)?;
        let secured = [(); 3].map(|()| format!("127.0.0.1:{}", ports::free_port()));
        for (at, address) in secured.iter().enumerate() {
            let clear = cluster.seats()[at].member.endpoint();
            cluster.add_flags(at, &[&format!("--listen-client-urls={clear},https://{address}")]);
        }
        cluster.spawn_all()?;
        cluster.wait_settled().await?;
        cluster.move_leader(0).await?;
        Ok(Self { cluster, papers: Arc::new(papers), secured })
    }

    fn reloads(&self, seat: usize) -> usize {
        self.cluster.seats()[seat].member.log().matches("certificate files were reloaded").count()
    }

    /// Changes files of a member and waits until both of its sides use them.
    async fn change(&self, seat: usize, by: impl Fn(&Papers) -> Result<()>) -> Result<()> {
        let (before, end) = (self.reloads(seat), Instant::now() + LIMIT);
        by(&self.papers)?;
        while self.reloads(seat) < before + 2 {
            let tail = self.cluster.seats()[seat].member.log_tail();
            ensure!(Instant::now() < end, "m{seat} does not read them; {tail}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// All connections of one member are made anew, and it hears of what was written meanwhile.
    async fn reconnect(&mut self) -> Result<()> {
        self.cluster.kill(RESTARTED);
        self.cluster.restart(RESTARTED).await?;
        let key = "after the restart";
        let put = self.cluster.client(RESTARTED).put(key, "1").await;
        put.context("through the member that came back")?;
        Ok(())
    }

    /// A question at the peer port of a member, behind its relay.
    async fn peer_port(&self, seat: usize, name: &str) -> Result<()> {
        let identity = identity(&self.papers, name, Alpn::Peers)?;
        let address = format!("127.0.0.1:{}", self.cluster.seats()[seat].peer_port());
        let socket = TcpStream::connect(&address).await?;
        let mut stream = identity.connector().connect(&address, socket, LIMIT).await?;
        let ask = format!("GET /version HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        // Go's way of closing does not say goodbye.
        if let Err(error) = read
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            return Err(error.into());
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    /// A start from nothing but the new files.
    async fn all_anew(mut self) -> Result<()> {
        (0..3).for_each(|at| self.cluster.kill(at));
        self.cluster.spawn_all()?;
        self.cluster.wait_leader().await?;
        self.cluster.equal_hashes().await?;
        self.cluster.finish()
    }
}

fn identity(papers: &Papers, name: &str, alpn: Alpn) -> Result<Arc<Identity>> {
    let both = Some(papers.path(&format!("{name}.pem")));
    let trusted_ca = Some(papers.path("clients-ca.crt"));
    let files = Files { cert: both.clone(), key: both, trusted_ca, ..Files::default() };
    Ok(Identity::load(files, Rules::default(), alpn)?)
}

/// Two kinds of clients at each of two members: one stays on its connection, one makes a new one
/// for every request. The first failure is the end.
struct Load {
    state: Arc<State>,
    tasks: JoinSet<Result<()>>,
}

#[derive(Default)]
struct State {
    done: [AtomicUsize; 4],
    is_over: AtomicBool,
}

impl Load {
    async fn start(world: &World) -> Result<Self> {
        let (state, mut tasks) = (Arc::new(State::default()), JoinSet::new());
        for (at, address) in world.secured[..RESTARTED].iter().enumerate() {
            let (address, papers) = (address.clone(), Arc::clone(&world.papers));
            let first = dial(&address, &papers).await?;
            let (stays, comes) = (Arc::clone(&state), Arc::clone(&state));
            tasks.spawn(async move {
                while !stays.is_over.load(Ordering::Relaxed) {
                    put(&first).await.with_context(|| format!("at m{at}, one connection"))?;
                    stays.done[at].fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
            tasks.spawn(async move {
                while !comes.is_over.load(Ordering::Relaxed) {
                    let rpc = dial(&address, &papers).await;
                    let rpc = rpc.with_context(|| format!("at m{at}, dialing"))?;
                    put(&rpc).await.with_context(|| format!("at m{at}, a new connection"))?;
                    comes.done[RESTARTED + at].fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Ok(Self { state, tasks })
    }

    fn done(&self) -> [usize; 4] {
        self.state.done.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Waits until all have done a good deal more.
    async fn go_on(&self) -> Result<()> {
        let (before, end) = (self.done(), Instant::now() + PATIENCE);
        let is_enough =
            |now: [usize; 4]| now.iter().zip(before).all(|(now, before)| *now >= before + BETWEEN);
        while !is_enough(self.done()) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ensure!(is_enough(self.done()), "the load stands still: {before:?}, {:?}", self.done());
        Ok(())
    }

    async fn stop(mut self) -> Result<()> {
        self.state.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        println!("{:?} puts, none failed", self.done());
        Ok(())
    }
}

async fn dial(address: &str, papers: &Papers) -> Result<Rpc> {
    Rpc::secured(address, identity(papers, "client", Alpn::Clients)?).await
}

async fn put(rpc: &Rpc) -> Result<()> {
    let ask = PutRequest { key: "a".into(), value: "1".into(), ..PutRequest::default() };
    let answer = rpc.call::<PutResponse>("/etcdserverpb.KV/Put", &ask);
    tokio::time::timeout(LIMIT, answer).await??;
    Ok(())
}
