//! Who may do what: every call, nested and not, by every kind of caller, on the real etcd and on
//! ketch. No answer may differ.

mod asks;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use asks::{Ask, Way, asks, root_only_asks};
use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions, permission};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::{Answer, Rpc};
use prost::Message;
use tokio::time::timeout;

/// Name, and the ranges granted: kind, key, end.
type User = (&'static str, &'static [(permission::Type, &'static str, &'static str)]);

const USERS: [User; 9] = [
    ("nobody", &[]),
    ("reader", &[(permission::Type::Read, "a", "")]),
    ("writer", &[(permission::Type::Write, "a", "")]),
    ("both", &[(permission::Type::Readwrite, "a", "")]),
    ("range", &[(permission::Type::Readwrite, "a", "c")]),
    ("prefix", &[(permission::Type::Readwrite, "p/", "p0")]),
    ("from", &[(permission::Type::Readwrite, "b", "\0")]),
    ("pieces", &[(permission::Type::Read, "a", "b"), (permission::Type::Read, "b", "c")]),
    ("gone", &[(permission::Type::Readwrite, "a", "")]),
];
const PATIENCE: Duration = Duration::from_secs(15);

/// One server, and what its callers show.
struct Side {
    rpc: Rpc,
    callers: Vec<(String, Rpc)>,
    root: Rpc,
}

#[tokio::test]
async fn no_answer_differs() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let members = [
        Member::start(Program::Etcd, flags(&["--unsafe-no-fsync"]))?,
        Member::start(Program::under_test(), flags(&[]))?,
    ];
    let mut oracle = Side::open(&members[0].endpoint()).await?;
    let mut tested = Side::open(&members[1].endpoint()).await?;
    let mut differences = Vec::new();
    let mut count = 0;
    for at in 0..oracle.callers.len() {
        let name = oracle.callers[at].0.clone();
        let mut all = asks();
        if name != "root" {
            all.extend(root_only_asks());
        }
        for ask in all {
            let (left, right) = tokio::join!(oracle.ask(at, &ask), tested.ask(at, &ask));
            count += 1;
            if left != right {
                differences.push(format!("{name}: {}\n etcd {left}\n here {right}", ask.name));
            }
        }
        tokio::try_join!(oracle.lay_out(), tested.lay_out())?;
    }
    println!("{count} answers compared");
    ensure!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

fn flags(more: &[&str]) -> Options {
    Options::with_flags(&[&["--bcrypt-cost", "4"], more].concat())
}

impl Side {
    async fn open(endpoint: &str) -> Result<Self> {
        let rpc = Rpc::connect(endpoint).await?;
        let mut side = Self { root: rpc.clone(), callers: Vec::new(), rpc };
        side.found().await?;
        side.lay_out().await?;
        side.must("Auth/AuthEnable", &pb::AuthEnableRequest {}).await?;
        let root = side.log_in("root").await?;
        side.root = side.rpc.with_token("token", &root);
        side.callers.push(("no token".to_owned(), side.rpc.clone()));
        for bad in ["bad", "bad.1", ".", "", "Bearer x"] {
            side.callers.push((format!("token {bad:?}"), side.rpc.with_token("token", bad)));
        }
        for (name, _) in USERS {
            let token = side.log_in(name).await?;
            side.callers.push((name.to_owned(), side.rpc.with_token("token", &token)));
            if name == "both" {
                let field = side.rpc.with_token("authorization", &token);
                side.callers.push(("both by authorization".to_owned(), field));
            }
        }
        side.callers.push(("root".to_owned(), side.root.clone()));
        let delete = pb::AuthUserDeleteRequest { name: "gone".to_owned() };
        side.must("Auth/UserDelete", &delete).await?;
        Ok(side)
    }

    async fn found(&self) -> Result<()> {
        for name in USERS.iter().map(|(name, _)| *name).chain(["root"]) {
            let (name, password) = (name.to_owned(), format!("{name}-password"));
            let user = pb::AuthUserAddRequest { name, password, ..Default::default() };
            self.must("Auth/UserAdd", &user).await?;
        }
        let options = Some(UserAddOptions { no_password: true });
        let name = "certified".to_owned();
        let user = pb::AuthUserAddRequest { name, options, ..Default::default() };
        self.must("Auth/UserAdd", &user).await?;
        for (name, granted) in USERS {
            let (user, role) = (name.to_owned(), format!("{name}-role"));
            self.must("Auth/RoleAdd", &pb::AuthRoleAddRequest { name: role.clone() }).await?;
            for (kind, key, end) in granted {
                let perm = Permission {
                    perm_type: *kind as i32,
                    key: Bytes::from_static(key.as_bytes()),
                    range_end: Bytes::from_static(end.as_bytes()),
                };
                let grant =
                    pb::AuthRoleGrantPermissionRequest { name: role.clone(), perm: Some(perm) };
                self.must("Auth/RoleGrantPermission", &grant).await?;
            }
            let grant = pb::AuthUserGrantRoleRequest { user, role };
            self.must("Auth/UserGrantRole", &grant).await?;
        }
        let root = || "root".to_owned();
        let grant = pb::AuthUserGrantRoleRequest { user: root(), role: root() };
        self.must("Auth/UserGrantRole", &grant).await
    }

    /// The keys and leases that the asks are about, whatever was done to them.
    async fn lay_out(&self) -> Result<()> {
        for (lease, key) in [(1, "a"), (2, "z"), (3, ""), (4, "p/4")] {
            let revoke = pb::LeaseRevokeRequest { id: lease };
            let _ = self.call(&self.root, "Lease/LeaseRevoke", &revoke).await;
            let grant = pb::LeaseGrantRequest { id: lease, ttl: 3600 };
            self.must("Lease/LeaseGrant", &grant).await?;
            if !key.is_empty() {
                let put = pb::PutRequest { key: key.into(), lease, ..Default::default() };
                self.must("KV/Put", &put).await?;
            }
        }
        for key in ["b", "p/1"] {
            let put = pb::PutRequest { key: key.into(), value: "v".into(), ..Default::default() };
            self.must("KV/Put", &put).await?;
        }
        Ok(())
    }

    async fn log_in(&self, name: &str) -> Result<String> {
        let (name, password) = (name.to_owned(), format!("{name}-password"));
        let login = pb::AuthenticateRequest { name, password };
        let answer = self.call(&self.rpc, "Auth/Authenticate", &login).await?;
        Ok(pb::AuthenticateResponse::decode(answer)?.token)
    }

    async fn must(&self, method: &str, ask: &impl Message) -> Result<()> {
        self.call(&self.root, method, ask).await.context(method.to_owned())?;
        Ok(())
    }

    async fn call(&self, rpc: &Rpc, method: &str, ask: &impl Message) -> Answer<Bytes> {
        rpc.call_bytes(&format!("/etcdserverpb.{method}"), ask.encode_to_vec().into()).await
    }

    /// The outcome as text: what a client can tell apart.
    async fn ask(&mut self, at: usize, ask: &Ask) -> String {
        let rpc = &self.callers[at].1;
        let outcome = timeout(PATIENCE, async {
            match ask.way {
                Way::Unary => rpc.call_bytes(&ask.method, ask.bytes.clone()).await.map(|_| ""),
                Way::Stream => {
                    let all: Answer<Vec<()>> =
                        rpc.collect_bytes(&ask.method, ask.bytes.clone()).await;
                    all.map(|_| "")
                }
                Way::Duplex => return first(rpc, ask).await,
            }
            .map_or_else(|refusal| refusal.to_string(), |_| "OK".to_owned())
        });
        outcome.await.unwrap_or_else(|_| "no answer".to_owned())
    }
}

/// The first answer of a stream, or how it ended.
async fn first(rpc: &Rpc, ask: &Ask) -> String {
    let mut stream = match rpc.duplex_bytes(&ask.method, ask.bytes.clone()).await {
        Ok(stream) => stream,
        Err(refusal) => return refusal.to_string(),
    };
    match stream.next_bytes().await {
        Err(refusal) => refusal.to_string(),
        Ok(None) => "ended".to_owned(),
        Ok(Some(bytes)) if ask.method.ends_with("/Watch") => {
            let answer = pb::WatchResponse::decode(bytes).unwrap_or_default();
            let pb::WatchResponse { watch_id, created, canceled, cancel_reason, .. } = answer;
            format!("watch {watch_id} created {created} canceled {canceled} {cancel_reason:?}")
        }
        Ok(Some(bytes)) => {
            let ttl = pb::LeaseKeepAliveResponse::decode(bytes).unwrap_or_default().ttl;
            format!("OK, {}", if ttl > 0 { "alive" } else { "gone" })
        }
    }
}
