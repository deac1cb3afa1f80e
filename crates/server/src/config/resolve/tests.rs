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
    check(
        "--tls-min-version TLS1.0",
        "unexpected TLS version \"TLS1.0\" (must be one of: TLS1.2, TLS1.3)",
    );
    check(
        "--tls-min-version TLS1.3 --tls-max-version TLS1.2",
        "min version (TLS1.3) is greater than max version (TLS1.2)",
    );
    check(
        "--tls-min-version TLS1.3 --cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "cipher suites cannot be configured when only TLS1.3 is enabled",
    );
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
    assert_eq!(config.listen_client_urls[0].text, "http://localhost:2379");
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

#[test]
fn the_service_of_discovery_over_tls_and_as_a_user() {
    let service = |words: &str| {
        let words = format!("--discovery-token t --discovery-endpoints h:1 {words}");
        match load(&words).unwrap().discovery {
            Some(Discovery::Service(service)) => service,
            other => panic!("{words}: {other:?}"),
        }
    };
    let plain = service("");
    assert!(!plain.is_secure && !plain.skip_verify && plain.user.is_none());
    let secure = service(
        "--discovery-insecure-transport=false --discovery-insecure-skip-tls-verify \
         --discovery-cacert ca --discovery-cert c --discovery-key k",
    );
    assert!(secure.is_secure && secure.skip_verify);
    assert_eq!(secure.files.trusted_ca, Some(PathBuf::from("ca")));
    assert_eq!(secure.files.key, Some(PathBuf::from("k")));
    let both = Some(("u".to_owned(), "p".to_owned()));
    assert_eq!(service("--discovery-user u:p").user, both);
    assert_eq!(service("--discovery-user u --discovery-password p").user, both);
    assert!(!format!("{:?}", service("--discovery-user u:hidden")).contains("hidden"));
}

#[test]
fn tls_flags_and_their_twins_in_a_file() {
    let words = "--cert-file c --key-file k --trusted-ca-file ca --client-crl-file crl \
                 --client-cert-auth --client-cert-allowed-hostname a,b --client-cert-file cc \
                 --client-key-file ck --peer-cert-file pc --peer-key-file pk \
                 --peer-trusted-ca-file pca --peer-crl-file pcrl --peer-client-cert-auth \
                 --peer-cert-allowed-cn x --peer-client-cert-file pcc --peer-client-key-file pck \
                 --peer-skip-client-san-verification --self-signed-cert-validity 3 \
                 --tls-max-version TLS1.2 --cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let flags = load(words).unwrap().transport;
    let yaml = "client-transport-security:\n  cert-file: c\n  key-file: k\n  trusted-ca-file: ca\n  \
                client-cert-auth: true\n  allowed-hostname: [a, b]\n  client-cert-file: cc\n  \
                client-key-file: ck\npeer-transport-security:\n  cert-file: pc\n  key-file: pk\n  \
                trusted-ca-file: pca\n  client-cert-auth: true\n  allowed-cn: [x]\n  \
                client-cert-file: pcc\n  client-key-file: pck\n  \
                skip-client-san-verification: true\nself-signed-cert-validity: 3\n\
                tls-max-version: TLS1.2\n\
                cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n";
    let mut file = resolve(Settings::from_file(yaml).unwrap()).unwrap().transport;
    // Only flags have these (etcd).
    file.clients.files.crl = Some(PathBuf::from("crl"));
    file.peers.files.crl = Some(PathBuf::from("pcrl"));
    assert_eq!(format!("{flags:?}"), format!("{file:?}"));
    assert!(flags.clients.rules.require_client_cert && flags.peers.rules.skip_client_san);
    let yaml =
        "client-transport-security: {allowed-cn: [x]}\npeer-transport-security: {auto-tls: true}";
    let only = resolve(Settings::from_file(yaml).unwrap()).unwrap().transport;
    assert_eq!(only.clients.rules.allowed_cn, ["x"]);
    assert!(only.peers.is_auto && !only.clients.is_auto);
}

#[test]
fn urls_of_every_scheme() {
    let check = |url: &str, expected: &str| {
        let words = format!("--listen-client-urls {url} --advertise-client-urls {url}");
        let found = load(&words).map_err(|error| error.to_string()).map(|config| {
            let url = &config.listen_client_urls[0];
            format!(
                "{:?} secure {} advertised {}",
                url.address, url.is_secure, config.advertise_client_urls[0]
            )
        });
        assert_eq!(found.unwrap_or_else(|error| error), expected, "{url}");
    };
    check("https://localhost:1", "Tcp(127.0.0.1:1) secure true advertised https://localhost:1");
    check("https://[::1]:1", "Tcp([::1]:1) secure true advertised https://[::1]:1");
    check("unix:///run/a", "Unix(\"/run/a\") secure false advertised unix:///run/a");
    check("unix:/run/a", "Unix(\"/run/a\") secure false advertised unix:/run/a");
    check("unixs://a", "Unix(\"a\") secure true advertised unixs://a");
    check("unix://localhost:1", "Unix(\"localhost:1\") secure false advertised unix://localhost:1");
    check("unix://", "expected path in URL for binding (unix://)");
    check(
        "unix://localhost:m1",
        "invalid value \"unix://localhost:m1\" for flag -listen-client-urls: parse \
         \"unix://localhost:m1\": invalid port \":m1\" after host",
    );
}
