//! What the operator asked for: flags, environment, file, checked and typed.

mod clustering;
pub(crate) mod duration;
pub(crate) mod flags;
pub(crate) mod initial_cluster;
mod resolve;
mod sources;
pub(crate) mod transport;
mod urls;
mod usage;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use sources::Settings;
pub(crate) use urls::{Address, ListenUrl};
pub(crate) use usage::{ETCD_VERSION, flag_text, usage_text, version_text};

/// Why a start-up stops before it began. Display is the text etcd prints.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// `--help`: usage, exit 0.
    #[error("help requested")]
    Help,
    /// `--version`: version lines, exit 0.
    #[error("version requested")]
    Version,
    /// A flag that cannot be read: the text, then the usage, exit 2.
    #[error("{0}")]
    Usage(String),
    /// A setting that cannot stand: a log line "failed to verify flags", exit 1.
    #[error("{0}")]
    Verify(String),
    /// A flag and its variable were both given: exit 1.
    #[error(
        "conflicting environment variable is shadowed by corresponding command-line flag \
         (either unset environment variable or disable flag))"
    )]
    Shadowed(String),
    /// A beginning that cannot be made: exit 1.
    #[error("{0}")]
    Bootstrap(String),
}

/// When history is compacted without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoCompaction {
    /// Never.
    Off,
    /// Keep this much time.
    Periodic(Duration),
    /// Keep this many revisions.
    Revision(i64),
}

/// Everything typed; no text is parsed after this.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the command line")]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) wal_dir: PathBuf,
    pub(crate) listen_client_urls: Vec<ListenUrl>,
    /// Not empty: HTTP is served there, and the client URLs are for gRPC alone.
    pub(crate) listen_client_http_urls: Vec<ListenUrl>,
    pub(crate) advertise_client_urls: Vec<String>,
    pub(crate) listen_peer_urls: Vec<ListenUrl>,
    pub(crate) listen_metrics_urls: Vec<ListenUrl>,
    /// This member's own peer URLs, as it advertises them.
    pub(crate) peer_urls: Vec<String>,
    /// Names and peer URLs of all first members, this one too; by name, URLs sorted. Not looked
    /// at when there is a log; from discovery only known once that has been asked.
    pub(crate) initial_cluster: Vec<(String, Vec<String>)>,
    pub(crate) initial_cluster_token: String,
    pub(crate) initial_cluster_existing: bool,
    /// How the first members are found when `--initial-cluster` does not name them.
    pub(crate) discovery: Option<Discovery>,
    /// Refuse membership changes that endanger the quorum.
    pub(crate) strict_reconfig_check: bool,
    pub(crate) force_new_cluster: bool,
    /// Compare hashes with the other members before serving.
    pub(crate) initial_corrupt_check: bool,
    /// Compare hashes with the other members this often; zero: never.
    pub(crate) corrupt_check_time: Duration,
    /// The leader compares the hashes taken at compactions.
    pub(crate) compact_hash_check: bool,
    /// How often it does; more than zero.
    pub(crate) compact_hash_check_time: Duration,
    /// How often the version of the cluster is looked at for a downgrade; zero: never.
    pub(crate) downgrade_check_time: Duration,
    /// Most learners in the cluster.
    pub(crate) learners_max: usize,
    /// The leader replicates what is left of a lease's time.
    pub(crate) lease_checkpoint: bool,
    /// What is left is also kept over a change of the leader.
    pub(crate) lease_checkpoint_persist: bool,
    /// Longest silence on a connection of a peer; at least 5 s.
    pub(crate) raft_read_timeout: Duration,
    /// Longest wait for a peer to take bytes; at least 5 s.
    pub(crate) raft_write_timeout: Duration,
    pub(crate) heartbeat_ms: u64,
    pub(crate) election_ms: u64,
    pub(crate) election_tick_advance: bool,
    pub(crate) pre_vote: bool,
    pub(crate) snapshot_count_entries: u64,
    pub(crate) snapshot_catchup_entries: u64,
    /// Negative: no quota.
    pub(crate) quota_bytes: i64,
    pub(crate) request_bytes_max: usize,
    pub(crate) txn_ops_max: usize,
    pub(crate) concurrent_streams_max: u32,
    pub(crate) keepalive_interval: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) auto_compaction: AutoCompaction,
    pub(crate) backend_batch_interval: Duration,
    pub(crate) compaction_batch_rows: usize,
    pub(crate) compaction_sleep: Duration,
    pub(crate) progress_notify_interval: Duration,
    pub(crate) warning_apply: Duration,
    pub(crate) warning_unary: Duration,
    pub(crate) cors: BTreeSet<String>,
    pub(crate) host_whitelist: BTreeSet<String>,
    pub(crate) reuse_port: bool,
    pub(crate) metrics_extensive: bool,
    pub(crate) no_fsync: bool,
    /// TLS of both kinds of listeners.
    pub(crate) transport: transport::Transport,
    /// The kind of tokens, and for signed ones the names of their keys.
    pub(crate) auth_token: String,
    pub(crate) auth_token_ttl: Duration,
    pub(crate) bcrypt_cost: u32,
    pub(crate) log: LogConfig,
    /// Where every call of a client is noted; off unless given. Not a flag of etcd.
    pub(crate) audit_log: Option<PathBuf>,
    /// Feature gates given by name, for the metrics and the log.
    pub(crate) feature_gates: Vec<(String, bool)>,
    /// Things to say once logging is up.
    pub(crate) warnings: Vec<(String, Vec<(&'static str, String)>)>,
}

/// Where the first members of a cluster are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// Another etcd cluster, `--discovery-endpoints`.
    Service(Box<DiscoveryService>),
    /// SRV records of a domain, `--discovery-srv`.
    Srv {
        /// The domain.
        domain: String,
        /// `--discovery-srv-name`, without the dash before it; may be empty.
        service: String,
    },
}

/// How another cluster is asked for the first members of this one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DiscoveryService {
    pub(crate) token: String,
    pub(crate) endpoints: Vec<String>,
    /// Certificate, key and authorities; none for a service in clear.
    pub(crate) files: ketch_tls::Files,
    /// Speak TLS without being given a file.
    pub(crate) is_secure: bool,
    pub(crate) skip_verify: bool,
    /// Name and password, for a service that asks who calls.
    pub(crate) user: Option<(String, String)>,
    pub(crate) dial_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) keepalive_time: Duration,
    pub(crate) keepalive_timeout: Duration,
}

impl fmt::Debug for DiscoveryService {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DiscoveryService");
        shown.field("token", &self.token).field("endpoints", &self.endpoints);
        shown.finish_non_exhaustive()
    }
}

/// Where log lines go and which.
#[derive(Clone, Debug)]
pub(crate) struct LogConfig {
    pub(crate) level: tracing::Level,
    pub(crate) json: bool,
    pub(crate) outputs: Vec<String>,
}

impl Config {
    /// All URLs of clients, for gRPC and for HTTP.
    pub(crate) fn client_urls(&self) -> Vec<ListenUrl> {
        let urls = self.listen_client_urls.iter().chain(&self.listen_client_http_urls);
        urls.cloned().collect()
    }

    /// Reads the command line and the environment (or the file they name).
    pub(crate) fn load(
        arguments: &[String],
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Settings::from_arguments(arguments)?;
        if settings.get("version") == "true" {
            return Err(ConfigError::Version);
        }
        if !settings.is_set("config-file") {
            settings.add_environment(variables)?;
        } else if let Some((_, path)) =
            variables.into_iter().find(|(name, _)| name == "ETCD_CONFIG_FILE")
        {
            return Err(ConfigError::Shadowed(format!("ETCD_CONFIG_FILE={path}")));
        }
        let path = settings.get("config-file").to_owned();
        if path.is_empty() {
            return resolve::resolve(settings);
        }
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                ConfigError::Verify(format!("open {path}: no such file or directory"))
            }
            _ => ConfigError::Verify(format!("open {path}: {error}")),
        })?;
        let mut from_file = Settings::from_file(&text)?;
        from_file.warnings.append(&mut settings.warnings);
        resolve::resolve(from_file)
    }
}
