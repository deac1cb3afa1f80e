//! Waiting for one's turn: keys under a prefix, the oldest first. Locks and elections are made of
//! it, laid out as etcd's own clients lay them out, so that both can wait for each other.

use bytes::Bytes;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::watch_create_request::FilterType;
use ketch_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, TxnResponse,
    WatchCreateRequest,
};

use crate::watch::cancellation;
use crate::{Client, Error, Session};

/// A place in the line behind a name.
pub struct Turn {
    client: Client,
    prefix: String,
    key: String,
    revision: i64,
}

impl Turn {
    /// Goes to the end of the line with a key of the session's lease.
    ///
    /// # Errors
    /// The server refuses, for instance an expired lease, or there is none.
    pub async fn enter(
        client: &Client,
        name: &str,
        session: &Session,
        value: Bytes,
    ) -> Result<Self, Error> {
        let client = client.with_timeout(None);
        let prefix = format!("{name}/");
        let key = format!("{prefix}{:x}", session.lease());
        let answer = client.kv().txn(claim(&key, value, session.lease())).await?;
        let revision = created(&answer);
        Ok(Self { client, prefix, key, revision })
    }

    /// The key that holds the place.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its revision of creation; grows with every holder of the name, and so fences.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Returns when nobody is in front.
    ///
    /// # Errors
    /// The server refuses a read or a watch, or there is none.
    pub async fn wait(&self) -> Result<(), Error> {
        loop {
            let answer = self.client.kv().range(self.before()).await?;
            let Some(before) = answer.kvs.into_iter().next() else { return Ok(()) };
            let from = answer.header.map_or(0, |header| header.revision);
            self.gone(before.key, from).await?;
        }
    }

    /// The place right in front.
    fn before(&self) -> RangeRequest {
        RangeRequest {
            key: self.prefix.clone().into(),
            range_end: prefix_end(&self.prefix),
            limit: 1,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Create.into(),
            max_create_revision: self.revision - 1,
            ..Default::default()
        }
    }

    async fn gone(&self, key: Bytes, from: i64) -> Result<(), Error> {
        let request = WatchCreateRequest {
            key,
            start_revision: from,
            filters: vec![FilterType::Noput.into()],
            ..Default::default()
        };
        let mut events = self.client.watch().watch(request).await;
        while let Some(answer) = events.next().await? {
            if let Some(reason) = cancellation(&answer) {
                return Err(reason);
            }
            if !answer.events.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives the place up.
    ///
    /// # Errors
    /// The server refuses, or there is none.
    pub async fn leave(&self) -> Result<(), Error> {
        let request = DeleteRangeRequest { key: self.key.clone().into(), ..Default::default() };
        self.client.kv().delete(request).await.map(|_| ())
    }
}

/// Puts the key unless it is there already.
fn claim(key: &str, value: Bytes, lease: i64) -> TxnRequest {
    let key = Bytes::from(key.to_owned());
    let absent = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(0)),
    };
    let put = PutRequest { key: key.clone(), value, lease, ..Default::default() };
    let get = RangeRequest { key, ..Default::default() };
    TxnRequest {
        compare: vec![absent],
        success: vec![RequestOp { request: Some(Request::RequestPut(put)) }],
        failure: vec![RequestOp { request: Some(Request::RequestRange(get)) }],
    }
}

fn created(answer: &TxnResponse) -> i64 {
    let found = answer.responses.first().and_then(|response| match &response.response {
        Some(Response::ResponseRange(range)) => range.kvs.first(),
        _ => None,
    });
    let head = answer.header.map_or(0, |header| header.revision);
    found.map_or(head, |kv| kv.create_revision)
}

/// The prefix ends with a slash, so the next byte is all it takes.
fn prefix_end(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ends_behind_the_slash() {
        assert_eq!(prefix_end("lock/"), "lock0");
    }
}
