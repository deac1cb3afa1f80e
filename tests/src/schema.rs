//! Methods and messages by name: requests written as text, answers read as text.
//!
//! `KV/Range key: "a" limit: 2` is one line of a transcript: the method, then the request in
//! protobuf's text format. Answers print the same way, unknown fields included, so that a field
//! missing from our own `.proto` files shows as a difference and not as silence.

use std::sync::OnceLock;

use anyhow::{Context, Result};
use bytes::Bytes;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, ReflectMessage, Value,
};

static POOL: OnceLock<DescriptorPool> = OnceLock::new();

/// One gRPC method of etcd's API.
#[derive(Debug, Clone)]
pub struct Method(MethodDescriptor);

impl Method {
    /// Finds `Service/Method`, e.g. `KV/Range`; the package is etcdserverpb unless given.
    ///
    /// # Errors
    /// When there is no such method.
    pub fn find(name: &str) -> Result<Self> {
        let (service, method) = name.split_once('/').context("a method is Service/Method")?;
        let full = match service.contains('.') {
            true => service.to_owned(),
            false => format!("etcdserverpb.{service}"),
        };
        let service = pool().get_service_by_name(&full).with_context(|| format!("no {full}"))?;
        let found = service.methods().find(|known| known.name() == method);
        found.map(Self).with_context(|| format!("no method {name}"))
    }

    /// All there are.
    pub fn all() -> Vec<Self> {
        pool()
            .services()
            .flat_map(|service| service.methods().map(Self).collect::<Vec<_>>())
            .collect()
    }

    /// The path of an HTTP/2 request, `/package.Service/Method`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.0.parent_service().full_name(), self.0.name())
    }

    /// True when the server answers with a stream.
    pub fn is_streaming(&self) -> bool {
        self.0.is_server_streaming()
    }

    /// A request from text format.
    ///
    /// # Errors
    /// When the text is not such a message.
    pub fn parse(&self, text: &str) -> Result<Bytes> {
        let message = DynamicMessage::parse_text_format(self.0.input(), text)
            .with_context(|| format!("request of {}: {text}", self.0.name()))?;
        Ok(message.encode_to_vec().into())
    }

    /// A request's bytes as text format, for messages to people.
    pub fn show(&self, ask: &Bytes) -> String {
        to_text(&self.0.input(), ask.clone())
    }

    /// An answer's bytes, decoded with nothing dropped.
    ///
    /// # Errors
    /// When they are not such a message.
    pub fn decode(&self, answer: Bytes) -> Result<DynamicMessage> {
        Ok(DynamicMessage::decode(self.0.output(), answer)?)
    }
}

/// Any message of etcd's API as one line of text.
pub fn text_of(full_name: &str, message: &impl Message) -> String {
    match pool().get_message_by_name(full_name) {
        Some(descriptor) => to_text(&descriptor, message.encode_to_vec().into()),
        None => format!("(no message {full_name})"),
    }
}

/// Clears `raft_term` in the answer's header: it counts elections, which are nobody's contract.
pub fn mask_term(answer: &mut DynamicMessage) {
    let Some(field) = answer.descriptor().get_field_by_name("header") else { return };
    if !answer.has_field(&field) {
        return;
    }
    if let Value::Message(header) = answer.get_field_mut(&field) {
        header.clear_field_by_name("raft_term");
    }
}

/// The revision in the answer's header, if it has one.
pub fn header_revision(answer: &DynamicMessage) -> Option<i64> {
    let header = answer.get_field_by_name("header")?;
    let header = header.as_message()?;
    header.get_field_by_name("revision")?.as_i64()
}

fn to_text(descriptor: &MessageDescriptor, bytes: Bytes) -> String {
    match DynamicMessage::decode(descriptor.clone(), bytes) {
        Ok(message) => message.to_text_format(),
        Err(why) => format!("(undecodable {}: {why})", descriptor.name()),
    }
}

fn pool() -> &'static DescriptorPool {
    POOL.get_or_init(|| {
        DescriptorPool::decode(ketch_proto::FILE_DESCRIPTOR_SET)
            .expect("the generated descriptor set is checked by codegen")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_in_and_out() {
        let range = Method::find("KV/Range").expect("known");
        let ask = range.parse(r#"key: "a\000" limit: 3 sort_order: DESCEND"#).expect("good text");
        assert_eq!(range.path(), "/etcdserverpb.KV/Range");
        assert_eq!(range.show(&ask), r#"key:"a\000",limit:3,sort_order:DESCEND"#);
        assert!(range.parse("no_such_field: 1").is_err());
        assert!(Method::find("KV/Nope").is_err());
    }
}
