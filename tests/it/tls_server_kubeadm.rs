//! The start of a control plane: kubeadm's command line and certificates, the probes of its static
//! pod, and the calls it makes itself. Told by ketch and by the real etcd.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_tests::{binaries, peers, ports};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use tempfile::TempDir;

/// The address that other nodes know; any of 127.0.0.0/8 is ours.
const NODE_IP: &str = "127.0.0.2";
/// Of the node, in its certificates.
const HOSTS: &[&str] = &["localhost", "node-1", NODE_IP, "127.0.0.1", "::1"];
const READY_LIMIT: Duration = Duration::from_secs(60);

/// As in `/etc/kubernetes/manifests/etcd.yaml`, but for paths and ports.
const FLAGS: &str = "
    --advertise-client-urls=https://$IP:$CLIENT
    --cert-file=$PKI/server.crt
    --client-cert-auth=true
    --data-dir=$DATA
    --feature-gates=InitialCorruptCheck=true
    --initial-advertise-peer-urls=https://$IP:$PEER
    --initial-cluster=node-1=https://$IP:$PEER
    --key-file=$PKI/server.key
    --listen-client-urls=https://127.0.0.1:$CLIENT,https://$IP:$CLIENT
    --listen-metrics-urls=http://127.0.0.1:$METRICS
    --listen-peer-urls=https://$IP:$PEER
    --name=node-1
    --peer-cert-file=$PKI/peer.crt
    --peer-client-cert-auth=true
    --peer-key-file=$PKI/peer.key
    --peer-trusted-ca-file=$PKI/ca.crt
    --snapshot-count=10000
    --trusted-ca-file=$PKI/ca.crt
    --watch-progress-notify-interval=5s
";

/// What the kubelet asks, and what a monitor does.
const PROBES: &[&str] =
    &["/livez", "/readyz", "/health", "/health?exclude=NOSPACE&serializable=true", "/version"];

/// With the certificates of the probes, of the API server, and of nobody.
const LINES: &[&str] = &[
    "--endpoints=https://127.0.0.1:$CLIENT $HEALTH endpoint health",
    "--endpoints=https://127.0.0.1:$CLIENT,https://$IP:$CLIENT $API put /registry/health ok",
    "--endpoints=https://$IP:$CLIENT $API get /registry/health",
    "--endpoints=https://$IP:$CLIENT $API member list -w json",
    "--endpoints=https://$IP:$CLIENT $HEALTH alarm list",
    "--endpoints=https://$IP:$CLIENT $API member add node-2 --learner --peer-urls=https://$IP:1",
    "--endpoints=https://$IP:$CLIENT $API member list",
    "--endpoints=https://$IP:$CLIENT --cacert=$PKI/ca.crt get a",
    "--endpoints=https://localhost:$CLIENT $API compact 1",
    "--endpoints=https://node-1:$CLIENT $API get /registry/health",
];

#[test]
fn boots_as_kubeadm_starts_it() -> Result<()> {
    let ours = Node::start(&binaries::path("ketch"), Places::free())?;
    let told = ours.story()?;
    println!("{told}");
    ensure!(told.contains("/livez 200 ok") && told.contains("/readyz 200 ok"), "{told}");
    let places = ours.places;
    drop(ours);
    let Some(etcd) = peers::find("etcd") else { return Ok(()) };
    let right = Node::start(&etcd, places)?.story()?;
    ensure!(told == right, "-- etcd\n{right}\n-- ketch\n{told}");
    Ok(())
}

#[derive(Clone, Copy)]
struct Places {
    client: u16,
    peer: u16,
    metrics: u16,
}

impl Places {
    fn free() -> Self {
        let [client, peer, metrics] = [(); 3].map(|()| ports::free_port());
        Self { client, peer, metrics }
    }
}

struct Node {
    process: Child,
    folder: TempDir,
    places: Places,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    fn start(program: &Path, places: Places) -> Result<Self> {
        let folder = TempDir::with_prefix("ketch-kubeadm-")?;
        let pki = folder.path().join("pki");
        std::fs::create_dir(&pki)?;
        issue_all(&pki)?;
        let log = File::create(folder.path().join("log"))?;
        let process = Command::new(program)
            .args(FLAGS.split_whitespace().map(|flag| fill(flag, folder.path(), places)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut node = Self { process, folder, places };
        let end = Instant::now() + READY_LIMIT;
        while !node.probe("/readyz").is_ok_and(|answer| answer.starts_with("200")) {
            let ended = node.process.try_wait()?;
            ensure!(ended.is_none() && Instant::now() < end, "{ended:?}; {}", node.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(node)
    }

    fn story(&self) -> Result<String> {
        let mut story = String::new();
        for path in PROBES {
            story.push_str(&format!("{path} {}\n", self.probe(path)?));
        }
        let Some(etcdctl) = peers::find("etcdctl") else { return Ok(story) };
        for line in LINES {
            story.push_str(&self.run(&etcdctl, line)?);
        }
        Ok(story)
    }

    fn run(&self, etcdctl: &Path, line: &str) -> Result<String> {
        let words = line
            .replace("$HEALTH", "--cacert=$PKI/ca.crt --cert=$PKI/health.crt --key=$PKI/health.key")
            .replace("$API", "--cacert=$PKI/ca.crt --cert=$PKI/api.crt --key=$PKI/api.key");
        let output = Command::new(etcdctl)
            .args(["--command-timeout=5s", "--dial-timeout=4s"])
            .args(words.split(' ').map(|word| fill(word, self.folder.path(), self.places)))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let parts = said.split(|letter: char| letter.is_whitespace() || ",\"".contains(letter));
        let mut said: Vec<&str> =
            parts.filter(|part| !part.is_empty() && !is_of_today(part)).collect();
        if line.contains(" member ") {
            // In the order of identifiers that are drawn anew each time.
            said.sort_unstable();
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("Error")).collect();
        let code = output.status.code();
        Ok(format!("$ {line}\n{}\n{}\n{code:?}\n", said.join(" "), errors.join("\n")))
    }

    /// Status and body of `GET` on the port of metrics, which is in clear.
    fn probe(&self, path: &str) -> Result<String> {
        let address = format!("127.0.0.1:{}", self.places.metrics);
        let mut stream = TcpStream::connect(&address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the HTTP head")?;
        let code = head.split_whitespace().nth(1).context("no HTTP status")?;
        Ok(format!("{code} {}", body.trim_end()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Differs from run to run: a duration, an identifier made of the time of day.
fn is_of_today(word: &str) -> bool {
    let is_time = word.ends_with("ms") || word.ends_with("\u{b5}s");
    let is_id = word.len() >= 15 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_time || is_id
}

fn fill(text: &str, folder: &Path, places: Places) -> String {
    text.replace("$IP", NODE_IP)
        .replace("$CLIENT", &places.client.to_string())
        .replace("$PEER", &places.peer.to_string())
        .replace("$METRICS", &places.metrics.to_string())
        .replace("$PKI", &folder.join("pki").display().to_string())
        .replace("$DATA", &folder.join("data").display().to_string())
}

/// What `kubeadm init phase certs` leaves in `/etc/kubernetes/pki/etcd`: RSA, 2048 bits.
fn issue_all(pki: &Path) -> Result<()> {
    let (mut params, key) = subject("etcd-ca", &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    std::fs::write(pki.join("ca.crt"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    for (name, common_name, is_client) in [
        ("server", "node-1", false),
        ("peer", "node-1", false),
        ("health", "kube-etcd-healthcheck-client", true),
        ("api", "kube-apiserver-etcd-client", true),
    ] {
        let hosts: &[&str] = if is_client { &[] } else { HOSTS };
        let (mut params, key) = subject(common_name, hosts)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if is_client {
            params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        } else {
            params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        write(pki, name, &params.signed_by(&key, &issuer)?.pem(), &key)?;
    }
    Ok(())
}

fn subject(common_name: &str, hosts: &[&str]) -> Result<(CertificateParams, KeyPair)> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok((params, KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?))
}

fn write(pki: &Path, name: &str, certificate: &str, key: &KeyPair) -> Result<PathBuf> {
    std::fs::write(pki.join(format!("{name}.key")), key.serialize_pem())?;
    let path = pki.join(format!("{name}.crt"));
    std::fs::write(&path, certificate)?;
    Ok(path)
}
