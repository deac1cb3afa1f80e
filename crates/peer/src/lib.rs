//! Member-to-member transport over HTTP/1.1, etcd's.
//!
//! Each member dials two streams to every other one and reads from them: `message` for everything
//! small, `msgapp` for appends. What it wants to say goes into the streams the others dialed.
//! While no stream stands, messages are posted one by one (the pipeline); snapshots always are.
//! [`Links`] is the sending side, [`Port`] with [`serve_connection`] the answering side, [`ask`]
//! the one-shot questions between members.
//!
//! Invariant: knows nothing of what a message means beyond its type, sender and receiver.
//! Invariant: sending never blocks; what does not fit into a bounded queue is dropped and reported
//! as unreachable, as Raft allows.
//! Invariant: no length that came from the wire is allocated before its bytes have come.
//! Invariant: dialing and accepting happen in `net` alone; nothing else knows of TLS.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use ketch_base::{ClusterId, MemberId};
//! # use ketch_peer::{Config, Links, Ports};
//! # async fn run(ports: Arc<impl Ports>, socket: tokio::net::TcpStream) {
//! let config = Config::new(MemberId(1), ClusterId(7), vec!["http://10.0.0.1:2380".into()]);
//! let (links, port) = Links::start(config, ports, &tokio::runtime::Handle::current());
//! links.follow(&[(MemberId(2), vec!["http://10.0.0.2:2380".into()])]);
//! let remote = socket.peer_addr().ok();
//! ketch_peer::serve_connection(socket, remote, port).await;
//! # }
//! ```

pub mod ask;
mod client;
mod config;
pub mod frame;
mod headers;
mod json;
pub mod limits;
mod link;
mod links;
mod net;
mod ports;
mod serve;
mod status;

pub use config::Config;
pub use links::Links;
pub use net::Dialer;
pub use ports::{HashAnswer, Ports, SnapshotBody, SnapshotRefused, Versions};
pub use serve::{Port, serve_connection, serve_secured};
pub use status::LinkStatus;
