//! `grpc.health.v1.Health`: one service, the whole server, named by the empty string.

use http::Response;
use ketch_base::Code;
use tokio::sync::watch::Receiver;

use super::call::{Call, Outlet, composed};
use super::frames::Inbound;
use super::told::Told;
use crate::body::Body;
use crate::edge::{Edge, Phase};
use crate::method::Method;
use crate::ports::{About, Ports};
use crate::status::Status;

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

#[derive(Clone, PartialEq, prost::Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ListRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    statuses: Vec<ListEntry>,
}

/// A map entry; the empty name is written out, as grpc-go does.
#[derive(Clone, PartialEq, prost::Message)]
struct ListEntry {
    #[prost(string, required, tag = "1")]
    service: String,
    #[prost(message, required, tag = "2")]
    response: CheckResponse,
}

/// The audit log is told of neither.
impl Told for CheckRequest {
    fn about(&self) -> About {
        About::default()
    }
}

impl Told for ListRequest {
    fn about(&self) -> About {
        About::default()
    }
}

pub(super) async fn serve<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    mut call: Call<B>,
) -> Response<Body> {
    let mut phase = edge.phase();
    match call.record.meter.method {
        Method::HealthCheck => {
            composed(edge, call, |request: CheckRequest| async move {
                match request.service.is_empty() {
                    true => Ok(CheckResponse { status: status(&mut phase) }),
                    false => Err(Code::HealthUnknownService),
                }
            })
            .await
        }
        Method::HealthList => {
            composed(edge, call, |ListRequest {}| async move {
                let response = CheckResponse { status: status(&mut phase) };
                let statuses = vec![ListEntry { service: String::new(), response }];
                Ok::<_, Code>(ListResponse { statuses })
            })
            .await
        }
        _ => match call.stream_request::<CheckRequest, P>(edge).await {
            Ok(request) => call.drive(|_messages, outlet| follow(request, phase, outlet)),
            Err(status) => call.refuse(&status),
        },
    }
}

fn status(phase: &mut Receiver<Phase>) -> i32 {
    match *phase.borrow_and_update() {
        Phase::Serving => SERVING,
        Phase::NotServing | Phase::Stopping => NOT_SERVING,
    }
}

/// Tells the status now and at every change.
async fn follow(
    request: CheckRequest,
    mut phase: Receiver<Phase>,
    outlet: Outlet,
) -> Result<(), Status> {
    let known = request.service.is_empty();
    let mut told = 0;
    loop {
        let now = if known { status(&mut phase) } else { SERVICE_UNKNOWN };
        if now != told {
            outlet.send(&CheckResponse { status: now }).await;
            told = now;
        }
        let stopping = *phase.borrow_and_update() == Phase::Stopping;
        if stopping || phase.changed().await.is_err() {
            return Err(Code::Stopped.into());
        }
    }
}
