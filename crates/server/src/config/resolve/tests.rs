//! Start-up refusals and their words; source: captured start-ups of etcd 3.7.1.

use super::*;
use crate::config::Discovery;
use crate::config::initial_cluster::Written;

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
    check("--listen-peer-urls http://:2380", "expected IP in URL for binding (http://:2380)");
    check(
        "--initial-advertise-peer-urls http://:2380",
        "--initial-advertise-peer-urls \"http://:2380\" must be \"host:port\" \
         (unexpected empty host (http://:2380))",
    );
    check(
        "--listen-client-urls http://127.0.0.1:1/ --advertise-client-urls http://127.0.0.1:1",
        "invalid value \"http://127.0.0.1:1/\" for flag -listen-client-urls: URL must not \
         contain a path: http://127.0.0.1:1/",
    );
    check(
        "--initial-advertise-peer-urls http://127.0.0.1",
        "invalid value \"http://127.0.0.1\" for flag -initial-advertise-peer-urls: URL \
         address does not have the form \"host:port\": http://127.0.0.1",
    );
    check(
        "--discovery-fallback foo",
        "invalid value \"foo\" for flag -discovery-fallback: invalid value",
    );
    check(
        "--feature-gates CompactHashCheck=x",
        "invalid value \"CompactHashCheck=x\" for flag -feature-gates: invalid value of \
         CompactHashCheck=x, err: strconv.ParseBool: parsing \"x\": invalid syntax",
    );
    check("--compact-hash-check-time 0s", "--compact-hash-check-time must be >0 (set to 0s)");
    check("--max-learners -1", "membership: too many learner members in cluster");
    check("--log-format foo", "unknown log format: foo, supported values json, console");
    check("--config-file missing", "open missing: no such file or directory");
    check("--cert-file x", "--cert-file: TLS is not implemented yet");
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
    assert_eq!(config.initial_cluster, [("default".to_owned(), config.peer_urls.clone())]);
    assert_eq!(config.discovery, None);
    assert!(config.strict_reconfig_check && !config.force_new_cluster);
    assert!(config.initial_corrupt_check && config.compact_hash_check);
    assert_eq!(config.corrupt_check_time, Duration::from_secs(12 * 60 * 60));
    assert_eq!(config.compact_hash_check_time, Duration::from_secs(60));
    assert_eq!(config.learners_max, 1);
    assert!(config.lease_checkpoint && !config.lease_checkpoint_persist);
    assert_eq!(config.raft_read_timeout, Duration::from_secs(5));
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

#[test]
fn members_and_how_they_are_found() {
    let check = |words: &str, expected: Result<&str, &str>| {
        let found = load(words).map(|config| {
            let way = match config.discovery {
                None => "named".to_owned(),
                Some(Discovery::Service(service)) => service.endpoints.join("+"),
                Some(Discovery::Srv { domain, service }) => format!("srv {domain} {service}"),
            };
            let members = Written(&config.initial_cluster).to_string();
            format!("{way} {members} {}", config.initial_cluster_token)
        });
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{words}");
    };
    check("--name x", Ok("named x=http://localhost:2380 etcd-cluster"));
    check(
        "--initial-cluster b=http://h:2,a=http://h:1 --initial-cluster-token t",
        Ok("named a=http://h:1,b=http://h:2 t"),
    );
    check(
        "--initial-cluster a",
        Err("error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "),
    );
    check(
        "--discovery-token t --discovery-endpoints h:1,h:2",
        Ok("h:1+h:2 default=http://localhost:2380 t"),
    );
    check("--discovery-srv x --discovery-srv-name y", Ok("srv x y  etcd-cluster"));
    check("--discovery-srv-name y", Ok("named  etcd-cluster"));
    let many = "multiple discovery or bootstrap flags are set. Choose one of \
                \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\"";
    check("--initial-cluster a=http://h:1 --discovery-srv x", Err(many));
    check("--discovery-endpoints h:1 --discovery-srv x", Err(many));
    check("--initial-cluster a=http://h:1 --discovery-endpoints h:1", Err(many));
    let both = "both --discovery-token and --discovery-endpoints must be set";
    check("--discovery-endpoints h:1", Err(both));
    check("--discovery-token x", Err(both));
    check("--discovery-cacert f", Err("--discovery-cacert: TLS is not implemented yet"));
    check(
        "--discovery-user u",
        Err("--discovery-user: the client of discovery has no authentication yet"),
    );
}

#[test]
fn checks_can_be_turned_off() {
    let check = |words: &str, expected: [bool; 4]| {
        let config = load(words).unwrap();
        let found = [
            config.initial_corrupt_check,
            config.compact_hash_check,
            config.lease_checkpoint,
            config.lease_checkpoint_persist,
        ];
        assert_eq!(found, expected, "{words}");
    };
    check("--feature-gates InitialCorruptCheck=false", [false, true, true, false]);
    check("--feature-gates CompactHashCheck=false", [true, false, true, false]);
    check("--feature-gates LeaseCheckpoint=false", [true, true, false, false]);
    check("--feature-gates AllAlpha=true", [true, true, true, true]);
    check("--feature-gates AllAlpha=false,LeaseCheckpoint=true", [false, false, true, false]);
    let config = load("--corrupt-check-time 0s --raft-read-timeout 7s").unwrap();
    assert_eq!(config.corrupt_check_time, Duration::ZERO);
    assert_eq!(config.raft_read_timeout, Duration::from_secs(7));
}
