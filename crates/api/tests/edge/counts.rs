//! What the observer is told.

use ketch_proto::etcdserverpb::kv_client::KvClient;
use ketch_proto::etcdserverpb::watch_client::WatchClient;
use ketch_proto::etcdserverpb::{PutRequest, RangeRequest, WatchRequest};
use tokio_stream::wrappers::ReceiverStream;

use crate::raw::{channel, edge};

#[tokio::test]
async fn each_call_begins_and_ends_once() {
    let (fake, edge) = edge();
    let channel = channel(&edge).await;
    let mut kv = KvClient::new(channel.clone());
    let put = PutRequest { key: "a".into(), ..Default::default() };
    let mut request = tonic::Request::new(put);
    request.metadata_mut().insert("client-api-version", "3.7".parse().expect("ascii"));
    kv.put(request).await.expect("ok");
    kv.put(PutRequest::default()).await.expect_err("no key");
    let range = RangeRequest { key: "rows:1048576".into(), ..Default::default() };
    kv.clone().max_decoding_message_size(usize::MAX).range(range).await.expect("ok");
    let (sender, receiver) = tokio::sync::mpsc::channel::<WatchRequest>(1);
    let stream = ReceiverStream::new(receiver);
    let responses = WatchClient::new(channel).watch(stream).await.expect("opened");
    drop((sender, responses));
    let expected = [
        "Put started",
        "Put received 3",
        "Put version 3.7",
        "Put sent 10",
        "Put handled 0",
        "Put started",
        "Put received 0",
        "Put version unknown",
        "Put handled 3",
        "Range started",
        "Range received 14",
        "Range version unknown",
        "Range sent 1048590",
        "Range handled 0",
        "Watch started",
        "Watch version unknown",
        "Watch handled 1",
    ];
    // The end of the dropped stream comes when the server hears of it.
    loop {
        let told = fake.counted.lock().expect("not poisoned").clone();
        if told.len() == expected.len() {
            assert_eq!(told, expected);
            return;
        }
        tokio::task::yield_now().await;
    }
}
