//! From raw settings to the typed configuration, with etcd's checks and texts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ketch_base::limits;
use url::Url;

use super::flags::{FLAGS, Support};
use super::sources::{Settings, boolean};
use super::{AutoCompaction, Config, ConfigError, LogConfig, duration};

/// etcd's upper bound of `--election-timeout`.
const ELECTION_MS_MAX: u64 = 50_000;
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
    refuse_unsupported(&settings)?;
    check_words(&settings)?;
    let (heartbeat_ms, election_ms) = timing(&settings)?;
    let name = settings.get("name").to_owned();
    let (data_dir, wal_dir) = folders(&settings, &name);
    // As in etcd, what a member was founded with is not looked at again.
    let peer_urls = if has_log(&wal_dir) {
        advertised(settings.get("initial-advertise-peer-urls"))?
    } else {
        initial_cluster(&settings, &name)?
    };
    let gate = |wanted: &str| feature_gates.iter().find(|(gate, _)| gate == wanted);
    let is_on = |name: &str| gate(name).is_some_and(|(_, on)| *on);
    let not_off = |name: &str| gate(name).is_none_or(|(_, on)| *on);
    Ok(Config {
        data_dir,
        wal_dir,
        listen_client_urls: listen_urls(&settings, "listen-client-urls")?,
        advertise_client_urls: advertised(settings.get("advertise-client-urls"))?,
        listen_peer_urls: listen_urls(&settings, "listen-peer-urls")?,
        listen_metrics_urls: listen_urls(&settings, "listen-metrics-urls")?,
        initial_cluster: vec![(name.clone(), peer_urls.clone())],
        peer_urls,
        discovery: None,
        strict_reconfig_check: on(&settings, "strict-reconfig-check"),
        force_new_cluster: on(&settings, "force-new-cluster"),
        initial_corrupt_check: not_off("InitialCorruptCheck"),
        corrupt_check_time: time(&settings, "corrupt-check-time"),
        compact_hash_check: not_off("CompactHashCheck"),
        compact_hash_check_time: time(&settings, "compact-hash-check-time"),
        downgrade_check_time: time(&settings, "downgrade-check-time"),
        learners_max: size(&settings, "max-learners"),
        lease_checkpoint: is_on("LeaseCheckpoint"),
        lease_checkpoint_persist: is_on("LeaseCheckpointPersist"),
        raft_read_timeout: time(&settings, "raft-read-timeout"),
        raft_write_timeout: time(&settings, "raft-write-timeout"),
        initial_cluster_token: settings.get("initial-cluster-token").to_owned(),
        initial_cluster_existing: settings.get("initial-cluster-state") == "existing",
        heartbeat_ms,
        election_ms,
        election_tick_advance: on(&settings, "initial-election-tick-advance"),
        pre_vote: on(&settings, "pre-vote"),
        snapshot_count_entries: entries(&settings, "snapshot-count", SNAPSHOT_COUNT),
        snapshot_catchup_entries: entries(&settings, "snapshot-catchup-entries", CATCHUP),
        quota_bytes: quota_bytes(&settings),
        request_bytes_max: size(&settings, "max-request-bytes"),
        txn_ops_max: size(&settings, "max-txn-ops"),
        concurrent_streams_max: u32::try_from(number(&settings, "max-concurrent-streams"))
            .unwrap_or(u32::MAX),
        keepalive_interval: time(&settings, "grpc-keepalive-interval"),
        keepalive_timeout: time(&settings, "grpc-keepalive-timeout"),
        auto_compaction: auto_compaction(&settings)?,
        backend_batch_interval: positive_time(
            time(&settings, "backend-batch-interval"),
            limits::BACKEND_BATCH_INTERVAL_MS,
        ),
        compaction_batch_rows: positive(
            &settings,
            "compaction-batch-limit",
            limits::COMPACTION_BATCH_ROWS,
        ),
        compaction_sleep: time(&settings, "compaction-sleep-interval"),
        progress_notify_interval: positive_time(
            time(&settings, "watch-progress-notify-interval"),
            10 * 60 * 1000,
        ),
        warning_apply: time(&settings, "warning-apply-duration"),
        warning_unary: time(&settings, "warning-unary-request-duration"),
        cors: words(settings.get("cors")),
        host_whitelist: words(settings.get("host-whitelist")),
        reuse_port: on(&settings, "socket-reuse-port"),
        metrics_extensive: settings.get("metrics") == "extensive",
        no_fsync: on(&settings, "unsafe-no-fsync"),
        log: log_config(&settings)?,
        feature_gates,
        name,
        warnings: settings.warnings,
    })
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
        "write-only" | "write-only-drop-data" | "gone" => {}
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
    if settings.get("discovery-fallback") == "proxy" {
        return verify(
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""
                .to_owned(),
        );
    }
    Ok(())
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

fn has_log(wal_dir: &Path) -> bool {
    let is_segment = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "wal"))
    };
    std::fs::read_dir(wal_dir).is_ok_and(|entries| entries.into_iter().any(is_segment))
}

/// The peer URLs this member has in `--initial-cluster`.
fn initial_cluster(settings: &Settings, name: &str) -> Result<Vec<String>, ConfigError> {
    let advertised_peers = advertised(settings.get("initial-advertise-peer-urls"))?;
    if !settings.is_set("initial-cluster") {
        return Ok(advertised_peers);
    }
    let mut own = Vec::new();
    let mut others = BTreeSet::new();
    for pair in settings.get("initial-cluster").split(',').filter(|pair| !pair.is_empty()) {
        let Some((member, address)) = pair.split_once('=') else {
            return Err(ConfigError::Verify(format!(
                "error setting up initial cluster: malformed pair {pair:?}"
            )));
        };
        if member.trim() == name {
            own.push(address.trim().to_owned());
        } else {
            others.insert(member.trim().to_owned());
        }
    }
    if own.is_empty() {
        return Err(ConfigError::NameMissing(name.to_owned()));
    }
    if !others.is_empty() {
        return Err(ConfigError::Verify(format!(
            "--initial-cluster: more than one member is not implemented yet (also names {})",
            others.into_iter().collect::<Vec<_>>().join(", ")
        )));
    }
    let mut declared = advertised(&own.join(","))?;
    let mut wanted = advertised_peers;
    declared.sort();
    wanted.sort();
    if declared != wanted {
        let (declared, wanted) = (declared.join(","), wanted.join(","));
        return Err(ConfigError::Discovery(format!(
            "--initial-cluster has {name}={declared} but missing from \
             --initial-advertise-peer-urls={wanted} (resolved urls: {wanted:?} != {declared:?})"
        )));
    }
    Ok(declared)
}

/// Listen URLs bind by address: `localhost` or an IP, no path.
fn listen_urls(settings: &Settings, name: &str) -> Result<Vec<Url>, ConfigError> {
    let mut urls = Vec::new();
    for text in settings.get(name).split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let url = parse_url(text)?;
        let host = url.host_str().unwrap_or("");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if host != "localhost" && bare.parse::<std::net::IpAddr>().is_err() {
            return Err(ConfigError::Verify(format!("expected IP in URL for binding ({text})")));
        }
        if url.scheme() == "https" {
            return Err(ConfigError::Verify(format!(
                "--{name}: TLS is not implemented yet ({text})"
            )));
        }
        urls.push(url);
    }
    Ok(urls)
}

fn advertised(text: &str) -> Result<Vec<String>, ConfigError> {
    let mut urls = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        parse_url(word)?;
        urls.push(word.to_owned());
    }
    urls.sort();
    urls.dedup();
    Ok(urls)
}

fn parse_url(text: &str) -> Result<Url, ConfigError> {
    let url = checked_url(text).map_err(ConfigError::Verify)?;
    if url.scheme().starts_with("unix") {
        let why = format!("unix-socket listeners are not implemented yet: {text}");
        return Err(ConfigError::Verify(why));
    }
    Ok(url)
}

/// A URL as etcd's flags take it, or why not in its words.
pub(super) fn checked_url(text: &str) -> Result<Url, String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(_) if !text.contains(':') => {
            return Err(format!("URL scheme must be http, https, unix, or unixs: {text}"));
        }
        Err(url::ParseError::EmptyHost) => return Err(no_port(text)),
        Err(error) => return Err(format!("parse {text:?}: {error}")),
    };
    match url.scheme() {
        "unix" | "unixs" => return Ok(url),
        "http" | "https" => {}
        _ => return Err(format!("URL scheme must be http, https, unix, or unixs: {text}")),
    }
    if url.port().is_none() && !text.trim_end_matches('/').ends_with(&default_port(&url)) {
        return Err(no_port(text));
    }
    if url.path() != "/" {
        return Err(format!("URL must not contain a path: {text}"));
    }
    Ok(url)
}

fn no_port(text: &str) -> String {
    format!("URL address does not have the form \"host:port\": {text}")
}

/// The url crate hides a port that is the scheme's default; the text still shows it.
fn default_port(url: &Url) -> String {
    format!(":{}", url.port_or_known_default().unwrap_or(0))
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
        let value = boolean(value)
            .ok_or_else(|| usage(format!("invalid value of {name}={value}, err: parse error")))?;
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
