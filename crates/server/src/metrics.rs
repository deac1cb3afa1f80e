//! What operators scrape: etcd's metric names over our counters.
//!
//! Hot paths add to plain atomics; they are carried into the registry when somebody scrapes.
//! Durations go to histograms with etcd's buckets.

mod names;
mod peers;
mod process;
mod timings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ketch_api::ports::{Observer, State};
use ketch_api::{Kind, Method};
use ketch_base::GrpcCode;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;

use crate::config::{Config, ETCD_VERSION};
use crate::member::Member;

pub(crate) use process::file_descriptor_limit;
pub(crate) use timings::Timing;
use timings::{Handling, Labels};

/// gRPC status codes 0 to 16.
const STATUS_CODES: usize = GrpcCode::NAMES.len();
/// Different `client-api-version` values told apart; more count as `unknown`.
const CLIENT_VERSIONS_MAX: usize = 64;

/// Counters of the hot paths.
pub(crate) struct Counters {
    calls: Vec<Calls>,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    streams: AtomicU64,
    proposals_failed: AtomicU64,
    leases_renewed: AtomicU64,
    client_versions: Mutex<BTreeMap<(&'static str, String), u64>>,
    /// Checks of health by page, check and outcome.
    checks: Mutex<BTreeMap<(&'static str, &'static str, bool), u64>>,
    scrapes: AtomicU64,
    handling: Option<Handling>,
    pub(crate) applies: Timing,
    pub(crate) requests: Timing,
    pub(crate) ranges_took: Timing,
    pub(crate) read_indexes_failed: AtomicU64,
    pub(crate) slow_read_indexes: AtomicU64,
    pub(crate) put_bytes: AtomicU64,
    pub(crate) pending_events: AtomicU64,
    pub(crate) compacted_rows: AtomicU64,
    /// Seconds since the epoch, 0 before the first.
    pub(crate) last_compaction_s: AtomicU64,
    pub(crate) slow_applies: AtomicU64,
    pub(crate) leases_expired: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) deletes: AtomicU64,
    pub(crate) txns: AtomicU64,
    pub(crate) ranges: AtomicU64,
    pub(crate) leases_granted: AtomicU64,
    pub(crate) leases_revoked: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) watchers: AtomicU64,
    pub(crate) watch_streams: AtomicU64,
    pub(crate) slow_watchers: AtomicU64,
    pub(crate) wal_bytes: AtomicU64,
    pub(crate) defrag_inflight: AtomicU64,
    pub(crate) late_heartbeats: AtomicU64,
    pub(crate) learners_promoted: AtomicU64,
    /// The version of the cluster that was last told.
    told_version: Mutex<String>,
    /// What the links count.
    pub(crate) peers: Mutex<peers::Peers>,
    /// Promotions refused, by reason.
    learners_refused: Mutex<BTreeMap<&'static str, u64>>,
}

struct Calls {
    started: AtomicU64,
    handled: [AtomicU64; STATUS_CODES],
    received: AtomicU64,
    sent: AtomicU64,
}

impl Counters {
    /// All at zero. [`install_recorder`] must have been called.
    pub(crate) fn new(is_extensive: bool) -> Self {
        let calls = Method::ALL
            .iter()
            .map(|_| Calls {
                started: AtomicU64::new(0),
                handled: std::array::from_fn(|_| AtomicU64::new(0)),
                received: AtomicU64::new(0),
                sent: AtomicU64::new(0),
            })
            .collect();
        let zero = || AtomicU64::new(0);
        Self {
            calls,
            received_bytes: zero(),
            sent_bytes: zero(),
            streams: zero(),
            proposals_failed: zero(),
            leases_renewed: zero(),
            client_versions: Mutex::default(),
            checks: Mutex::default(),
            scrapes: zero(),
            handling: is_extensive.then(Handling::new),
            applies: Timing::new("etcd_server_apply_duration_seconds", Labels::Apply),
            requests: Timing::new("etcd_server_request_duration_seconds", Labels::Request),
            ranges_took: Timing::new("etcd_server_range_duration_seconds", Labels::Range),
            read_indexes_failed: zero(),
            slow_read_indexes: zero(),
            put_bytes: zero(),
            pending_events: zero(),
            compacted_rows: zero(),
            last_compaction_s: zero(),
            slow_applies: zero(),
            leases_expired: zero(),
            puts: zero(),
            deletes: zero(),
            txns: zero(),
            ranges: zero(),
            leases_granted: zero(),
            leases_revoked: zero(),
            events: zero(),
            watchers: zero(),
            watch_streams: zero(),
            slow_watchers: zero(),
            wal_bytes: zero(),
            defrag_inflight: zero(),
            late_heartbeats: zero(),
            learners_promoted: zero(),
            told_version: Mutex::default(),
            peers: Mutex::default(),
            learners_refused: Mutex::default(),
        }
    }

    /// A number no other watch stream has.
    pub(crate) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// A proposal came to nothing.
    pub(crate) fn proposal_failed(&self) {
        self.proposals_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A learner was not promoted.
    pub(crate) fn learner_refused(&self, why: ketch_base::Code) {
        *self.learners_refused.lock().entry(why.text()).or_default() += 1;
    }

    /// A lease was kept alive.
    pub(crate) fn lease_renewed(&self) {
        self.leases_renewed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds to a counter that only this module reads.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Observer for Counters {
    fn started(&self, method: Method) {
        add(&self.calls[method.index()].started, 1);
    }

    fn handled(&self, method: Method, status: u8) {
        let slot = usize::from(status).min(STATUS_CODES - 1);
        add(&self.calls[method.index()].handled[slot], 1);
    }

    fn received(&self, method: Method, message_bytes: usize) {
        add(&self.calls[method.index()].received, 1);
        add(&self.received_bytes, message_bytes as u64);
    }

    fn sent(&self, method: Method, messages: usize, bytes: usize) {
        add(&self.calls[method.index()].sent, messages as u64);
        add(&self.sent_bytes, bytes as u64);
    }

    fn is_timed(&self) -> bool {
        self.handling.is_some()
    }

    fn took(&self, method: Method, took: Duration) {
        if let Some(handling) = &self.handling {
            handling.note(method, took);
        }
    }

    fn checked(&self, page: &'static str, check: &'static str, healthy: bool) {
        *self.checks.lock().entry((page, check, healthy)).or_default() += 1;
        if !check.is_empty() {
            gauge!("etcd_server_healthcheck", "type" => page, "name" => check)
                .set(f64::from(u8::from(healthy)));
        }
    }

    fn client_version(&self, method: Method, version: &str) {
        let kind = if method.kind() == Kind::Unary { "unary" } else { "stream" };
        let mut versions = self.client_versions.lock();
        if let Some(count) = versions.get_mut(&(kind, version.to_owned())) {
            *count += 1;
            return;
        }
        let label = if versions.len() < CLIENT_VERSIONS_MAX { version } else { "unknown" };
        *versions.entry((kind, label.to_owned())).or_default() += 1;
    }

    fn render_metrics(&self) -> String {
        String::new()
    }
}

/// The registry's handle, for rendering.
static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();

/// Makes the registry. Handles made before it would lead nowhere.
pub(crate) fn install_recorder() -> anyhow::Result<()> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in names::histograms() {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &buckets)?;
    }
    let handle = builder.install_recorder()?;
    let _ = HANDLE.set(handle);
    names::describe();
    for name in names::histograms().keys() {
        if !names::LABELLED.contains(name) {
            let _ = histogram!(*name);
        }
    }
    gauge!("etcd_server_snapshot_apply_in_progress_total").set(0.0);
    Ok(())
}

/// Sets everything that never changes.
pub(crate) fn introduce(config: &Config, member: &Member) {
    gauge!("etcd_server_version", "server_version" => ETCD_VERSION).set(1.0);
    gauge!("etcd_server_id", "server_id" => member.id.to_string()).set(1.0);
    gauge!("etcd_server_quota_backend_bytes").set(config.quota_bytes as f64);
    for (gate, stage, default) in names::FEATURE_GATES {
        let on = config
            .feature_gates
            .iter()
            .rev()
            .find(|(name, _)| name == gate)
            .map_or(*default, |(_, on)| *on);
        gauge!("etcd_server_feature_enabled", "name" => *gate, "stage" => *stage)
            .set(f64::from(u8::from(on)));
    }
}

/// Keeps histograms small between scrapes; called every few seconds.
pub(crate) fn upkeep() {
    if let Some(handle) = HANDLE.get() {
        handle.run_upkeep();
    }
}

/// Notes a duration under a name without labels.
pub(crate) fn observe(name: &'static str, took: Duration) {
    histogram!(name).record(took.as_secs_f64());
}

/// Notes a number that is no duration.
pub(crate) fn observe_plain(name: &'static str, value: f64) {
    histogram!(name).record(value);
}

/// As [`observe`], in milliseconds.
pub(crate) fn observe_ms(name: &'static str, took: Duration) {
    histogram!(name).record(took.as_secs_f64() * 1000.0);
}

/// The body of `/metrics`.
pub(crate) fn render(member: &Member) -> String {
    server(member);
    storage(member);
    counts(&member.counters);
    if let Some(audit) = &member.audit {
        counter!("ketch_audit_written_total").absolute(audit.written());
        counter!("ketch_audit_dropped_total").absolute(audit.dropped());
    }
    member.counters.peers.lock().publish(member);
    calls(&member.counters);
    process::publish();
    let mut text = HANDLE.get().map_or_else(String::new, PrometheusHandle::render);
    text.push_str(&process::cpu());
    text
}

fn server(member: &Member) {
    let progress = &member.progress;
    let flag = |on: bool| f64::from(u8::from(on));
    gauge!("etcd_server_has_leader").set(flag(progress.leader() != 0));
    gauge!("etcd_server_is_leader").set(flag(progress.is_leader()));
    gauge!("etcd_server_is_learner").set(flag(member.is_learner()));
    counter!("etcd_server_leader_changes_seen_total").absolute(progress.leader_changes());
    gauge!("etcd_server_proposals_committed_total").set(progress.committed() as f64);
    gauge!("etcd_server_proposals_applied_total").set(progress.applied() as f64);
    gauge!("etcd_server_proposals_pending").set(member.waiters.pending() as f64);
    if let Some(version) = member.shared.membership().cluster_version() {
        let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor).to_owned();
        let mut told = member.counters.told_version.lock();
        if !told.is_empty() && *told != minor {
            gauge!("etcd_cluster_version", "cluster_version" => told.clone()).set(0.0);
        }
        told.clone_from(&minor);
        gauge!("etcd_cluster_version", "cluster_version" => minor).set(1.0);
    }
    let alarms = member.alarms();
    for alarm in [1, 2] {
        let active = alarms.iter().any(|active| active.alarm == alarm);
        let name = if alarm == 1 { "NOSPACE" } else { "CORRUPT" };
        gauge!("etcd_debugging_server_alarms",
            "server_id" => member.id.to_string(), "alarm_type" => name)
        .set(flag(active));
    }
}

fn storage(member: &Member) {
    gauge!("etcd_mvcc_db_total_size_in_bytes").set(member.backend.size_file() as f64);
    gauge!("etcd_mvcc_db_total_size_in_use_in_bytes").set(member.size_in_use() as f64);
    gauge!("etcd_debugging_mvcc_current_revision").set(member.reader.revision() as f64);
    gauge!("etcd_debugging_mvcc_compact_revision").set(member.reader.compact_revision() as f64);
    gauge!("etcd_debugging_auth_revision").set(1.0);
    gauge!("etcd_debugging_mvcc_keys_total").set(member.reader.stats().keys as f64);
    gauge!("etcd_mvcc_db_open_read_transactions").set(0.0);
}

fn counts(counters: &Counters) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    counter!("etcd_server_proposals_failed_total").absolute(read(&counters.proposals_failed));
    counter!("etcd_server_slow_apply_total").absolute(read(&counters.slow_applies));
    counter!("etcd_debugging_server_lease_expired_total").absolute(read(&counters.leases_expired));
    counter!("etcd_debugging_lease_granted_total").absolute(read(&counters.leases_granted));
    counter!("etcd_debugging_lease_revoked_total").absolute(read(&counters.leases_revoked));
    counter!("etcd_debugging_lease_renewed_total").absolute(read(&counters.leases_renewed));
    counter!("etcd_mvcc_put_total").absolute(read(&counters.puts));
    counter!("etcd_mvcc_delete_total").absolute(read(&counters.deletes));
    counter!("etcd_mvcc_txn_total").absolute(read(&counters.txns));
    counter!("etcd_mvcc_range_total").absolute(read(&counters.ranges));
    counter!("etcd_debugging_mvcc_events_total").absolute(read(&counters.events));
    gauge!("etcd_debugging_mvcc_watcher_total").set(read(&counters.watchers) as f64);
    gauge!("etcd_debugging_mvcc_watch_stream_total").set(read(&counters.watch_streams) as f64);
    gauge!("etcd_debugging_mvcc_slow_watcher_total").set(read(&counters.slow_watchers) as f64);
    gauge!("etcd_disk_wal_write_bytes_total").set(read(&counters.wal_bytes) as f64);
    gauge!("etcd_disk_defrag_inflight").set(read(&counters.defrag_inflight) as f64);
    counter!("etcd_network_client_grpc_received_bytes_total")
        .absolute(read(&counters.received_bytes));
    counter!("etcd_network_client_grpc_sent_bytes_total").absolute(read(&counters.sent_bytes));
    counter!("etcd_server_read_indexes_failed_total").absolute(read(&counters.read_indexes_failed));
    counter!("etcd_server_slow_read_indexes_total").absolute(read(&counters.slow_read_indexes));
    gauge!("etcd_debugging_mvcc_total_put_size_in_bytes").set(read(&counters.put_bytes) as f64);
    gauge!("etcd_debugging_mvcc_pending_events_total").set(read(&counters.pending_events) as f64);
    counter!("etcd_debugging_mvcc_db_compaction_keys_total")
        .absolute(read(&counters.compacted_rows));
    gauge!("etcd_debugging_mvcc_db_compaction_last").set(read(&counters.last_compaction_s) as f64);
    counter!("etcd_server_learner_promote_successes").absolute(read(&counters.learners_promoted));
    for (reason, count) in &*counters.learners_refused.lock() {
        counter!("etcd_server_learner_promote_failures", "Reason" => *reason).absolute(*count);
    }
    counter!("etcd_server_heartbeat_send_failures_total").absolute(read(&counters.late_heartbeats));
    health(counters);
    // The scrape that asks is counted when it is answered.
    gauge!("promhttp_metric_handler_requests_in_flight").set(1.0);
    let scrapes = counters.scrapes.fetch_add(1, Ordering::Relaxed);
    counter!("promhttp_metric_handler_requests_total", "code" => "200").absolute(scrapes);
    for ((kind, version), count) in &*counters.client_versions.lock() {
        counter!("etcd_server_client_requests_total",
            "type" => *kind, "client_api_version" => version.clone())
        .absolute(*count);
    }
}

fn health(counters: &Counters) {
    counter!("etcd_server_health_success").absolute(0);
    counter!("etcd_server_health_failures").absolute(0);
    for ((page, check, healthy), count) in &*counters.checks.lock() {
        match (check.is_empty(), healthy) {
            (true, true) => counter!("etcd_server_health_success").absolute(*count),
            (true, false) => counter!("etcd_server_health_failures").absolute(*count),
            (false, healthy) => {
                let status = if *healthy { "success" } else { "error" };
                counter!("etcd_server_healthchecks_total",
                    "type" => *page, "name" => *check, "status" => status)
                .absolute(*count);
            }
        }
    }
}

fn calls(counters: &Counters) {
    for method in Method::ALL {
        let calls = &counters.calls[method.index()];
        let labels = [
            ("grpc_method", method.name()),
            ("grpc_service", method.service()),
            ("grpc_type", method.kind().label()),
        ];
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        counter!("grpc_server_started_total", &labels).absolute(read(&calls.started));
        counter!("grpc_server_msg_received_total", &labels).absolute(read(&calls.received));
        counter!("grpc_server_msg_sent_total", &labels).absolute(read(&calls.sent));
        for (status, count) in calls.handled.iter().enumerate() {
            let mut with_code = labels.to_vec();
            with_code.push(("grpc_code", GrpcCode::NAMES[status]));
            counter!("grpc_server_handled_total", &with_code).absolute(read(count));
        }
    }
}
