//! SRV records from the name servers of the system.

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;

/// Asks name servers.
pub(super) struct Resolver(TokioResolver);

/// With the name servers of `/etc/resolv.conf`.
///
/// # Errors
/// It cannot be read.
pub(super) fn system() -> Result<Resolver, String> {
    let failed = |error: NetError| format!("lookup: {error}");
    let builder = TokioResolver::builder_tokio().map_err(failed)?;
    builder.build().map(Resolver).map_err(failed)
}

impl Resolver {
    /// Targets and ports, best priority first, heavier ones first among equals.
    ///
    /// # Errors
    /// No such records, or no answer; in Go's words where it has some.
    pub(super) async fn srv(&self, name: &str) -> Result<Vec<(String, u16)>, String> {
        let found = self.0.srv_lookup(name).await.map_err(|error| match error {
            error if error.is_no_records_found() || error.is_nx_domain() => {
                format!("lookup {name}: no such host")
            }
            error => format!("lookup {name}: {error}"),
        })?;
        let mut records: Vec<_> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(srv),
                _ => None,
            })
            .collect();
        records.sort_by_key(|srv| (srv.priority, std::cmp::Reverse(srv.weight)));
        Ok(records.into_iter().map(|srv| (srv.target.to_utf8(), srv.port)).collect())
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::SRV;
    use hickory_resolver::proto::rr::{Name, RData, Record};
    use tokio::net::UdpSocket;

    use super::Resolver;

    /// Priority, weight, port and target, served for one name; others do not exist.
    const RECORDS: &[(u16, u16, u16, &str)] =
        &[(2, 0, 3, "c.x.test."), (1, 1, 2, "b.x.test."), (1, 9, 1, "a.x.test.")];
    const NAME: &str = "_etcd-server._tcp.x.test.";

    fn answer(question: &[u8]) -> Option<Vec<u8>> {
        let mut message = Message::from_vec(question).ok()?.into_response();
        let name = message.queries.first()?.name().clone();
        if name.to_utf8() != NAME {
            message.metadata.response_code = ResponseCode::NXDomain;
            return message.to_vec().ok();
        }
        for (priority, weight, port, target) in RECORDS {
            let target = Name::from_utf8(target).ok()?;
            let srv = RData::SRV(SRV::new(*priority, *weight, *port, target));
            message.add_answer(Record::from_rdata(name.clone(), 60, srv));
        }
        message.to_vec().ok()
    }

    /// A name server of one socket, and a resolver that asks nobody else.
    async fn pair() -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = answer(&question[..size]) {
                    socket.send_to(&answer, from).await.expect("a loopback");
                }
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        let resolver = super::TokioResolver::builder_with_config(config, provider).build();
        Resolver(resolver.expect("a resolver"))
    }

    #[tokio::test]
    async fn records_in_the_order_of_their_worth() {
        let resolver = pair().await;
        let found = resolver.srv("_etcd-server._tcp.x.test").await.expect("records");
        let found: Vec<String> =
            found.iter().map(|(target, port)| format!("{target}{port}")).collect();
        assert_eq!(found, ["a.x.test.1", "b.x.test.2", "c.x.test.3"]);
        let missing = resolver.srv("_etcd-server-ssl._tcp.x.test").await;
        let why = "lookup _etcd-server-ssl._tcp.x.test: no such host";
        assert_eq!(missing, Err(why.to_owned()));
    }
}
