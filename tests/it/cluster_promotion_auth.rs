//! Promotion while users are asked who they are: the member that is asked judges, and so does the
//! leader it passes the request on to, by the token that comes along. Told by etcd and by ketch.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::rpc::Rpc;

const FOUND: &[&str] = &[
    "Auth/UserAdd name: \"root\" password: \"secret-r\"",
    "Auth/UserAdd name: \"alice\" password: \"secret-a\"",
    "Auth/RoleAdd name: \"role\"",
    "Auth/UserGrantRole user: \"root\" role: \"root\"",
    "Auth/UserGrantRole user: \"alice\" role: \"role\"",
    "Auth/AuthEnable",
];
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn is_judged_at_both_ends() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let right = told(Program::Etcd).await?;
    let said = told(Program::under_test()).await?;
    ensure!(said == right, "etcd\n{}\nketch\n{}", right.join("\n"), said.join("\n"));
    Ok(())
}

/// A leader that judges by a token it was handed by a member of the other kind.
#[tokio::test]
async fn passes_between_kinds() -> Result<()> {
    for kinds in [[Program::Etcd, Program::under_test()], [Program::under_test(), Program::Etcd]] {
        if !can_run(&kinds) {
            return Ok(());
        }
        let (mut cluster, id) = grown(kinds).await?;
        cluster.seat(2).member.spawn()?;
        let root = log_in(&cluster, "root").await?;
        let by = cluster.client(1).rpc.with_token("token", &root);
        let end = std::time::Instant::now() + LIMIT * 3;
        // etcd calls a token bad whose entry it has not applied yet.
        let young = ["in sync with leader", "not enough", "invalid auth token"];
        while let Err(refusal) = promote(&by, id).await {
            let is_young = young.iter().any(|text| refusal.contains(text));
            ensure!(is_young && std::time::Instant::now() < end, "{kinds:?}: {refusal}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cluster.finish()?;
    }
    Ok(())
}

async fn told(kind: Program) -> Result<Vec<String>> {
    let (cluster, id) = grown([kind; 2]).await?;
    let tokens = [log_in(&cluster, "root").await?, log_in(&cluster, "alice").await?];
    let callers = [
        ("nobody", None),
        ("a stranger", Some("stranger.12")),
        ("alice", Some(tokens[1].as_str())),
        ("root", Some(tokens[0].as_str())),
    ];
    let mut told = Vec::new();
    for (name, token) in callers {
        for at in 0..2 {
            let rpc = &cluster.client(at).rpc;
            let rpc = token.map_or_else(|| rpc.clone(), |token| rpc.with_token("token", token));
            told.push(format!("m{at} asked by {name}: {:?}", promote(&rpc, id).await));
        }
        let port = cluster.seats()[0].peer_port();
        for prefix in ["", "Bearer "] {
            let said = post(port, id, token.map(|token| format!("{prefix}{token}")))?;
            told.push(format!("leader handed {prefix}{name}'s token: {said}"));
        }
    }
    for seat in cluster.seats() {
        let log = seat.member.log();
        ensure!(!tokens.iter().any(|token| log.contains(token)), "a token is in the log");
    }
    cluster.finish()?;
    Ok(told)
}

/// Two members of which the first leads, and a learner that is not started, with its id; users are
/// asked for.
async fn grown(kinds: [Program; 2]) -> Result<(Cluster, u64)> {
    let on = [(); 2].map(|()| SeatPorts::free());
    let mut cluster = Cluster::start_on(&kinds, &["--bcrypt-cost", "4"], &on).await?;
    cluster.move_leader(0).await?;
    cluster.wait_settled().await?;
    cluster.add(0, Program::Ketch, true).await?;
    let members = cluster.client(0).members(true).await?;
    let id = members.iter().find(|member| member.is_learner).context("the learner")?.id;
    let mut story = ketch_tests::story::Story::default();
    for line in FOUND {
        ensure!(story.call(cluster.client(0), "m0", line).await?, "{line} is refused");
    }
    Ok((cluster, id))
}

async fn log_in(cluster: &Cluster, name: &str) -> Result<String> {
    let password = format!("secret-{}", &name[..1]);
    let ask = pb::AuthenticateRequest { name: name.to_owned(), password };
    let answer: pb::AuthenticateResponse =
        cluster.client(0).rpc.call("/etcdserverpb.Auth/Authenticate", &ask).await?;
    Ok(answer.token)
}

async fn promote(rpc: &Rpc, id: u64) -> Result<(), String> {
    let ask = pb::MemberPromoteRequest { id };
    let call = rpc.call::<pb::MemberPromoteResponse>("/etcdserverpb.Cluster/MemberPromote", &ask);
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer.map(drop).map_err(|refusal| refusal.message),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// As another member passes it on; status and body.
fn post(port: u16, id: u64, token: Option<String>) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let token = token.map_or_else(String::new, |token| format!("Authorization: {token}\r\n"));
    let head = format!("POST /members/promote/{id} HTTP/1.1\r\nHost: x\r\n{token}");
    write!(stream, "{head}Connection: close\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok(format!("{status} {}", body.trim_end()))
}
