//! Every field of every request that could hold a secret holds one: what may be told is listed
//! here, and a field that is added to the API is a secret until it is.

use std::time::Duration;

use anyhow::{Result, ensure};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

use super::{Audited, read};

/// Fields whose text the audit log may tell.
const OPEN: [&str; 8] =
    ["key", "range_end", "name", "user", "role", "peerURLs", "version", "username"];
const SERVICES: [&str; 8] = [
    "etcdserverpb.KV",
    "etcdserverpb.Watch",
    "etcdserverpb.Lease",
    "etcdserverpb.Cluster",
    "etcdserverpb.Maintenance",
    "etcdserverpb.Auth",
    "v3lockpb.Lock",
    "v3electionpb.Election",
];
/// Transactions nest without end.
const DEPTH_MAX: usize = 4;
/// A stream that says nothing is left after this.
const PATIENCE: Duration = Duration::from_millis(500);

/// Messages of a type that between them have every field set, also those that exclude each other.
fn planted(descriptor: &MessageDescriptor, depth: usize) -> Vec<DynamicMessage> {
    let choices = descriptor.oneofs().map(|choice| choice.fields().len()).max().unwrap_or(1);
    (0..choices)
        .map(|turn| {
            let mut message = DynamicMessage::new(descriptor.clone());
            for field in descriptor.fields() {
                let chosen = field.containing_oneof().is_none_or(|choice| {
                    choice.fields().nth(turn % choice.fields().len()) == Some(field.clone())
                });
                if chosen {
                    plant(&mut message, &field, depth);
                }
            }
            message
        })
        .collect()
}

fn plant(message: &mut DynamicMessage, field: &FieldDescriptor, depth: usize) {
    let word = if OPEN.contains(&field.name()) { "open" } else { "PLANTED" };
    let text = format!("{word}-{}", field.name());
    let values = match field.kind() {
        Kind::String => vec![Value::String(text)],
        Kind::Bytes => vec![Value::Bytes(text.into())],
        Kind::Message(inner) if depth < DEPTH_MAX => {
            planted(&inner, depth + 1).into_iter().map(Value::Message).collect()
        }
        // Numbers, switches and choices hold no secret.
        _ => return,
    };
    match values.first() {
        _ if field.is_list() => message.set_field(field, Value::List(values)),
        Some(value) => message.set_field(field, value.clone()),
        None => {}
    }
}

#[tokio::test]
async fn planted_secrets_stay_where_they_are() -> Result<()> {
    let mut audited = Audited::start().await?;
    let rpc = audited.rpc.with_token("token", "PLANTED-token");
    let pool = DescriptorPool::decode(ketch_proto::FILE_DESCRIPTOR_SET)?;
    let mut paths = Vec::new();
    for service in pool.services().filter(|known| SERVICES.contains(&known.full_name())) {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            for request in planted(&method.input(), 0) {
                let bytes = request.encode_to_vec().into();
                // What is answered does not matter here; unary ones are streams of one.
                let call = async {
                    let mut stream = rpc.duplex_bytes(&path, bytes).await?;
                    while stream.next_bytes().await?.is_some() {}
                    Ok::<_, ketch_tests::rpc::Refusal>(())
                };
                let _ = tokio::time::timeout(PATIENCE, call).await;
            }
            paths.push(path);
        }
    }
    audited.member.terminate()?;
    let (told, log) = (read(&audited.path), audited.member.log());
    ensure!(paths.len() > 40, "{paths:?}");
    for path in &paths {
        ensure!(told.contains(&format!("\"{path}\"")), "nothing of {path}");
    }
    for open in ["open-key", "open-range_end", "open-name", "open-role", "open-peerURLs"] {
        ensure!(told.contains(open), "{open} is not told");
    }
    let leak = told.lines().chain(log.lines()).find(|line| line.contains("PLANTED"));
    ensure!(leak.is_none(), "{leak:?}");
    Ok(())
}
