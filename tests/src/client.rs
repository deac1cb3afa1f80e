//! The calls cluster tests make again and again, each with a time-out: a member that is stopped,
//! cut off or without a leader must not hang a test.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use ketch_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, HashKvRequest, HashKvResponse, Member, MemberListRequest,
    MemberListResponse, MoveLeaderRequest, MoveLeaderResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, StatusRequest, StatusResponse,
};
use prost::Message;
use tonic::Code;

use crate::rpc::{Answer, Refusal, Rpc};

/// How long a call may take unless said otherwise: longer than any member's own patience.
pub const LIMIT: Duration = Duration::from_secs(20);

/// One member's API.
#[derive(Debug, Clone)]
pub struct Client {
    /// The connection, for calls not named here.
    pub rpc: Rpc,
    limit: Duration,
}

impl Client {
    /// A client that connects with its first call.
    ///
    /// # Errors
    /// When `endpoint` is no URL.
    pub fn new(endpoint: &str) -> Result<Self> {
        Ok(Self { rpc: Rpc::lazy(endpoint)?, limit: LIMIT })
    }

    /// The same with another time-out.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// The same with `hasleader: true`.
    #[must_use]
    pub fn needing_leader(&self) -> Self {
        Self { rpc: self.rpc.needing_leader(), ..self.clone() }
    }

    /// One unary call, `Service/Method` of etcdserverpb.
    ///
    /// # Errors
    /// The refusal, or `DeadlineExceeded` of our own after the time-out.
    pub async fn call<A: Message + Default>(&self, name: &str, ask: &impl Message) -> Answer<A> {
        let method = format!("/etcdserverpb.{name}");
        let answer = tokio::time::timeout(self.limit, self.rpc.call(&method, ask)).await;
        answer.unwrap_or_else(|_| {
            let message = format!("no answer within {:?}", self.limit);
            Err(Refusal { code: Code::DeadlineExceeded, message })
        })
    }

    /// Puts; the revision it made.
    ///
    /// # Errors
    /// As `call`.
    pub async fn put(&self, key: &str, value: &str) -> Answer<i64> {
        let (key, value) = (key.to_owned().into(), value.to_owned().into());
        let ask = PutRequest { key, value, ..Default::default() };
        let answer: PutResponse = self.call("KV/Put", &ask).await?;
        Ok(answer.header.map_or(0, |header| header.revision))
    }

    /// The value, read linearizably.
    ///
    /// # Errors
    /// As `call`.
    pub async fn get(&self, key: &str) -> Answer<Option<String>> {
        self.read(key, false).await
    }

    /// The value as this member has it.
    ///
    /// # Errors
    /// As `call`.
    pub async fn get_local(&self, key: &str) -> Answer<Option<String>> {
        self.read(key, true).await
    }

    async fn read(&self, key: &str, serializable: bool) -> Answer<Option<String>> {
        let key = key.to_owned().into();
        let ask = RangeRequest { key, serializable, ..Default::default() };
        let answer: RangeResponse = self.call("KV/Range", &ask).await?;
        let value = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
        Ok(answer.kvs.first().map(|kv| value(&kv.value)))
    }

    /// All keys beginning with `prefix`, read linearizably.
    ///
    /// # Errors
    /// As `call`.
    pub async fn list(&self, prefix: &str) -> Answer<RangeResponse> {
        let ask = RangeRequest {
            key: prefix.to_owned().into(),
            range_end: prefix_end(prefix),
            ..Default::default()
        };
        self.call("KV/Range", &ask).await
    }

    /// What the member says of itself.
    ///
    /// # Errors
    /// As `call`.
    pub async fn status(&self) -> Answer<StatusResponse> {
        self.call("Maintenance/Status", &StatusRequest {}).await
    }

    /// The members, read linearizably or not.
    ///
    /// # Errors
    /// As `call`.
    pub async fn members(&self, linearizable: bool) -> Answer<Vec<Member>> {
        let ask = MemberListRequest { linearizable };
        let answer: MemberListResponse = self.call("Cluster/MemberList", &ask).await?;
        Ok(answer.members)
    }

    /// The hash at a revision.
    ///
    /// # Errors
    /// As `call`.
    pub async fn hash_kv(&self, revision: i64) -> Answer<HashKvResponse> {
        self.call("Maintenance/HashKV", &HashKvRequest { revision }).await
    }

    /// Asks the leader to hand over.
    ///
    /// # Errors
    /// As `call`.
    pub async fn move_leader(&self, target_id: u64) -> Answer<()> {
        let ask = MoveLeaderRequest { target_id };
        let _: MoveLeaderResponse = self.call("Maintenance/MoveLeader", &ask).await?;
        Ok(())
    }

    /// The alarms as `(member, alarm)`.
    ///
    /// # Errors
    /// As `call`.
    pub async fn alarms(&self) -> Answer<Vec<(u64, i32)>> {
        let answer: AlarmResponse =
            self.call("Maintenance/Alarm", &AlarmRequest::default()).await?;
        Ok(answer.alarms.iter().map(|alarm| (alarm.member_id, alarm.alarm)).collect())
    }
}

/// The first key after all that begin with `prefix`.
pub fn prefix_end(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        // Prefixes in tests are ASCII.
        *last += 1;
    }
    end.into()
}
