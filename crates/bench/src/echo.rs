//! The limit of any gRPC server here: an empty tonic handler that answers with as many bytes.
//!
//! `ketch-bench echo ADDRESS`, a process of its own. Puts are answered with a header; a range asks
//! with its limit for so many bytes of value.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use ketch_proto::etcdserverpb::kv_server::{Kv, KvServer};
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, ResponseHeader, TxnRequest,
    TxnResponse,
};
use ketch_proto::mvccpb::KeyValue;
use socket2::{Domain, Socket, Type};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Echo {
    value: Bytes,
}

/// As large as real headers are.
fn header() -> Option<ResponseHeader> {
    let id = 0x1234_5678_9abc_def0;
    Some(ResponseHeader { cluster_id: id, member_id: id, revision: 1 << 20, raft_term: 2 })
}

#[tonic::async_trait]
impl Kv for Echo {
    type RangeStreamStream = tokio_stream::Empty<Result<RangeStreamResponse, Status>>;

    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        Ok(Response::new(PutResponse { header: header(), prev_kv: None }))
    }

    async fn range(&self, asked: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let RangeRequest { key, limit, .. } = asked.into_inner();
        let size = usize::try_from(limit).unwrap_or(0).min(self.value.len());
        let value = self.value.slice(..size);
        let row =
            KeyValue { key, value, create_revision: 9, mod_revision: 9, version: 1, lease: 0 };
        let answer = RangeResponse { header: header(), kvs: vec![row], more: false, count: 1 };
        Ok(Response::new(answer))
    }

    async fn txn(&self, _: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let succeeded = true;
        Ok(Response::new(TxnResponse { header: header(), succeeded, responses: Vec::new() }))
    }

    async fn range_stream(
        &self,
        _: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_range(
        &self,
        _: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn compact(
        &self,
        _: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Serves until killed: one thread for each core, each with connections of its own, as a server
/// made for this would have it.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes: Vec<_> = (1..cores).map(|_| std::thread::spawn(move || lane(address))).collect();
    lane(address)?;
    for lane in lanes {
        lane.join().map_err(|_| anyhow::anyhow!("a lane panicked"))??;
    }
    Ok(())
}

fn lane(address: SocketAddr) -> Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(socket.into())?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let echo = Echo { value: vec![b'e'; 1 << 20].into() };
        let service = KvServer::new(echo).max_decoding_message_size(16 << 20);
        let server = tonic::transport::Server::builder().add_service(service);
        Ok(server.serve_with_incoming(incoming).await?)
    })
}
