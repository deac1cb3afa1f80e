//! What the edge looks up without asking for work, and where it counts.

use std::time::Duration;

use ketch_api::Method;
use ketch_api::ports::{Audit, Observer, State, Versions};
use ketch_proto::etcdserverpb::{AlarmMember, AlarmType, ResponseHeader};

use super::Member;
use crate::config::ETCD_VERSION;

impl State for Member {
    fn header(&self) -> ResponseHeader {
        self.header_now()
    }

    fn has_leader(&self) -> bool {
        self.progress.leader() != 0
    }

    async fn leader_lost(&self) {
        let patience = self.options.election * 3;
        let mut leadership = self.progress.leadership();
        loop {
            // An error is the end of the process.
            if leadership.wait_for(|leadership| leadership.leader == 0).await.is_err() {
                return;
            }
            let back = leadership.wait_for(|leadership| leadership.leader != 0);
            if tokio::time::timeout(patience, back).await.is_err() {
                return;
            }
        }
    }

    fn is_learner(&self) -> bool {
        self.progress.is_learner()
    }

    fn alarms(&self) -> Vec<AlarmMember> {
        self.shared.alarms().list(AlarmType::None)
    }

    fn versions(&self) -> Versions {
        Versions {
            server: ETCD_VERSION,
            cluster: self.shared.membership().cluster_version().map(str::to_owned),
            storage: self.storage_version(),
        }
    }

    fn debug_vars(&self) -> String {
        let arguments: Vec<String> = std::env::args().collect();
        serde_json::json!({
            "cmdline": arguments,
            "file_descriptor_limit": crate::metrics::file_descriptor_limit(),
            "raft.status": {
                "id": self.id.to_string(),
                "term": self.progress.term(),
                "lead": format!("{:x}", self.progress.leader()),
                "commit": self.progress.committed(),
                "applied": self.progress.applied(),
            },
        })
        .to_string()
    }
}

impl Observer for Member {
    fn started(&self, method: Method) {
        self.observer().started(method);
    }

    fn handled(&self, method: Method, status: u8) {
        self.observer().handled(method, status);
    }

    fn received(&self, method: Method, message_bytes: usize) {
        self.observer().received(method, message_bytes);
    }

    fn sent(&self, method: Method, messages: usize, bytes: usize) {
        self.observer().sent(method, messages, bytes);
    }

    fn is_timed(&self) -> bool {
        self.observer().is_timed()
    }

    fn took(&self, method: Method, took: Duration) {
        self.observer().took(method, took);
    }

    fn checked(&self, page: &'static str, check: &'static str, healthy: bool) {
        self.observer().checked(page, check, healthy);
    }

    fn audit(&self) -> Option<&dyn Audit> {
        self.audit.as_ref().map(|log| log as &dyn Audit)
    }

    fn client_version(&self, method: Method, version: &str) {
        self.observer().client_version(method, version);
    }

    fn render_metrics(&self) -> String {
        crate::metrics::render(self)
    }
}
