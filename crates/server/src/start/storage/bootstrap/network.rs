//! The real outside: other members' peer ports, the DNS, a discovery service.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use ketch_base::MemberId;
use ketch_peer::{Dialer, ask};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::discovery::{self, DiscoveryError};
use super::resolver;
use super::same_urls::Lookup;
use super::{Outside, Running};
use crate::config::DiscoveryService;

/// Asks over sockets; blocks the calling thread, which must be in no runtime.
pub(in super::super) struct Network {
    runtime: Runtime,
    dialer: Dialer,
}

impl Network {
    /// Members whose URLs say https are reached through `dialer`.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub(in super::super) fn new(dialer: Dialer) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, dialer })
    }
}

impl Lookup for Network {
    fn address(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
        let no_such = || format!("lookup {host}: no such host");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        // What is not from the system is from the resolver: it knows no such name.
        let found = (bare, port).to_socket_addrs().map_err(|error| match error.raw_os_error() {
            None => no_such(),
            Some(_) => format!("lookup {host}: {error}"),
        })?;
        let mut found: Vec<SocketAddr> = found.collect();
        // Go takes an IPv4 address where there is one.
        found.sort_by_key(SocketAddr::is_ipv6);
        found.into_iter().next().ok_or_else(no_such)
    }

    fn rest(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Outside for Network {
    /// All at once: those that found the cluster beside this member keep silent until it stands.
    fn cluster(&self, urls: &[String], timeout: Duration) -> Result<Running, String> {
        self.runtime.block_on(async {
            let mut asked = JoinSet::new();
            for url in urls.iter().cloned() {
                let dialer = self.dialer.clone();
                asked.spawn(async move { (ask::cluster(&dialer, &url, timeout).await, url) });
            }
            // A task that panicked is as good as no answer.
            while let Some(Ok((answer, address))) = asked.join_next().await {
                match answer {
                    Ok(view) if view.members.is_empty() => {
                        let why = "failed to get raft cluster member(s) from the given URLs";
                        return Err(why.to_owned());
                    }
                    Ok(view) => {
                        return Ok(Running { cluster: view.cluster, members: view.members });
                    }
                    Err(error) => {
                        let error = error.to_string();
                        tracing::warn!(address, error, "failed to get cluster response");
                    }
                }
            }
            Err("could not retrieve cluster information from the given URLs".to_owned())
        })
    }

    fn cluster_version(&self, urls: &[String], timeout: Duration) -> Option<String> {
        for url in urls {
            match self.runtime.block_on(ask::version(&self.dialer, url, timeout)) {
                Ok(versions) => return Some(versions.cluster),
                Err(error) => {
                    tracing::warn!(address = %url, error = %error, "failed to get version");
                }
            }
        }
        None
    }

    fn discover(
        &self,
        service: &DiscoveryService,
        id: MemberId,
        own: &str,
    ) -> Result<String, DiscoveryError> {
        self.runtime.block_on(discovery::join(service, id, own))
    }

    fn srv(&self, service: &str, domain: &str) -> Result<Vec<(String, u16)>, String> {
        let name = format!("_{service}._tcp.{domain}");
        self.runtime.block_on(async { resolver::system()?.srv(&name).await })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use ketch_base::ClusterId;

    use super::*;

    const MEMBERS: &str = r#"[{"id":7,"peerURLs":["http://a:1"],"name":"a","clientURLs":[]}]"#;

    /// The first speaks only once the second was asked, and the second never does.
    #[test]
    fn nobody_who_keeps_silent_is_in_the_way() {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let url = |of: &TcpListener| format!("http://{}", of.local_addr().expect("it is bound"));
        let urls = [url(&first), url(&second)];
        let answering = std::thread::spawn(move || {
            let silent = second.accept().expect("the second is asked");
            let (mut asked, _) = first.accept().expect("the first is asked");
            let _ = asked.read(&mut [0; 1024]).expect("a question");
            let length = MEMBERS.len();
            write!(
                asked,
                "HTTP/1.1 200 OK\r\nX-Etcd-Cluster-ID: c\r\nContent-Length: {length}\r\n\r\n{MEMBERS}"
            )
            .expect("an answer goes out");
            silent
        });
        let network = Network::new(Dialer::default()).expect("a runtime");
        let running = network.cluster(&urls, Duration::from_secs(30)).expect("an answer");
        assert_eq!((running.cluster, running.members.len()), (ClusterId(0xc), 1));
        drop(answering.join().expect("both were asked"));
    }
}
