//! A real etcd 3.7.1 on loopback.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ketch_peer::Dialer;
use ketch_peer::ask::{self, ClusterView};
use tempfile::TempDir;

use crate::end::until;

/// The process; it ends with the value.
pub(crate) struct Etcd {
    child: Child,
    pub(crate) peer_url: String,
    pub(crate) client_url: String,
    _data: TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

impl Etcd {
    /// Member `a` of a new cluster; `other` is the peer URL of a member `b`. `None` where the real
    /// etcd was not built; in CI that is a failure.
    pub(crate) fn start(other: Option<&str>, flags: &[&str]) -> Option<Self> {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/bin/etcd");
        if !binary.exists() {
            assert!(std::env::var_os("CI").is_none(), "CI needs {}", binary.display());
            eprintln!("SKIPPED: needs the real etcd: run tests/peers/build.sh");
            return None;
        }
        let data = TempDir::new().expect("a directory for its data");
        let (peer_url, client_url) = (free_url(), free_url());
        let mut cluster = format!("a={peer_url}");
        if let Some(other) = other {
            cluster.push_str(&format!(",b={other}"));
        }
        let child = Command::new(binary)
            .args(["--name", "a", "--log-level", "error", "--initial-cluster", &cluster])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
            .args(flags)
            .arg("--data-dir")
            .arg(data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        Some(Self { child, peer_url, client_url, _data: data })
    }

    /// What it says of its cluster, once it says anything.
    pub(crate) async fn cluster(&self) -> ClusterView {
        let dialer = Dialer::default();
        let ask = || ask::cluster(&dialer, &self.peer_url, Duration::from_secs(5));
        until("etcd names its members", ask, |view| !view.members.is_empty()).await
    }
}
