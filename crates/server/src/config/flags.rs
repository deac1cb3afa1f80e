//! Every flag of the server: its kind, default, config-file key, and whether it works here yet.
//!
//! Source: etcd 3.7.1's flag table. What is not implemented is refused by name, never ignored.

/// What text a flag's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Go's booleans; the flag alone means true.
    Bool,
    /// Go's durations: `100ms`, `1m30s`.
    Duration,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// URLs with commas between.
    Urls,
    /// Words with commas between.
    List,
    /// `new` or `existing`.
    State,
}

/// What ketch does with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It works.
    Works,
    /// Accepted; nothing in ketch depends on it. Transactions of the
    /// working storage are bounded by the product, and addresses are always reused, as in Go.
    Inert,
    /// Refused by name unless it has its default, with this reason.
    Refused(&'static str),
    /// etcd itself ignores it with a warning.
    Ignored,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Name without dashes.
    pub(crate) name: &'static str,
    /// How its value is read.
    pub(crate) kind: Kind,
    /// Default, as text.
    pub(crate) default: &'static str,
    /// Section of the usage text.
    pub(crate) section: &'static str,
    /// Key in the config file, dots for nesting; empty if it has none.
    pub(crate) key: &'static str,
    /// What becomes of it.
    pub(crate) support: Support,
}

const TRACING: Support = Support::Refused("distributed tracing is not implemented yet");
const MLOCK: Support = Support::Refused("locking memory is not implemented yet");
const PPROF: Support = Support::Refused("profiling over HTTP is not implemented yet");
const BOOTSTRAP_DEFRAG: Support = Support::Refused("not implemented: use the online defragment");
const LOG_ROTATION: Support = Support::Refused("log rotation is not implemented yet");

const fn flag(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    section: &'static str,
    key: &'static str,
    support: Support,
) -> Flag {
    Flag { name, kind, default, section, key, support }
}

/// All flags, in the order of the usage text.
#[rustfmt::skip]
pub(crate) const FLAGS: &[Flag] = &[
    flag("config-file", Kind::Text, "", "general", "", Support::Works),
    flag("version", Kind::Bool, "false", "general", "", Support::Works),
    flag("backend-batch-interval", Kind::Duration, "0s", "member", "backend-batch-interval", Support::Works),
    flag("backend-batch-limit", Kind::Int, "0", "member", "backend-batch-limit", Support::Inert),
    flag("backend-bbolt-freelist-type", Kind::Text, "", "member", "backend-bbolt-freelist-type", Support::Inert),
    flag("data-dir", Kind::Text, "", "member", "data-dir", Support::Works),
    flag("election-timeout", Kind::Uint, "1000", "member", "election-timeout", Support::Works),
    flag("enable-grpc-gateway", Kind::Bool, "true", "member", "enable-grpc-gateway", Support::Works),
    flag("feature-gates", Kind::Text, "", "member", "feature-gates", Support::Works),
    flag("grpc-keepalive-interval", Kind::Duration, "2h0m0s", "member", "grpc-keepalive-interval", Support::Works),
    flag("grpc-keepalive-min-time", Kind::Duration, "5s", "member", "grpc-keepalive-min-time", Support::Works),
    flag("grpc-keepalive-timeout", Kind::Duration, "20s", "member", "grpc-keepalive-timeout", Support::Works),
    flag("heartbeat-interval", Kind::Uint, "100", "member", "heartbeat-interval", Support::Works),
    flag("initial-election-tick-advance", Kind::Bool, "true", "member", "initial-election-tick-advance", Support::Works),
    flag("listen-client-http-urls", Kind::Urls, "", "member", "listen-client-http-urls", Support::Works),
    flag("listen-client-urls", Kind::Urls, "http://localhost:2379", "member", "listen-client-urls", Support::Works),
    flag("listen-peer-urls", Kind::Urls, "http://localhost:2380", "member", "listen-peer-urls", Support::Works),
    flag("max-concurrent-streams", Kind::Uint, "4294967295", "member", "max-concurrent-streams", Support::Works),
    flag("max-request-bytes", Kind::Uint, "1572864", "member", "max-request-bytes", Support::Works),
    flag("max-snapshots", Kind::Uint, "5", "member", "max-snapshots", Support::Inert),
    flag("max-txn-ops", Kind::Uint, "128", "member", "max-txn-ops", Support::Works),
    flag("max-wals", Kind::Uint, "5", "member", "max-wals", Support::Works),
    flag("memory-mlock", Kind::Bool, "false", "member", "memory-mlock", MLOCK),
    flag("name", Kind::Text, "default", "member", "name", Support::Works),
    flag("quota-backend-bytes", Kind::Int, "0", "member", "quota-backend-bytes", Support::Works),
    flag("raft-read-timeout", Kind::Duration, "5s", "member", "", Support::Works),
    flag("raft-write-timeout", Kind::Duration, "5s", "member", "", Support::Works),
    flag("snapshot-catchup-entries", Kind::Uint, "5000", "member", "snapshot-catchup-entries", Support::Works),
    flag("snapshot-count", Kind::Uint, "10000", "member", "snapshot-count", Support::Works),
    flag("socket-reuse-address", Kind::Bool, "false", "member", "socket-options.reuse-address", Support::Inert),
    flag("socket-reuse-port", Kind::Bool, "false", "member", "socket-options.reuse-port", Support::Works),
    flag("wal-dir", Kind::Text, "", "member", "wal-dir", Support::Works),
    flag("advertise-client-urls", Kind::Urls, "http://localhost:2379", "clustering", "advertise-client-urls", Support::Works),
    flag("auto-compaction-mode", Kind::Text, "periodic", "clustering", "auto-compaction-mode", Support::Works),
    flag("auto-compaction-retention", Kind::Text, "0", "clustering", "auto-compaction-retention", Support::Works),
    flag("discovery-cacert", Kind::Text, "", "clustering", "discovery-config.client.secure.cacert", Support::Works),
    flag("discovery-cert", Kind::Text, "", "clustering", "discovery-config.client.secure.cert", Support::Works),
    flag("discovery-dial-timeout", Kind::Duration, "2s", "clustering", "discovery-config.client.dial-timeout", Support::Works),
    flag("discovery-endpoints", Kind::List, "", "clustering", "discovery-config.client.endpoints", Support::Works),
    flag("discovery-fallback", Kind::Text, "exit", "clustering", "", Support::Inert),
    flag("discovery-insecure-skip-tls-verify", Kind::Bool, "false", "clustering", "discovery-config.client.secure.insecure-skip-tls-verify", Support::Works),
    flag("discovery-insecure-transport", Kind::Bool, "true", "clustering", "discovery-config.client.secure.insecure-transport", Support::Works),
    flag("discovery-keepalive-time", Kind::Duration, "2s", "clustering", "discovery-config.client.keepalive-time", Support::Works),
    flag("discovery-keepalive-timeout", Kind::Duration, "6s", "clustering", "discovery-config.client.keepalive-timeout", Support::Works),
    flag("discovery-key", Kind::Text, "", "clustering", "discovery-config.client.secure.key", Support::Works),
    flag("discovery-password", Kind::Text, "", "clustering", "discovery-config.client.auth.password", Support::Works),
    flag("discovery-request-timeout", Kind::Duration, "5s", "clustering", "discovery-config.client.request-timeout", Support::Works),
    flag("discovery-srv", Kind::Text, "", "clustering", "discovery-srv", Support::Works),
    flag("discovery-srv-name", Kind::Text, "", "clustering", "discovery-srv-name", Support::Works),
    flag("discovery-token", Kind::Text, "", "clustering", "discovery-config.token", Support::Works),
    flag("discovery-user", Kind::Text, "", "clustering", "discovery-config.client.auth.username", Support::Works),
    flag("initial-advertise-peer-urls", Kind::Urls, "http://localhost:2380", "clustering", "initial-advertise-peer-urls", Support::Works),
    flag("initial-cluster", Kind::Text, "default=http://localhost:2380", "clustering", "initial-cluster", Support::Works),
    flag("initial-cluster-state", Kind::State, "new", "clustering", "initial-cluster-state", Support::Works),
    flag("initial-cluster-token", Kind::Text, "etcd-cluster", "clustering", "initial-cluster-token", Support::Works),
    flag("pre-vote", Kind::Bool, "true", "clustering", "pre-vote", Support::Works),
    flag("strict-reconfig-check", Kind::Bool, "true", "clustering", "strict-reconfig-check", Support::Works),
    flag("v2-deprecation", Kind::Text, "write-only", "clustering", "v2-deprecation", Support::Inert),
    flag("auto-tls", Kind::Bool, "false", "security", "client-transport-security.auto-tls", Support::Works),
    flag("cert-file", Kind::Text, "", "security", "client-transport-security.cert-file", Support::Works),
    flag("cipher-suites", Kind::List, "", "security", "cipher-suites", Support::Works),
    flag("client-cert-allowed-hostname", Kind::List, "", "security", "client-transport-security.allowed-hostname", Support::Works),
    flag("client-cert-auth", Kind::Bool, "false", "security", "client-transport-security.client-cert-auth", Support::Works),
    flag("client-cert-file", Kind::Text, "", "security", "client-transport-security.client-cert-file", Support::Works),
    flag("client-crl-file", Kind::Text, "", "security", "", Support::Works),
    flag("client-key-file", Kind::Text, "", "security", "client-transport-security.client-key-file", Support::Works),
    flag("cors", Kind::Urls, "*", "security", "cors", Support::Works),
    flag("host-whitelist", Kind::List, "*", "security", "host-whitelist", Support::Works),
    flag("key-file", Kind::Text, "", "security", "client-transport-security.key-file", Support::Works),
    flag("peer-auto-tls", Kind::Bool, "false", "security", "peer-transport-security.auto-tls", Support::Works),
    flag("peer-cert-allowed-cn", Kind::List, "", "security", "peer-transport-security.allowed-cn", Support::Works),
    flag("peer-cert-allowed-hostname", Kind::List, "", "security", "peer-transport-security.allowed-hostname", Support::Works),
    flag("peer-cert-file", Kind::Text, "", "security", "peer-transport-security.cert-file", Support::Works),
    flag("peer-client-cert-auth", Kind::Bool, "false", "security", "peer-transport-security.client-cert-auth", Support::Works),
    flag("peer-client-cert-file", Kind::Text, "", "security", "peer-transport-security.client-cert-file", Support::Works),
    flag("peer-client-key-file", Kind::Text, "", "security", "peer-transport-security.client-key-file", Support::Works),
    flag("peer-crl-file", Kind::Text, "", "security", "", Support::Works),
    flag("peer-key-file", Kind::Text, "", "security", "peer-transport-security.key-file", Support::Works),
    flag("peer-trusted-ca-file", Kind::Text, "", "security", "peer-transport-security.trusted-ca-file", Support::Works),
    flag("self-signed-cert-validity", Kind::Uint, "1", "security", "self-signed-cert-validity", Support::Works),
    flag("tls-max-version", Kind::Text, "", "security", "tls-max-version", Support::Works),
    flag("tls-min-version", Kind::Text, "TLS1.2", "security", "tls-min-version", Support::Works),
    flag("trusted-ca-file", Kind::Text, "", "security", "client-transport-security.trusted-ca-file", Support::Works),
    flag("auth-token", Kind::Text, "simple", "auth", "auth-token", Support::Works),
    flag("auth-token-ttl", Kind::Uint, "300", "auth", "auth-token-ttl", Support::Works),
    flag("bcrypt-cost", Kind::Uint, "10", "auth", "bcrypt-cost", Support::Works),
    flag("enable-pprof", Kind::Bool, "false", "profiling and monitoring", "enable-pprof", PPROF),
    flag("listen-metrics-urls", Kind::Urls, "", "profiling and monitoring", "listen-metrics-urls", Support::Works),
    flag("metrics", Kind::Text, "basic", "profiling and monitoring", "metrics", Support::Works),
    flag("audit-log-path", Kind::Text, "", "logging", "audit-log-path", Support::Works),
    flag("enable-log-rotation", Kind::Bool, "false", "logging", "enable-log-rotation", LOG_ROTATION),
    flag("log-format", Kind::Text, "json", "logging", "log-format", Support::Works),
    flag("log-level", Kind::Text, "info", "logging", "log-level", Support::Works),
    flag("log-outputs", Kind::List, "default", "logging", "log-outputs", Support::Works),
    flag("log-rotation-config-json", Kind::Text, "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}", "logging", "log-rotation-config-json", LOG_ROTATION),
    flag("logger", Kind::Text, "zap", "logging", "logger", Support::Inert),
    flag("warning-unary-request-duration", Kind::Duration, "300ms", "logging", "warning-unary-request-duration", Support::Works),
    flag("distributed-tracing-address", Kind::Text, "localhost:4317", "distributed tracing", "distributed-tracing-address", TRACING),
    flag("distributed-tracing-instance-id", Kind::Text, "", "distributed tracing", "distributed-tracing-instance-id", TRACING),
    flag("distributed-tracing-sampling-rate", Kind::Int, "0", "distributed tracing", "distributed-tracing-sampling-rate", TRACING),
    flag("distributed-tracing-service-name", Kind::Text, "etcd", "distributed tracing", "distributed-tracing-service-name", TRACING),
    flag("enable-distributed-tracing", Kind::Bool, "false", "distributed tracing", "enable-distributed-tracing", TRACING),
    flag("bootstrap-defrag-threshold-megabytes", Kind::Uint, "0", "features", "bootstrap-defrag-threshold-megabytes", BOOTSTRAP_DEFRAG),
    flag("compact-hash-check-time", Kind::Duration, "1m0s", "features", "compact-hash-check-time", Support::Works),
    flag("compaction-batch-limit", Kind::Int, "0", "features", "compaction-batch-limit", Support::Inert),
    flag("compaction-sleep-interval", Kind::Duration, "0s", "features", "compaction-sleep-interval", Support::Works),
    flag("corrupt-check-time", Kind::Duration, "0s", "features", "corrupt-check-time", Support::Works),
    flag("downgrade-check-time", Kind::Duration, "5s", "features", "downgrade-check-time", Support::Works),
    flag("max-learners", Kind::Int, "1", "features", "max-learners", Support::Works),
    flag("peer-skip-client-san-verification", Kind::Bool, "false", "features", "peer-transport-security.skip-client-san-verification", Support::Works),
    flag("warning-apply-duration", Kind::Duration, "100ms", "features", "warning-apply-duration", Support::Works),
    flag("watch-progress-notify-interval", Kind::Duration, "0s", "features", "watch-progress-notify-interval", Support::Works),
    flag("force-new-cluster", Kind::Bool, "false", "unsafe", "force-new-cluster", Support::Works),
    flag("unsafe-no-fsync", Kind::Bool, "false", "unsafe", "unsafe-no-fsync", Support::Works),
    flag("cluster-active-size", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("cluster-remove-delay", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("cluster-sync-interval", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("config", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("force", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("max-result-buffer", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("max-retry-attempts", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("peer-heartbeat-interval", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("peer-election-timeout", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("retry-interval", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("snapshot", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("v", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("vv", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("test.coverprofile", Kind::Text, "", "ignored", "", Support::Ignored),
    flag("test.outputdir", Kind::Text, "", "ignored", "", Support::Ignored),
];

/// Settings that only a config file has, in the form of flags. etcd's file takes this one for
/// clients as it does for members.
pub(crate) const FILE_ONLY: &[Flag] = &[flag(
    "client-cert-allowed-cn",
    Kind::List,
    "",
    "security",
    "client-transport-security.allowed-cn",
    Support::Works,
)];

/// The flag of that name.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}
