//! From raw settings to the typed configuration, with etcd's checks and texts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use ketch_base::limits;

use super::flags::{FLAGS, Support};
use super::sources::{Settings, boolean};
use super::urls::{ListenUrl, advertised, listened};
use super::{AutoCompaction, Config, ConfigError, LogConfig, clustering, duration, transport};

/// etcd's upper bound of `--election-timeout`.
const ELECTION_MS_MAX: u64 = 50_000;
/// How often all members' hashes are compared unless told: each time everything is read once.
const CORRUPT_CHECK_TIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Shorter time-outs of peer connections are raised to this, as in etcd.
const RAFT_TIMEOUT_MIN: Duration = Duration::from_secs(5);
/// etcd's default: ten minutes.
const PROGRESS_NOTIFY_MS: u64 = 10 * 60 * 1000;
/// Go's default.
const BCRYPT_COST: u32 = 10;
const SNAPSHOT_COUNT: u64 = limits::SNAPSHOT_COUNT_ENTRIES;
const CATCHUP: u64 = limits::SNAPSHOT_CATCHUP_ENTRIES;
const GATES: [&str; 11] = [
    "AllAlpha",
    "AllBeta",
    "CompactHashCheck",
    "FastLeaseKeepAlive",
    "InitialCorruptCheck",
    "LeaseCheckpoint",
    "LeaseCheckpointPersist",
    "PriorityRequest",
    "SetMemberLocalAddr",
    "StopGRPCServiceOnDefrag",
    "TxnModeWriteWithSharedBuffer",
];

pub(super) fn resolve(settings: Settings) -> Result<Config, ConfigError> {
    let feature_gates = feature_gates(&settings)?;
    refuse_unsupported(&settings).and_then(|()| check_words(&settings))?;
    let (heartbeat_ms, election_ms) = timing(&settings)?;
    let name = settings.get("name").to_owned();
    let (data_dir, wal_dir) = folders(&settings, &name);
    let clustering = clustering::resolve(&settings, &name, &wal_dir)?;
    let gate = |name: &str| gate(&feature_gates, name);
    // Checks that cost next to nothing are on unless somebody says otherwise.
    let not_off = |name: &str| gate(name).unwrap_or(true);
    Ok(Config {
        data_dir,
        wal_dir,
        listen_client_urls: listen_urls(&settings, "listen-client-urls")?,
        advertise_client_urls: advertised_clients(&settings)?,
        listen_peer_urls: listen_urls(&settings, "listen-peer-urls")?,
        listen_client_http_urls: listen_urls(&settings, "listen-client-http-urls")?,
        listen_metrics_urls: listen_urls(&settings, "listen-metrics-urls")?,
        initial_cluster: clustering.members,
        peer_urls: clustering.peer_urls,
        initial_cluster_token: clustering.token,
        initial_cluster_existing: settings.get("initial-cluster-state") == "existing",
        discovery: clustering.discovery,
        strict_reconfig_check: on(&settings, "strict-reconfig-check"),
        force_new_cluster: on(&settings, "force-new-cluster"),
        initial_corrupt_check: not_off("InitialCorruptCheck"),
        corrupt_check_time: corrupt_check_time(&settings),
        compact_hash_check: not_off("CompactHashCheck"),
        compact_hash_check_time: hash_check_time(&settings)?,
        downgrade_check_time: time(&settings, "downgrade-check-time"),
        learners_max: learners_max(&settings)?,
        lease_checkpoint: not_off("LeaseCheckpoint"),
        lease_checkpoint_persist: gate("LeaseCheckpointPersist").unwrap_or(false),
        raft_read_timeout: time(&settings, "raft-read-timeout").max(RAFT_TIMEOUT_MIN),
        raft_write_timeout: time(&settings, "raft-write-timeout").max(RAFT_TIMEOUT_MIN),
        heartbeat_ms,
        election_ms,
        election_tick_advance: on(&settings, "initial-election-tick-advance"),
        pre_vote: on(&settings, "pre-vote"),
        snapshot_count_entries: entries(&settings, "snapshot-count", SNAPSHOT_COUNT),
        snapshot_catchup_entries: entries(&settings, "snapshot-catchup-entries", CATCHUP),
        quota_bytes: quota_bytes(&settings),
        request_bytes_max: size(&settings, "max-request-bytes"),
        txn_ops_max: size(&settings, "max-txn-ops"),
        concurrent_streams_max: concurrent_streams_max(&settings),
        keepalive_interval: time(&settings, "grpc-keepalive-interval"),
        keepalive_timeout: time(&settings, "grpc-keepalive-timeout"),
        auto_compaction: auto_compaction(&settings)?,
        backend_batch_interval: batch_interval(&settings),
        compaction_batch_rows: compaction_batch_rows(&settings),
        compaction_sleep: time(&settings, "compaction-sleep-interval"),
        progress_notify_interval: progress_notify_interval(&settings),
        warning_apply: time(&settings, "warning-apply-duration"),
        warning_unary: time(&settings, "warning-unary-request-duration"),
        cors: words(settings.get("cors")),
        host_whitelist: words(settings.get("host-whitelist")),
        reuse_port: on(&settings, "socket-reuse-port"),
        metrics_extensive: settings.get("metrics") == "extensive",
        auth_token: settings.get("auth-token").to_owned(),
        auth_token_ttl: Duration::from_secs(number(&settings, "auth-token-ttl")),
        bcrypt_cost: bcrypt_cost(&settings),
        transport: transport::resolve(&settings)?,
        no_fsync: on(&settings, "unsafe-no-fsync"),
        log: log_config(&settings)?,
        audit_log: audit_log(&settings),
        feature_gates,
        name,
        warnings: settings.warnings,
    })
}

fn advertised_clients(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    advertised("advertise-client-urls", settings.get("advertise-client-urls"))
}

fn concurrent_streams_max(settings: &Settings) -> u32 {
    u32::try_from(number(settings, "max-concurrent-streams")).unwrap_or(u32::MAX)
}

fn batch_interval(settings: &Settings) -> Duration {
    let given = time(settings, "backend-batch-interval");
    positive_time(given, limits::BACKEND_BATCH_INTERVAL_MS)
}

fn compaction_batch_rows(settings: &Settings) -> usize {
    positive(settings, "compaction-batch-limit", limits::COMPACTION_BATCH_ROWS)
}

fn progress_notify_interval(settings: &Settings) -> Duration {
    positive_time(time(settings, "watch-progress-notify-interval"), PROGRESS_NOTIFY_MS)
}

/// What was said of a gate: by its name, or with all of its kind.
fn gate(gates: &[(String, bool)], name: &str) -> Option<bool> {
    let said = |name: &str| gates.iter().rev().find(|(gate, _)| gate == name).map(|(_, on)| *on);
    said(name).or_else(|| said("AllAlpha"))
}

/// Zero turns it off, as in etcd; unlike there it is on when nothing is said.
fn corrupt_check_time(settings: &Settings) -> Duration {
    match settings.is_set("corrupt-check-time") {
        true => time(settings, "corrupt-check-time"),
        false => CORRUPT_CHECK_TIME,
    }
}

fn hash_check_time(settings: &Settings) -> Result<Duration, ConfigError> {
    let value = time(settings, "compact-hash-check-time");
    if value.is_zero() {
        let why = "--compact-hash-check-time must be >0 (set to 0s)";
        return Err(ConfigError::Verify(why.to_owned()));
    }
    Ok(value)
}

fn learners_max(settings: &Settings) -> Result<usize, ConfigError> {
    usize::try_from(settings.get("max-learners").parse::<i64>().unwrap_or(1)).map_err(|_| {
        ConfigError::Bootstrap("membership: too many learner members in cluster".to_owned())
    })
}

fn listen_urls(settings: &Settings, name: &str) -> Result<Vec<ListenUrl>, ConfigError> {
    listened(settings.get(name))
}

/// The data folder, and the log's within it unless it was put elsewhere.
fn folders(settings: &Settings, name: &str) -> (PathBuf, PathBuf) {
    let data_dir = match settings.get("data-dir") {
        "" => PathBuf::from(format!("{name}.etcd")),
        dir => PathBuf::from(dir),
    };
    let wal_dir = match settings.get("wal-dir") {
        "" => data_dir.join("member/wal"),
        dir => PathBuf::from(dir),
    };
    (data_dir, wal_dir)
}

/// What is not built yet is refused by name, unless it was set to what it is anyway.
fn refuse_unsupported(settings: &Settings) -> Result<(), ConfigError> {
    for flag in FLAGS {
        if let Support::Refused(why) = flag.support
            && settings.is_set(flag.name)
            && settings.get(flag.name) != flag.default
            && !settings.get(flag.name).is_empty()
        {
            return Err(ConfigError::Verify(format!("--{}: {why}", flag.name)));
        }
    }
    Ok(())
}

fn check_words(settings: &Settings) -> Result<(), ConfigError> {
    let verify = |text: String| Err(ConfigError::Verify(text));
    match settings.get("auto-compaction-mode") {
        "periodic" | "revision" => {}
        mode => return verify(format!("unknown auto-compaction-mode {mode:?}")),
    }
    match settings.get("logger") {
        "zap" => {}
        "capnslog" => return verify("--logger=capnslog is removed in v3.5".to_owned()),
        other => return verify(format!("unknown logger option {other:?}")),
    }
    match settings.get("v2-deprecation") {
        "write-only" | "write-only-skip-check" | "write-only-drop-data" | "gone" => {}
        other => {
            return Err(ConfigError::Usage(format!(
                "invalid value {other:?} for flag -v2-deprecation: invalid value {other:?}"
            )));
        }
    }
    if settings.is_set("listen-client-urls") && !settings.is_set("advertise-client-urls") {
        return verify(
            "--advertise-client-urls is required when --listen-client-urls is set explicitly"
                .to_owned(),
        );
    }
    match settings.get("discovery-fallback") {
        "exit" => Ok(()),
        "proxy" => verify(
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""
                .to_owned(),
        ),
        other => Err(ConfigError::Usage(format!(
            "invalid value {other:?} for flag -discovery-fallback: invalid value"
        ))),
    }
}

fn timing(settings: &Settings) -> Result<(u64, u64), ConfigError> {
    let heartbeat = number(settings, "heartbeat-interval");
    let election = number(settings, "election-timeout");
    let verify = |text: String| Err(ConfigError::Verify(text));
    if heartbeat == 0 {
        return verify(format!("--heartbeat-interval must be >0 (set to {heartbeat}ms)"));
    }
    if election == 0 {
        return verify(format!("--election-timeout must be >0 (set to {election}ms)"));
    }
    if 5 * heartbeat > election {
        return verify(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as \
             --heartbeat-interval[{heartbeat}ms]"
        ));
    }
    if election > ELECTION_MS_MAX {
        return verify(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than \
             {ELECTION_MS_MAX}ms"
        ));
    }
    Ok((heartbeat, election))
}

fn auto_compaction(settings: &Settings) -> Result<AutoCompaction, ConfigError> {
    let retention = settings.get("auto-compaction-retention");
    let invalid =
        || ConfigError::Verify(format!("error parsing auto-compaction-retention: {retention:?}"));
    if settings.get("auto-compaction-mode") == "revision" {
        return match retention.parse::<i64>().map_err(|_| invalid())? {
            0 => Ok(AutoCompaction::Off),
            revisions => Ok(AutoCompaction::Revision(revisions)),
        };
    }
    let window = match retention.parse::<u64>() {
        Ok(hours) => Duration::from_secs(hours * 3600),
        Err(_) => duration::parse(retention).ok_or_else(invalid)?,
    };
    Ok(if window.is_zero() { AutoCompaction::Off } else { AutoCompaction::Periodic(window) })
}

fn feature_gates(settings: &Settings) -> Result<Vec<(String, bool)>, ConfigError> {
    let text = settings.get("feature-gates");
    let mut gates = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let usage = |why: String| {
            ConfigError::Usage(format!("invalid value {text:?} for flag -feature-gates: {why}"))
        };
        let (name, value) =
            pair.split_once('=').ok_or_else(|| usage(format!("missing bool value for {pair}")))?;
        if !GATES.contains(&name) {
            return Err(usage(format!("unrecognized feature gate: {name}")));
        }
        let value = boolean(value).ok_or_else(|| {
            usage(format!(
                "invalid value of {pair}, err: strconv.ParseBool: parsing {value:?}: invalid syntax"
            ))
        })?;
        gates.push((name.to_owned(), value));
    }
    let enabled = |name: &str| gates.iter().any(|(gate, on)| gate == name && *on);
    if enabled("LeaseCheckpointPersist") && !enabled("LeaseCheckpoint") && !enabled("AllAlpha") {
        return Err(ConfigError::Verify(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate \
             LeaseCheckpoint"
                .to_owned(),
        ));
    }
    Ok(gates)
}

fn log_config(settings: &Settings) -> Result<LogConfig, ConfigError> {
    let level = match settings.get("log-level") {
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "warn" => tracing::Level::WARN,
        "error" | "dpanic" | "panic" | "fatal" => tracing::Level::ERROR,
        other => return Err(ConfigError::Usage(format!("unrecognized level: {other:?}"))),
    };
    let json = match settings.get("log-format") {
        "json" => true,
        "console" => false,
        other => {
            return Err(ConfigError::Verify(format!(
                "unknown log format: {other}, supported values json, console"
            )));
        }
    };
    let outputs = words(settings.get("log-outputs")).into_iter().collect();
    Ok(LogConfig { level, json, outputs })
}

fn audit_log(settings: &Settings) -> Option<PathBuf> {
    Some(settings.get("audit-log-path")).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn on(settings: &Settings, name: &str) -> bool {
    boolean(settings.get(name)).unwrap_or(false)
}

fn number(settings: &Settings, name: &str) -> u64 {
    settings.get(name).parse().unwrap_or(0)
}

fn entries(settings: &Settings, name: &str, default: u64) -> u64 {
    match number(settings, name) {
        0 => default,
        count => count,
    }
}

fn quota_bytes(settings: &Settings) -> i64 {
    match settings.get("quota-backend-bytes").parse() {
        Ok(0) | Err(_) => limits::QUOTA_BYTES_DEFAULT,
        Ok(bytes) => bytes,
    }
}

/// What is out of bounds becomes the default, as in etcd.
fn bcrypt_cost(settings: &Settings) -> u32 {
    let cost = u32::try_from(number(settings, "bcrypt-cost")).unwrap_or(0);
    if (4..=31).contains(&cost) { cost } else { BCRYPT_COST }
}

fn size(settings: &Settings, name: &str) -> usize {
    usize::try_from(number(settings, name)).unwrap_or(usize::MAX)
}

fn positive(settings: &Settings, name: &str, default: usize) -> usize {
    match size(settings, name) {
        0 => default,
        value => value,
    }
}

fn time(settings: &Settings, name: &str) -> Duration {
    duration::parse(settings.get(name)).unwrap_or_default()
}

fn positive_time(value: Duration, default_ms: u64) -> Duration {
    if value.is_zero() { Duration::from_millis(default_ms) } else { value }
}

#[cfg(test)]
#[path = "resolve/tests.rs"]
mod tests;
