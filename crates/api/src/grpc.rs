//! gRPC over any HTTP/2 request: framing, status, and one function per kind of call.
//!
//! Written here rather than taken from a framework so that a Put costs one decode, one port call
//! and one encode, every refusal has the words clients know, and a long answer is never whole in
//! memory.

mod auth;
mod call;
mod cluster;
mod dispatch;
mod election;
mod encoding;
mod frames;
mod gate;
mod health;
mod inner;
mod kv;
mod lease;
mod load;
mod lock;
mod maintenance;
mod metadata;
mod range_body;
mod recipe;
mod record;
mod reflection;
mod stream;
mod told;
mod trail;
mod unfinished;
mod watch;
mod watch_notes;

pub(crate) use dispatch::{Begun, answer, begin, is_grpc};
pub(crate) use load::Load;
pub(crate) use range_body::RangeBody;
pub(crate) use record::count_refused;
pub(crate) use reflection::Reflection;
pub(crate) use stream::StreamBody;
pub(crate) use unfinished::Total as UnfinishedTotal;
