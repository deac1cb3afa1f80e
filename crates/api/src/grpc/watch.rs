//! `etcdserverpb.Watch`: one function per client stream, between the client's messages and the
//! link to the hub.
//!
//! Back-pressure is the whole of the flow control: while the client does not read, the function
//! stands still, the link is not asked, and the hub keeps its own bounds.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::Response;
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::watch_create_request::FilterType;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{ResponseHeader, WatchCreateRequest, WatchRequest, WatchResponse};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tokio::sync::watch::Receiver;

use super::call::{Call, Messages, Outlet};
use super::frames::{FRAME_HEADER_BYTES, Inbound, put_header};
use super::gate;
use super::trail::Asked;
use super::watch_notes::Notes;
use crate::body::Body;
use crate::edge::{Edge, Phase};
use crate::limits::WATCH_GATHER_BYTES;
use crate::method::Method;
use crate::ports::{Credentials, Ports, WatchCommand, WatchCreate, WatchLink, WatchOutput};
use crate::status::Status;

/// Field number of `WatchResponse.events`.
const EVENTS: u32 = 11;
/// Frame header, response header and ids, at most.
const RESPONSE_HEAD_BYTES: usize = 96;
/// Tag and length of an event.
const EVENT_HEAD_BYTES: usize = 6;

pub(super) async fn serve<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    mut call: Call<B>,
) -> Response<Body> {
    if let Err(status) = call.admit(edge) {
        return call.refuse(&status);
    }
    let link = match edge.ports.watch().await {
        Ok(link) => link,
        Err(code) => return call.refuse(&code.into()),
    };
    let needs_leader = call.metadata.needs_leader;
    let ends = Ends { ports: Arc::clone(&edge.ports), needs_leader, phase: edge.phase() };
    let client = Client { credentials: call.metadata.credentials.clone(), notes: None };
    let client = Client { notes: call.record.scribe().map(Notes::new), ..client };
    call.drive(|messages, outlet| run(link, messages, outlet, client, ends))
}

/// Whose stream it is.
struct Client {
    credentials: Credentials,
    /// What the audit log hears of the stream, where one is kept.
    notes: Option<Notes>,
}

/// What ends a stream from our side.
pub(super) struct Ends<P> {
    pub(super) ports: Arc<P>,
    pub(super) needs_leader: bool,
    pub(super) phase: Receiver<Phase>,
}

impl<P: Ports> Ends<P> {
    /// Resolves when the stream must end, with the reason.
    pub(super) async fn reached(&mut self) -> Status {
        let stopping = self.phase.wait_for(|phase| *phase == Phase::Stopping);
        let code = tokio::select! {
            _ = stopping => Code::Stopped,
            () = self.ports.leader_lost(), if self.needs_leader => Code::NoLeader,
        };
        code.into()
    }
}

async fn run<P: Ports, B: Inbound>(
    mut link: impl WatchLink,
    mut messages: Messages<B>,
    outlet: Outlet,
    mut client: Client,
    mut ends: Ends<P>,
) -> Result<(), Status> {
    let end = serve_stream(&mut link, &mut messages, &outlet, &mut client, &mut ends).await;
    if let (Err(status), Some(notes)) = (&end, &client.notes) {
        notes.broke(status);
    }
    end
}

async fn serve_stream<P: Ports, B: Inbound>(
    link: &mut impl WatchLink,
    messages: &mut Messages<B>,
    outlet: &Outlet,
    client: &mut Client,
    ends: &mut Ends<P>,
) -> Result<(), Status> {
    let ports = Arc::clone(&ends.ports);
    let end = ends.reached();
    tokio::pin!(end);
    // A client may close its side and go on listening, as with etcd.
    let mut listening = true;
    loop {
        tokio::select! {
            message = messages.next::<WatchRequest>(), if listening && client.has_room() => {
                match message? {
                    Some(request) => match client.refused(&*ports, &request).await {
                        Some(refusal) => say(outlet, ports.header(), vec![refusal]).await,
                        None => if let Some(command) = command(request) {
                            link.command(command).await?;
                        },
                    },
                    None => listening = false,
                }
            },
            outputs = link.next() => {
                let outputs = outputs?;
                if let Some(notes) = &mut client.notes {
                    notes.heard(&outputs);
                }
                say(outlet, ports.header(), outputs).await;
            },
            status = &mut end => return Err(status),
        }
    }
}

impl Client {
    /// Whether the next message may be read: an outcome that the audit log waits for is
    /// remembered, and that is bounded.
    fn has_room(&self) -> bool {
        self.notes.as_ref().is_none_or(Notes::has_room)
    }

    /// The answer to a watch that the gate does not let be made: created and canceled in one.
    async fn refused<P: Ports>(
        &mut self,
        ports: &P,
        request: &WatchRequest,
    ) -> Option<WatchOutput> {
        let Some(RequestUnion::CreateRequest(create)) = &request.request_union else {
            return None;
        };
        let asked = self.notes.as_ref().map(|_| Asked::now(create));
        let verdict = gate::pass(ports, &self.credentials, Method::Watch, create).await;
        let refusal = verdict.as_ref().err().copied();
        if let (Some(notes), Some(asked)) = (&mut self.notes, asked) {
            let verdict = verdict.as_ref().map_err(|code| *code);
            let asked = notes.scribe().judged(asked, verdict, ports, &self.credentials);
            match refusal {
                Some(code) => notes.refused(&asked, code),
                None => notes.asked(asked),
            }
        }
        let code = refusal?;
        Some(WatchOutput::Canceled {
            watch_id: -1,
            revision: ports.header().revision,
            compact_revision: 0,
            reason: reason(code),
            created: true,
        })
    }
}

/// etcd tells three refusals apart; all others are a denial to it.
fn reason(code: Code) -> String {
    let code = match code {
        Code::InvalidAuthToken | Code::AuthOldRevision | Code::UserEmpty => code,
        _ => Code::PermissionDenied,
    };
    format!("rpc error: code = {:?} desc = {}", code.grpc(), code.text())
}

/// What a message asks, if anything.
fn command(request: WatchRequest) -> Option<WatchCommand> {
    Some(match request.request_union? {
        RequestUnion::CreateRequest(create) => WatchCommand::Create(created(create)),
        RequestUnion::CancelRequest(cancel) => WatchCommand::Cancel(cancel.watch_id),
        RequestUnion::ProgressRequest(_) => WatchCommand::Progress,
    })
}

fn created(request: WatchCreateRequest) -> WatchCreate {
    let filters = |filter: FilterType| request.filters.contains(&(filter as i32));
    let (no_put, no_delete) = (filters(FilterType::Noput), filters(FilterType::Nodelete));
    let key = match request.key.is_empty() {
        // etcd reads "no key" as its smallest one.
        true => Bytes::from_static(b"\0"),
        false => request.key,
    };
    WatchCreate {
        watch_id: request.watch_id,
        range: KeyRange::new(key, request.range_end),
        start_revision: request.start_revision,
        progress_notify: request.progress_notify,
        no_put,
        no_delete,
        prev_kv: request.prev_kv,
        fragment: request.fragment,
    }
}

/// Sends a batch, several small responses to a buffer.
async fn say(outlet: &Outlet, identity: ResponseHeader, outputs: Vec<WatchOutput>) {
    let whole: usize = outputs.iter().map(bytes_about).sum();
    let mut buffer = BytesMut::with_capacity(whole.min(2 * WATCH_GATHER_BYTES));
    let mut header = Header::new(identity);
    let (messages, mut bytes) = (outputs.len(), 0);
    for output in outputs {
        bytes += append(&mut buffer, &mut header, output);
        if buffer.len() >= WATCH_GATHER_BYTES {
            outlet.sink.send(buffer.split().freeze()).await;
        }
    }
    outlet.meter.sent(messages, bytes);
    if !buffer.is_empty() {
        outlet.sink.send(buffer.freeze()).await;
    }
}

/// Room that a framed response takes, at most but for a reason's text.
fn bytes_about(output: &WatchOutput) -> usize {
    let events = match output {
        WatchOutput::Events { events, .. } => events.as_slice(),
        _ => &[],
    };
    RESPONSE_HEAD_BYTES + events.iter().map(|event| event.len() + EVENT_HEAD_BYTES).sum::<usize>()
}

/// The header of responses, encoded once for all of the same revision.
struct Header {
    identity: ResponseHeader,
    revision: Option<i64>,
    /// Field 1 of a response: as many begin with the same bytes as follow each other.
    field: Vec<u8>,
}

impl Header {
    fn new(identity: ResponseHeader) -> Self {
        Self { identity, revision: None, field: Vec::new() }
    }

    fn at(&mut self, revision: i64) -> &[u8] {
        if self.revision != Some(revision) {
            self.revision = Some(revision);
            let header = Some(ResponseHeader { revision, ..self.identity });
            self.field = WatchResponse { header, ..Default::default() }.encode_to_vec();
        }
        &self.field
    }
}

/// Appends one framed response and returns its length without the frame header.
fn append(buffer: &mut BytesMut, header: &mut Header, output: WatchOutput) -> usize {
    let (revision, rest, events) = response(output);
    let header = header.at(revision);
    let event_bytes =
        |event: &Bytes| key_len(EVENTS) + encoded_len_varint(event.len() as u64) + event.len();
    let length = header.len() + rest.encoded_len() + events.iter().map(event_bytes).sum::<usize>();
    buffer.reserve(FRAME_HEADER_BYTES + length);
    put_header(buffer, length);
    buffer.put_slice(header);
    rest.encode_raw(buffer);
    for event in events {
        encode_key(EVENTS, WireType::LengthDelimited, buffer);
        encode_varint(event.len() as u64, buffer);
        buffer.put_slice(&event);
    }
    length
}

/// The revision of a response's header, the response without header and events, and the events,
/// encoded already.
fn response(output: WatchOutput) -> (i64, WatchResponse, Vec<Bytes>) {
    let plain = WatchResponse::default();
    match output {
        WatchOutput::Created { watch_id, revision } => {
            (revision, WatchResponse { watch_id, created: true, ..plain }, Vec::new())
        }
        WatchOutput::Canceled { watch_id, revision, compact_revision, reason, created } => {
            let response = WatchResponse {
                watch_id,
                created,
                canceled: true,
                compact_revision,
                cancel_reason: reason,
                ..plain
            };
            (revision, response, Vec::new())
        }
        WatchOutput::Events { watch_id, revision, events, fragment } => {
            (revision, WatchResponse { watch_id, fragment, ..plain }, events)
        }
        WatchOutput::Progress { watch_id, revision } => {
            (revision, WatchResponse { watch_id, ..plain }, Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_proto::mvccpb::{Event, KeyValue};

    #[test]
    fn spliced_events_decode_as_one_message() {
        let identity = ResponseHeader { cluster_id: 1, member_id: 2, revision: 0, raft_term: 3 };
        let event = |key: &str| Event {
            kv: Some(KeyValue {
                key: Bytes::copy_from_slice(key.as_bytes()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let events = [event("a"), event(&"b".repeat(300)), event("")];
        let encoded = events.iter().map(|event| event.encode_to_vec().into()).collect();
        let output =
            WatchOutput::Events { watch_id: -1, revision: 9, events: encoded, fragment: true };
        let mut buffer = BytesMut::new();
        let mut header = Header::new(identity);
        let length = append(&mut buffer, &mut header, output);
        assert_eq!(buffer.len(), FRAME_HEADER_BYTES + length);
        let decoded = WatchResponse::decode(&buffer[FRAME_HEADER_BYTES..]).expect("well formed");
        let header = Some(ResponseHeader { revision: 9, ..identity });
        let whole = WatchResponse {
            header,
            watch_id: -1,
            fragment: true,
            events: events.into(),
            ..Default::default()
        };
        assert_eq!(decoded, whole);
        assert_eq!(&buffer[FRAME_HEADER_BYTES..], whole.encode_to_vec());
    }
}
