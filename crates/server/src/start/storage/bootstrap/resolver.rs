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
