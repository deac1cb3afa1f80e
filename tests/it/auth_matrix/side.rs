//! One server with users and roles, and the calls made to it by one caller after the other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::rpc::{Answer, Rpc};
use ketch_tls::Identity;
use prost::Message;
use tokio::time::timeout;

use super::asks::{Ask, Way, asks, root_only_asks};
use super::callers::{Caller, Shown, Shows, USERS};
use super::table::Section;
use crate::auth_signing;

/// A call that is not answered at all; the table has none of those.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a certificate is shown: the address, and what has this common name.
pub(super) type Secured<'a> = (&'a str, &'a dyn Fn(&str) -> Result<Arc<Identity>>);

/// One server.
pub(super) struct Side<'a> {
    rpc: Rpc,
    root: Rpc,
    before: Vec<(&'static str, String)>,
    secured: Option<Secured<'a>>,
}

impl<'a> Side<'a> {
    /// Founds users and roles, turns authentication on, deletes `gone` and waits as told.
    pub(super) async fn open(
        endpoint: &str,
        secured: Option<Secured<'a>>,
        wait: Duration,
    ) -> Result<Self> {
        let rpc = Rpc::connect(endpoint).await?;
        let mut side = Self { root: rpc.clone(), before: Vec::new(), rpc, secured };
        side.found().await?;
        side.must("Auth/AuthEnable", &pb::AuthEnableRequest {}).await?;
        for name in ["gone", "both", "root"] {
            side.before.push((name, side.log_in(name).await?));
        }
        side.become_root().await?;
        let delete = pb::AuthUserDeleteRequest { name: "gone".to_owned() };
        side.must("Auth/UserDelete", &delete).await?;
        tokio::time::sleep(wait).await;
        Ok(side)
    }

    /// All answers to all callers.
    pub(super) async fn section(&mut self, name: &str, callers: &[Caller]) -> Result<Section> {
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        for ask in asks().into_iter().chain(root_only_asks()) {
            rows.push((ask.name.trim_end().to_owned(), Vec::new()));
        }
        for (label, shown) in callers {
            self.lay_out().await.with_context(|| format!("before {label}"))?;
            let rpc = self.show(*shown).await.context(*label)?;
            let mut answers = rows.iter_mut().map(|(_, told)| told);
            for ask in asks() {
                let answer = outcome(&rpc, &ask).await;
                answers.next().context("a row for each ask")?.push(answer);
            }
            for ask in root_only_asks() {
                let answer = match label.starts_with("root") {
                    true => "(not asked)".to_owned(),
                    false => outcome(&rpc, &ask).await,
                };
                answers.next().context("a row for each ask")?.push(answer);
            }
        }
        let callers = callers.iter().map(|(label, _)| (*label).to_owned()).collect();
        Ok(Section { name: name.to_owned(), callers, rows })
    }

    async fn show(&self, shown: Shown) -> Result<Rpc> {
        Ok(match shown {
            Shown::Nothing => self.rpc.clone(),
            Shown::Text(token) => self.rpc.with_token("token", token),
            Shown::LogIn(user, field) => self.rpc.with_token(field, &self.log_in(user).await?),
            Shown::Bearer(user) => {
                let token = format!("Bearer {}", self.log_in(user).await?);
                self.rpc.with_token("authorization", &token)
            }
            Shown::Before(user) => {
                let found = self.before.iter().find(|(name, _)| *name == user);
                self.rpc.with_token("token", &found.context("it logged in")?.1)
            }
            Shown::Claims(claims, key) => {
                let status: pb::AuthStatusResponse = self
                    .rpc
                    .call("/etcdserverpb.Auth/AuthStatus", &pb::AuthStatusRequest {})
                    .await?;
                let this = status.auth_revision;
                let claims = claims
                    .replace("THIS", &this.to_string())
                    .replace("OLD", &(this - 1).to_string())
                    .replace("AHEAD", &(this + 100).to_string())
                    .replace("PAST", &auth_signing::at(-60).to_string())
                    .replace("LATER", &auth_signing::at(3600).to_string());
                self.rpc.with_token("token", &auth_signing::hs256(&claims, key)?)
            }
            Shown::Certificate(name, field) => {
                let (address, identity) = self.secured.context("a secured port")?;
                let rpc = Rpc::secured(address, identity(name)?).await?;
                match field {
                    None => rpc,
                    Some((field, Shows::Text(text))) => rpc.with_token(field, text),
                    Some((field, Shows::TokenOf(user))) => {
                        rpc.with_token(field, &self.log_in(user).await?)
                    }
                }
            }
        })
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
        for (user, role) in [("certified", "both-role"), ("root", "root")] {
            let (user, role) = (user.to_owned(), role.to_owned());
            let grant = pb::AuthUserGrantRoleRequest { user, role };
            self.must("Auth/UserGrantRole", &grant).await?;
        }
        Ok(())
    }

    /// A token dies or grows old by what the callers do.
    async fn become_root(&mut self) -> Result<()> {
        let token = self.log_in("root").await?;
        self.root = self.rpc.with_token("token", &token);
        Ok(())
    }

    /// The keys and leases that the asks are about, whatever was done to them.
    async fn lay_out(&mut self) -> Result<()> {
        self.become_root().await?;
        for (lease, key) in [(1, "a"), (2, "z"), (3, ""), (4, "p/4")] {
            let revoke = pb::LeaseRevokeRequest { id: lease };
            let _ = call(&self.root, "Lease/LeaseRevoke", &revoke).await;
            let grant = pb::LeaseGrantRequest { id: lease, ttl: 3600 };
            self.must("Lease/LeaseGrant", &grant).await?;
            if !key.is_empty() {
                let put = pb::PutRequest { key: key.into(), lease, ..Default::default() };
                self.must("KV/Put", &put).await?;
            }
        }
        for key in ["b", "a/1", "p/1"] {
            let put = pb::PutRequest { key: key.into(), value: "v".into(), ..Default::default() };
            self.must("KV/Put", &put).await?;
        }
        Ok(())
    }

    async fn log_in(&self, name: &str) -> Result<String> {
        let (name, password) = (name.to_owned(), format!("{name}-password"));
        let login = pb::AuthenticateRequest { name, password };
        let answer = call(&self.rpc, "Auth/Authenticate", &login).await?;
        Ok(pb::AuthenticateResponse::decode(answer)?.token)
    }

    async fn must(&self, method: &str, ask: &impl Message) -> Result<()> {
        call(&self.root, method, ask).await.context(method.to_owned())?;
        Ok(())
    }
}

async fn call(rpc: &Rpc, method: &str, ask: &impl Message) -> Answer<Bytes> {
    rpc.call_bytes(&format!("/etcdserverpb.{method}"), ask.encode_to_vec().into()).await
}

/// What a client can tell apart, as text.
async fn outcome(rpc: &Rpc, ask: &Ask) -> String {
    let (method, bytes) = (ask.method.as_str(), ask.bytes.clone());
    let outcome = timeout(PATIENCE, async {
        match ask.way {
            Way::Unary => rpc.call_bytes(method, bytes).await.map(|_| ""),
            Way::Stream => rpc.collect_bytes(method, bytes).await.map(|_: Vec<()>| ""),
            Way::First => match rpc.first_bytes(method, bytes).await {
                Ok(None) => return "ended".to_owned(),
                answer => answer.map(|_| ""),
            },
            Way::Duplex => return first(rpc, ask).await,
        }
        .map_or_else(|refusal| refusal.to_string(), |_| "OK".to_owned())
    });
    outcome.await.unwrap_or_else(|_| "no answer".to_owned())
}

/// The first answer of a stream, or how it ended.
async fn first(rpc: &Rpc, ask: &Ask) -> String {
    let requests = std::iter::once(ask.bytes.clone()).chain(ask.then.clone());
    let mut stream = match rpc.duplex_all(&ask.method, requests).await {
        Ok(stream) => stream,
        Err(refusal) => return refusal.to_string(),
    };
    match stream.next_bytes().await {
        Err(refusal) => refusal.to_string(),
        Ok(None) => "ended".to_owned(),
        Ok(Some(bytes)) if ask.method.ends_with("/Watch") => {
            let answer = pb::WatchResponse::decode(bytes).unwrap_or_default();
            let pb::WatchResponse { watch_id, created, canceled, cancel_reason, .. } = answer;
            match (created, canceled) {
                (true, false) => "OK".to_owned(),
                (false, false) => format!("OK, progress of {watch_id}"),
                _ => format!("canceled {watch_id} {cancel_reason:?}"),
            }
        }
        Ok(Some(bytes)) => {
            let ttl = pb::LeaseKeepAliveResponse::decode(bytes).unwrap_or_default().ttl;
            if ttl > 0 { "OK".to_owned() } else { "OK, gone".to_owned() }
        }
    }
}
