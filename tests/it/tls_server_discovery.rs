//! A member found through another cluster that asks for certificates, and for a user.

use anyhow::{Result, ensure};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse};
use ketch_tests::process::{Member, Options, Place, Program, Start};
use ketch_tests::rpc::Rpc;
use ketch_tests::{peers, ports};
use ketch_tls::authority::{Authority, Subject};
use tempfile::TempDir;

use crate::tls_server::Secured;
use crate::tls_server_names::{enable, login};

const SIZE: &str = "/_etcd/registry/TOKEN/_config/size";

#[tokio::test]
async fn a_service_with_certificates_and_users() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-tls-")?;
    let (at, authority) = (folder.path(), Authority::new("ours"));
    std::fs::write(at.join("ca.crt"), authority.pem())?;
    authority.issue(&Subject::new("server", &["127.0.0.1"])).write(at, "server");
    // No user: the flags say who it is.
    authority.issue(&Subject::new("member", &[]).serial(2)).write(at, "member");
    let program = match peers::find("etcd") {
        Some(_) => Program::Etcd,
        None => Program::Ketch,
    };
    let demand = ["--client-cert-auth", "--trusted-ca-file", "ca.crt", "--bcrypt-cost", "4"];
    let service = Secured::start(program, at, &demand)?;
    let rpc = Rpc::connect(&service.member.endpoint()).await?;
    enable(&rpc).await?;
    let token = login(&rpc).await?;
    let size = PutRequest { key: SIZE.into(), value: "1".into(), ..PutRequest::default() };
    let put = rpc.with_token("token", &token);
    put.call::<PutResponse>("/etcdserverpb.KV/Put", &size).await?;

    let file = |name: &str| at.join(name).display().to_string();
    let endpoint = format!("https://{}", service.address());
    let words = [
        "--discovery-token",
        "TOKEN",
        "--discovery-endpoints",
        &endpoint,
        "--discovery-cacert",
        &file("ca.crt"),
        "--discovery-cert",
        &file("member.crt"),
        "--discovery-key",
        &file("member.key"),
        "--discovery-insecure-transport=false",
    ];
    let user = ["--discovery-user", "root", "--discovery-password", "pw"];
    let as_user = member(&[&words[..], &user].concat())?.try_start()?;
    ensure!(matches!(as_user, Start::Serving), "{as_user:?}");
    let as_nobody = member(&[&words[..], &["--discovery-request-timeout", "1s"]].concat())?;
    let refused = refusal(as_nobody)?;
    ensure!(
        refused.contains("user name is empty") || refused.contains("permission denied"),
        "{refused}"
    );
    Ok(())
}

fn member(words: &[&str]) -> Result<Member> {
    let place = Place {
        name: "s1".to_owned(),
        client_port: ports::free_port(),
        peer_port: ports::free_port(),
        peer_url: "http://127.0.0.1:23800".to_owned(),
        bootstrap: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    Member::prepare(Program::Ketch, Options { place: Some(place), ..Options::default() })
}

/// Why it ended, or what it says while it asks again and again.
fn refusal(mut member: Member) -> Result<String> {
    member.spawn()?;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < end {
        let log = member.log();
        if log.contains("error") || member.ended()?.is_some() {
            return Ok(log);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(member.log())
}
