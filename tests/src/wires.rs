//! Relays in front of peer ports, which can be cut and slowed: partitions without root.
//!
//! Every member advertises its relay, so all talk between two members goes through the relay of
//! the one that was dialed. Who dialed shows in the `X-PeerURLs` header of its requests, so one
//! pair can be cut, or one direction of a pair. A cut holds bytes back, as a network does that
//! loses packets; what was sent goes on when the cut is mended, if the connection still lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Stands for a dialer that has not said who it is.
const STRANGER: u16 = 0;
const CHUNK_BYTES: usize = 64 * 1024;

/// The relays of one cluster. A member is named by the port of its relay.
#[derive(Debug)]
pub struct Wires {
    rules: watch::Sender<Rules>,
    fronts: Option<mpsc::UnboundedSender<(TcpListener, u16)>>,
    known: Vec<u16>,
    handle: tokio::runtime::Handle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default, Clone)]
struct Rules {
    /// Sender and receiver of bytes that do not pass.
    cut: BTreeSet<(u16, u16)>,
    /// What each chunk of bytes waits that goes to or comes from a member.
    delay: BTreeMap<u16, Duration>,
}

impl Wires {
    /// Starts the thread of the relays.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn new() -> Result<Self> {
        let (fronts, mut queue) = mpsc::unbounded_channel::<(TcpListener, u16)>();
        let (rules, seen) = watch::channel(Rules::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("wires".to_owned()).spawn(move || {
            runtime.block_on(async {
                while let Some((listener, back)) = queue.recv().await {
                    tokio::spawn(accept(listener, back, seen.clone()));
                }
            });
        })?;
        Ok(Self { rules, fronts: Some(fronts), known: Vec::new(), handle, thread: Some(thread) })
    }

    /// Relays `front` to `back`.
    ///
    /// # Errors
    /// When `front` is taken.
    pub fn attach(&mut self, front: u16, back: u16) -> Result<()> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", front)).context("a relay")?;
        listener.set_nonblocking(true)?;
        let guard = self.handle.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(guard);
        let fronts = self.fronts.as_ref().context("the relays run until dropped")?;
        fronts.send((listener, back)).ok().context("the thread of the relays has ended")?;
        self.known.push(front);
        Ok(())
    }

    /// Nothing passes between `member` and anybody.
    pub fn isolate(&self, member: u16) {
        self.silence(member);
        self.deafen(member);
    }

    /// Nothing of what `member` says arrives.
    pub fn silence(&self, member: u16) {
        for other in self.others(member) {
            self.cut(member, other);
        }
    }

    /// Nothing arrives at `member`.
    pub fn deafen(&self, member: u16) {
        for other in self.others(member) {
            self.cut(other, member);
        }
    }

    /// Bytes from one do not arrive at the other; those the other way do.
    pub fn cut(&self, from: u16, to: u16) {
        self.rules.send_modify(|rules| {
            rules.cut.insert((from, to));
        });
    }

    /// Bytes to and from `member` take this much longer.
    pub fn delay(&self, member: u16, by: Duration) {
        self.rules.send_modify(|rules| {
            rules.delay.insert(member, by);
        });
    }

    /// All as at the start.
    pub fn mend(&self) {
        self.rules.send_modify(|rules| *rules = Rules::default());
    }

    fn others(&self, member: u16) -> Vec<u16> {
        let others = self.known.iter().copied().filter(|other| *other != member);
        others.chain([STRANGER]).collect()
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.fronts = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, back: u16, rules: watch::Receiver<Rules>) {
    let Ok(front) = listener.local_addr().map(|address| address.port()) else { return };
    while let Ok((dialer, _)) = listener.accept().await {
        let rules = rules.clone();
        tokio::spawn(async move {
            // A member that is down refuses: so does its relay, by hanging up.
            let Ok(member) = TcpStream::connect(("127.0.0.1", back)).await else { return };
            relay(dialer, member, front, rules).await;
        });
    }
}

async fn relay(dialer: TcpStream, member: TcpStream, front: u16, rules: watch::Receiver<Rules>) {
    let _ = (dialer.set_nodelay(true), member.set_nodelay(true));
    let caller = Arc::new(AtomicU16::new(STRANGER));
    let (from_dialer, to_dialer) = dialer.into_split();
    let (from_member, to_member) = member.into_split();
    let asks = Way { caller: Arc::clone(&caller), front, is_request: true, rules: rules.clone() };
    let answers = Way { caller, front, is_request: false, rules };
    // Either end's hanging up ends both ways.
    tokio::select! {
        () = asks.pump(from_dialer, to_member) => {}
        () = answers.pump(from_member, to_dialer) => {}
    }
}

/// One direction of one connection.
struct Way {
    caller: Arc<AtomicU16>,
    front: u16,
    is_request: bool,
    rules: watch::Receiver<Rules>,
}

impl Way {
    async fn pump(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            let bytes = &chunk[..length];
            if self.is_request && self.caller.load(Ordering::Relaxed) == STRANGER {
                self.caller.store(caller_of(bytes), Ordering::Relaxed);
            }
            if self.pass().await.is_err() || to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }

    /// Waits until bytes may go on; an error once the relays are gone.
    async fn pass(&mut self) -> Result<(), watch::error::RecvError> {
        let caller = self.caller.load(Ordering::Relaxed);
        let path = if self.is_request { (caller, self.front) } else { (self.front, caller) };
        let late = {
            let rules = self.rules.wait_for(|rules| !rules.cut.contains(&path)).await?;
            rules.delay.get(&path.0).max(rules.delay.get(&path.1)).copied()
        };
        if let Some(late) = late {
            tokio::time::sleep(late).await;
        }
        Ok(())
    }
}

/// The relay's port of the member that made this request, if it says so.
fn caller_of(request: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let line = text.lines().find_map(|line| line.strip_prefix("x-peerurls:"));
    let port =
        line.and_then(|urls| urls.trim().split(',').next()?.rsplit(':').next()?.parse().ok());
    port.unwrap_or(STRANGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_member() {
        let head = b"GET /raft/stream/message/8e9e HTTP/1.1\r\nHost: a\r\n\
            X-PeerURLs: http://127.0.0.1:2380,http://127.0.0.1:9\r\n\r\n";
        assert_eq!(caller_of(head), 2380);
        assert_eq!(caller_of(b"GET /version HTTP/1.1\r\n\r\n"), STRANGER);
        assert_eq!(caller_of(&[0xFF; 40]), STRANGER);
    }
}
