//! The ports as a client within: what locks and elections ask goes through the gate, each request
//! by itself, with the credentials of the call.

use std::sync::Arc;

use ketch_auth::gate::Request;
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::{
    DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, RangeRequest,
    TxnRequest, TxnResponse, WatchCreateRequest,
};

use crate::ports::{Credentials, Pass, Ports, RangeReply};

/// One caller's way to the ports.
pub(super) struct Inner<P> {
    ports: Arc<P>,
    credentials: Credentials,
}

impl<P: Ports> Inner<P> {
    pub(super) fn new(ports: &Arc<P>, credentials: &Credentials) -> Arc<Self> {
        Arc::new(Self { ports: Arc::clone(ports), credentials: credentials.clone() })
    }

    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeReply, Code> {
        let pass = self.pass(Request::Range(&request)).await?;
        self.ports.range(pass, request).await
    }

    pub(super) async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Code> {
        let pass = self.pass(Request::Txn(&request)).await?;
        self.ports.txn(pass, request).await
    }

    pub(super) async fn delete_range(
        &self,
        request: DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Code> {
        let pass = self.pass(Request::DeleteRange(&request)).await?;
        self.ports.delete_range(pass, request).await
    }

    pub(super) async fn lease_grant(
        &self,
        request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, Code> {
        let pass = self.pass(Request::LeaseGrant).await?;
        self.ports.lease_grant(pass, request).await
    }

    /// A link for a watch of this range, and no other.
    pub(super) async fn watch(&self, range: &KeyRange) -> Result<P::Link, Code> {
        let (key, range_end) = match range {
            KeyRange::Key(key) => (key.clone(), bytes::Bytes::new()),
            KeyRange::HalfOpen(key, end) => (key.clone(), end.clone()),
            KeyRange::From(key) => (key.clone(), bytes::Bytes::from_static(&[0])),
        };
        let asked = WatchCreateRequest { key, range_end, ..Default::default() };
        self.pass(Request::WatchCreate(&asked)).await?;
        self.ports.watch().await
    }

    async fn pass(&self, request: Request<'_>) -> Result<Pass, Code> {
        match self.ports.is_auth_enabled() {
            true => Box::pin(self.ports.pass(&self.credentials, request)).await,
            false => Ok(Pass::FREE),
        }
    }
}
