//! A lease that is kept alive for as long as its holder lives.

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Client, Error};

/// Keys put under a session's lease vanish when its holder does.
pub struct Session {
    client: Client,
    lease: i64,
    alive: watch::Receiver<()>,
    renewing: JoinHandle<()>,
}

impl Session {
    /// Grants a lease of `ttl` seconds and begins to renew it.
    ///
    /// # Errors
    /// The server refuses the lease, or there is none.
    pub async fn open(client: &Client, ttl: i64) -> Result<Self, Error> {
        let client = client.with_timeout(None);
        let lease = client.lease().grant(ttl, 0).await?.id;
        let mut renewals = client.lease().keep_alive(lease);
        let (sender, alive) = watch::channel(());
        let renewing = tokio::spawn(async move {
            while renewals.next().await.is_some() {}
            drop(sender);
        });
        Ok(Self { client, lease, alive, renewing })
    }

    /// Id of the lease.
    pub fn lease(&self) -> i64 {
        self.lease
    }

    /// Returns when the lease is gone although it should live.
    pub async fn lost(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Ends the session and revokes its lease.
    ///
    /// # Errors
    /// The lease is gone already, or there is no server.
    pub async fn close(self) -> Result<(), Error> {
        self.renewing.abort();
        self.client.lease().revoke(self.lease).await.map(|_| ())
    }
}
