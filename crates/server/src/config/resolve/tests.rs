//! Start-up refusals and their words; source: captured start-ups of etcd 3.7.1.

use super::*;

fn load(words: &str) -> Result<Config, ConfigError> {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    Config::load(&words, [])
}

#[test]
fn refusals() {
    let check = |words: &str, text: &str| {
        assert_eq!(load(words).unwrap_err().to_string(), text, "{words}");
    };
    check(
        "--listen-client-urls http://127.0.0.1:1",
        "--advertise-client-urls is required when --listen-client-urls is set explicitly",
    );
    check(
        "--listen-peer-urls http://nohost.example:1",
        "expected IP in URL for binding (http://nohost.example:1)",
    );
    check(
        "--heartbeat-interval 300",
        "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]",
    );
    check(
        "--election-timeout 60000",
        "--election-timeout[60000ms] is too long, and should be set less than 50000ms",
    );
    check("--auto-compaction-mode foo", "unknown auto-compaction-mode \"foo\"");
    check(
        "--initial-cluster a=http://localhost:2380 --name b",
        "couldn't find local name \"b\" in the initial cluster configuration",
    );
    check("--log-format foo", "unknown log format: foo, supported values json, console");
    check("--config-file missing", "open missing: no such file or directory");
    check("--cert-file x", "--cert-file: TLS is not implemented yet");
    check("--auth-token jwt", "--auth-token: authentication is not implemented yet");
    check(
        "--feature-gates LeaseCheckpointPersist=true",
        "enabling feature gate LeaseCheckpointPersist requires enabling feature gate \
         LeaseCheckpoint",
    );
}

#[test]
fn defaults_make_a_working_member() {
    let config = load("").unwrap();
    assert_eq!(config.data_dir, PathBuf::from("default.etcd"));
    assert_eq!(config.listen_client_urls[0].as_str(), "http://localhost:2379/");
    assert_eq!(config.peer_urls, ["http://localhost:2380"]);
    assert_eq!(config.quota_bytes, 2 * 1024 * 1024 * 1024);
    assert_eq!(config.auto_compaction, AutoCompaction::Off);
}

#[test]
fn compaction_by_time_and_by_count() {
    let check = |words: &str, expected: AutoCompaction| {
        assert_eq!(load(words).unwrap().auto_compaction, expected, "{words}");
    };
    check("--auto-compaction-retention 1", AutoCompaction::Periodic(Duration::from_secs(3600)));
    check("--auto-compaction-retention 30m", AutoCompaction::Periodic(Duration::from_secs(1800)));
    check(
        "--auto-compaction-mode revision --auto-compaction-retention 1000",
        AutoCompaction::Revision(1000),
    );
}
