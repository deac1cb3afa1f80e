//! Bad input on the peer port: what a real etcd answers to it, ketch answers, and goes on serving
//! in bounded memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::seed::{self, Rng};
use ketch_tests::story::Story;

const LIMIT: Duration = Duration::from_secs(8);
/// What is left behind by connections that are gone.
const GARBAGE_KIB_MAX: u64 = 48 * 1024;
/// A follower of the cluster, a removed member, and one nobody knows; `C` stands for the cluster.
const USUAL: &str = "X-Server-From: $id1|X-Server-Version: 3.7.1|X-Min-Cluster-Version: 3.0.0|\
    X-Etcd-Cluster-ID: $cluster|X-Raft-To: $id0";

/// Method and path, headers apart from the usual ones (`-Name` leaves one out), body.
const CASES: &[(&str, &str, &[u8])] = &[
    ("GET /raft", "", b""),
    ("PUT /raft", "", b""),
    ("POST /raft", "", b""),
    ("POST /raft", "", b"garbage"),
    ("POST /raft", "", &[0xFF; 100]),
    ("POST /raft", "X-Etcd-Cluster-ID: 1", b""),
    ("POST /raft", "X-Etcd-Cluster-ID: nonsense", b""),
    ("POST /raft", "-X-Etcd-Cluster-ID", b""),
    ("POST /raft", "X-Server-Version: 2.3.0|X-Min-Cluster-Version: 2.3.0", b""),
    ("POST /raft", "X-Server-Version: 9.0.0|X-Min-Cluster-Version: 9.0.0", b""),
    ("POST /raft", "-X-Server-Version|-X-Min-Cluster-Version", b""),
    ("POST /raft", "X-Server-From: $gone", b""),
    // A heartbeat of the removed member, of a stranger, and one to somebody else.
    ("POST /raft", "X-Server-From: $gone", &[8, 8, 24, 0x2A]),
    ("POST /raft", "", &[8, 8, 16, 0x2A, 24, 0x2B]),
    ("GET /raft/stream/message/$id1", "X-Raft-To: 5", b""),
    ("GET /raft/stream/message/$id1", "-X-Raft-To", b""),
    ("GET /raft/stream/message/$id1", "X-Etcd-Cluster-ID: 1", b""),
    ("GET /raft/stream/message/$id1", "X-Server-Version: 2.3.0|X-Min-Cluster-Version: 2.3.0", b""),
    ("GET /raft/stream/message/$id1", "X-Min-Cluster-Version: 9.0.0|X-Server-Version: 9.9.9", b""),
    ("GET /raft/stream/message/$gone", "X-Server-From: $gone", b""),
    ("GET /raft/stream/msgapp/$gone", "X-Server-From: $gone", b""),
    ("GET /raft/stream/message/4711", "X-Server-From: 4711", b""),
    ("GET /raft/stream/message/zzz", "", b""),
    ("GET /raft/stream/nosuch/$id1", "", b""),
    ("GET /raft/stream/", "", b""),
    ("POST /raft/stream/message/$id1", "", b""),
    ("GET /raft/snapshot", "", b""),
    ("POST /raft/snapshot", "", b""),
    ("POST /raft/snapshot", "", b"garbage"),
    // Longer than an envelope may be, and one of the wrong kind.
    ("POST /raft/snapshot", "", &[0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3]),
    ("POST /raft/snapshot", "", &[0xFF; 16]),
    ("POST /raft/snapshot", "", &[0, 0, 0, 0, 0, 0, 0, 2, 8, 8]),
    ("POST /raft/snapshot", "X-Etcd-Cluster-ID: 1", b""),
    ("GET /members", "", b""),
    ("POST /members", "", b""),
    ("GET /members/", "", b""),
    ("GET /members/promote/5", "", b""),
    ("POST /members/promote/5", "", b""),
    ("POST /members/promote/abc", "", b""),
    ("POST /members/promote/", "", b""),
    ("POST /members/hashkv", "", b""),
    ("GET /members/hashkv", "", b"nojson"),
    ("GET /members/hashkv", "", b"{\"revision\":100}"),
    ("GET /members/hashkv", "", b"{\"revision\":3}"),
    ("GET /members/hashkv", "X-Etcd-Cluster-ID: 1", b"{}"),
    ("GET /members/hashkv", "-X-Etcd-Cluster-ID", b"{}"),
    ("GET /leases", "", b""),
    ("POST /leases", "", &[8, 77]),
    ("POST /leases", "", &[0xFF; 9]),
    ("POST /leases", "", &[8; 70_000]),
    ("GET /leases/internal", "", b""),
    ("POST /leases/internal", "", &[10, 2, 8, 77]),
    ("POST /leases/internal", "", &[0xFF; 9]),
    ("GET /downgrade/enabled", "", b""),
    ("POST /downgrade/enabled", "", b""),
    ("GET /version", "", b""),
    ("POST /version", "", b""),
    ("GET /", "", b""),
    ("GET /nosuch", "", b""),
    ("GET /raft/nosuch", "", b""),
    ("GET /health", "", b""),
];

#[tokio::test]
async fn answers_are_etcds() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let ports = [(); 3].map(|()| SeatPorts::free());
    let right = answers(Program::Etcd, &ports).await?;
    answers(Program::under_test(), &ports).await?.same(&right)
}

async fn answers(kind: Program, ports: &[SeatPorts]) -> Result<Story> {
    let mut cluster = Cluster::start_on(&[kind; 3], &[], ports).await?;
    let mut story = Story::default();
    cluster.move_leader(0).await?;
    cluster.client(0).put("k", "1").await?;
    cluster.client(0).put("k", "2").await?;
    cluster.wait_settled().await?;
    for at in 0..2 {
        story.name(cluster.id(at).await?, &format!("id{at}"));
    }
    let header = cluster.status(0).await?.header.context("a status without header")?;
    story.name(header.cluster_id, "cluster");
    let gone = cluster.id(2).await?;
    story.name(gone, "gone");
    cluster.remove(0, 2).await?;
    cluster.kill(2);
    for (line, headers, body) in CASES {
        let said = ask(cluster.seats()[0].peer_port(), &story, line, headers, body)?;
        story.note(&format!("{line} [{headers}] {:?}", &body[..body.len().min(16)]), &said);
    }
    // Still a cluster.
    cluster.client(1).put("k", "3").await?;
    cluster.equal_hashes().await?;
    cluster.finish()?;
    Ok(story)
}

/// One request, its answer as one line: status, the headers that are contract, the body.
fn ask(port: u16, story: &Story, line: &str, headers: &str, body: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let replace = |text: &str| {
        ["id0", "id1", "gone", "cluster"].iter().fold(text.to_owned(), |text, name| {
            let id = story.id(name).unwrap_or_default();
            text.replace(&format!("${name}"), &format!("{id:x}"))
        })
    };
    let mut head = format!("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", replace(line));
    for header in chosen(headers) {
        head.push_str(&format!("{}\r\n", replace(&header)));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    // etcd hangs up five seconds after its answer; what came in time is the answer.
    while !is_whole(&answer) {
        match stream.read(&mut chunk) {
            Ok(length @ 1..) => answer.extend_from_slice(&chunk[..length]),
            _ => break,
        }
    }
    Ok(show(&String::from_utf8_lossy(&answer)))
}

/// True when the body has the length its head tells, or its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        // The chunk of the one text that is sent so, without the end that never comes.
        None => body.ends_with("\r\n") || head.contains(" 204 "),
    }
}

/// The usual headers, with some replaced and some left out.
fn chosen(changes: &str) -> Vec<String> {
    let changes: Vec<&str> = changes.split('|').filter(|change| !change.is_empty()).collect();
    let name = |header: &str| header.split(':').next().unwrap_or_default().to_owned();
    let kept = USUAL.split('|').filter(|usual| {
        let usual = name(usual);
        !changes.iter().any(|change| name(change) == usual || *change == format!("-{usual}"))
    });
    let added = changes.iter().copied().filter(|change| !change.starts_with('-'));
    kept.chain(added).map(str::to_owned).collect()
}

fn show(answer: &str) -> String {
    const CONTRACT: [&str; 5] = [
        "content-type",
        "allow",
        "x-etcd-cluster-id",
        "x-server-version",
        "x-content-type-options",
    ];
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut lines = head.lines();
    // The code, not the words for it: those of 413 have changed over the years.
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut headers: Vec<String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| CONTRACT.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort_unstable();
    // Whether a body comes in chunks is the HTTP library's business.
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { body.split("\r\n").nth(1).unwrap_or_default() } else { body };
    format!("{status} {headers:?} {body:?}")
}

/// Connections full of noise, half of a request, a body that never ends.
#[tokio::test]
async fn garbage_is_hung_up_on() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut rng = Rng::new(seed::from_env("peer_port::garbage_is_hung_up_on"));
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    cluster.client(0).put("k", "before").await?;
    let port = cluster.seats()[0].peer_port();
    let before = cluster.seats()[0].member.resident_kib()?;
    let mut half_open = Vec::new();
    for round in 0..300 {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        stream.set_read_timeout(Some(Duration::from_millis(10)))?;
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        let _ = stream.write_all(&garbage(&mut rng, round));
        let _ = stream.read(&mut [0; 512]);
        if round % 3 == 0 {
            half_open.push(stream);
        }
    }
    cluster.client(1).put("k", "after").await?;
    cluster.wait_leader().await?;
    let grown = cluster.seats()[0].member.resident_kib()?.saturating_sub(before);
    ensure!(grown < GARBAGE_KIB_MAX, "{grown} KiB more after garbage");
    cluster.equal_hashes().await?;
    drop(half_open);
    cluster.finish()
}

fn garbage(rng: &mut Rng, round: usize) -> Vec<u8> {
    let noise: Vec<u8> = (0..rng.below(4096)).map(|_| rng.draw() as u8).collect();
    let head: &[u8] = match round % 6 {
        0 => b"",
        1 => b"POST /raft HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n",
        2 => b"POST /raft/snapshot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n",
        3 => b"GET /raft/stream/message/1 HTTP/1.1\r\nHost: x\r\nX-Server-From: ",
        4 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        _ => &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
    };
    [head, &noise].concat()
}
