//! The one place that touches the store: a line in, a line out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Drain};
use ketch_base::Code;
use ketch_env::Disk;
use ketch_env::sim::SimDisk;
use ketch_proto::authpb::{Permission, UserAddOptions};
use ketch_proto::etcdserverpb as pb;

use super::request::{Call, keys};
use crate::gate::{self, Leases};
use crate::{AuthStore, Caller, Tokens};

pub(super) struct Driver {
    backend: Backend,
    _drain: Drain,
    store: AuthStore,
    leases: Attached,
    logins: u64,
}

#[derive(Default)]
struct Attached(BTreeMap<i64, Vec<Bytes>>);

impl Leases for Attached {
    fn keys(&self, lease: i64) -> Vec<Bytes> {
        self.0.get(&lease).cloned().unwrap_or_default()
    }

    fn all_keys(&self) -> Vec<Bytes> {
        self.0.values().flatten().cloned().collect()
    }
}

type Answer = Result<String, Code>;

impl Driver {
    pub(super) fn new() -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        disk.create_dir_all(Path::new("/d")).expect("sim");
        let config = ketch_backend::Config::default();
        let (backend, drain) =
            Backend::open(disk, Path::new("/d/ketch.redb"), config).expect("sim");
        let store = AuthStore::open(&backend.view()).expect("new");
        Self { backend, _drain: drain, store, leases: Attached::default(), logins: 0 }
    }

    pub(super) fn run(&mut self, call: &str) -> String {
        let words: Vec<&str> = call.split_whitespace().collect();
        let mut batch = Batch::new();
        let answer = match words[..] {
            ["user", verb, ref rest @ ..] => self.user(verb, rest, &mut batch),
            ["role", verb, ref rest @ ..] => self.role(verb, rest, &mut batch),
            ["as", who, ref request @ ..] => self.judge(who, request),
            ["apply@", who, ref request @ ..] => self.judge_applied(who, request),
            ["lease", lease, ref keys @ ..] => {
                let keys = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
                self.leases.0.insert(lease.parse().expect("a lease"), keys);
                ok(())
            }
            ref one => self.whole(one, &mut batch),
        };
        self.store.found(&mut batch);
        self.backend.append(batch);
        self.agrees_with_the_database();
        match answer {
            Ok(text) if text.is_empty() => "ok".to_owned(),
            Ok(text) => text,
            Err(code) => code.text().trim_start_matches("etcdserver: ").to_owned(),
        }
    }

    fn whole(&mut self, words: &[&str], batch: &mut Batch) -> Answer {
        match *words {
            ["enable"] => self.store.enable(batch).and_then(ok),
            ["disable"] => ok(self.store.disable(batch)),
            ["status"] => {
                let status = self.store.status();
                let enabled = if status.enabled { "on" } else { "off" };
                Ok(format!("{enabled} {}", status.revision))
            }
            ["restart"] => {
                self.store = AuthStore::open(&self.backend.view()).expect("ours");
                ok(())
            }
            ["login", name] => {
                self.store.password_hash(name)?;
                self.logins += 1;
                let simple_token = "token".to_owned();
                let name = name.to_owned();
                let password = String::new();
                let request = pb::InternalAuthenticateRequest { name, password, simple_token };
                let (token, revision) = self.store.authenticate(&request, self.logins)?;
                assert_eq!(token, format!("token.{}", self.logins));
                let caller = self.store.tokens().look_up(&token, revision, 0);
                assert_eq!(caller, Some(Caller { user: request.name, revision }));
                ok(())
            }
            ["token@", index] => {
                let caller = self.store.tokens().look_up(&format!("token.{index}"), 1, 0);
                Ok(caller.map_or("none".to_owned(), |caller| caller.user))
            }
            _ => panic!("{words:?}"),
        }
    }

    fn user(&self, verb: &str, rest: &[&str], batch: &mut Batch) -> Answer {
        let store = &self.store;
        let hashed_password = || "aGFzaA==".to_owned();
        let own = |text: &str| text.trim_matches('"').to_owned();
        match (verb, rest) {
            ("add", [name, rest @ ..]) => {
                let options = Some(UserAddOptions { no_password: rest == ["nopass"] });
                let request = pb::AuthUserAddRequest {
                    name: own(name),
                    options,
                    hashed_password: hashed_password(),
                    ..Default::default()
                };
                store.user_add(&request, batch).and_then(ok)
            }
            ("del", [name]) => store
                .user_delete(&pb::AuthUserDeleteRequest { name: own(name) }, batch)
                .and_then(ok),
            ("pass", [name]) => {
                let (name, password) = (own(name), String::new());
                let hashed_password = hashed_password();
                let request = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
                store.user_change_password(&request, batch).and_then(ok)
            }
            ("grant", [user, role]) => {
                let request = pb::AuthUserGrantRoleRequest { user: own(user), role: own(role) };
                store.user_grant_role(&request, batch).and_then(ok)
            }
            ("revoke", [name, role]) => {
                let request = pb::AuthUserRevokeRoleRequest { name: own(name), role: own(role) };
                store.user_revoke_role(&request, batch).and_then(ok)
            }
            ("get", [name]) => {
                let answer = store.user_get(&pb::AuthUserGetRequest { name: own(name) })?;
                Ok(format!("{:?}", answer.roles))
            }
            ("list", []) => Ok(format!("{:?}", store.user_list().users)),
            _ => panic!("user {verb} {rest:?}"),
        }
    }

    fn role(&self, verb: &str, rest: &[&str], batch: &mut Batch) -> Answer {
        let store = &self.store;
        let own = |text: &str| text.trim_matches('"').to_owned();
        match (verb, rest) {
            ("add", [name]) => {
                store.role_add(&pb::AuthRoleAddRequest { name: own(name) }, batch).and_then(ok)
            }
            ("del", [name]) => store
                .role_delete(&pb::AuthRoleDeleteRequest { role: own(name) }, batch)
                .and_then(ok),
            ("grant", [name, permission @ ..]) => {
                let request = pb::AuthRoleGrantPermissionRequest {
                    name: own(name),
                    perm: permission_of(permission),
                };
                store.role_grant_permission(&request, batch).and_then(ok)
            }
            ("revoke", [name, range]) => {
                let (key, range_end) = keys(range);
                let role = own(name);
                let request = pb::AuthRoleRevokePermissionRequest { role, key, range_end };
                store.role_revoke_permission(&request, batch).and_then(ok)
            }
            ("get", [name]) => {
                let answer = store.role_get(&pb::AuthRoleGetRequest { role: own(name) })?;
                Ok(answer.perm.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            ("list", []) => Ok(format!("{:?}", store.role_list().roles)),
            _ => panic!("role {verb} {rest:?}"),
        }
    }

    fn judge(&self, who: &str, request: &[&str]) -> Answer {
        let caller = (who != "nobody").then(|| self.caller(who));
        let call = Call::parse(request);
        gate::judge(&self.store, caller.as_ref(), &call.request(), &self.leases).and_then(ok)
    }

    fn judge_applied(&self, who: &str, request: &[&str]) -> Answer {
        let caller = if who == "nobody" { Caller::default() } else { self.caller(who) };
        let call = Call::parse(request);
        gate::judge_applied(&self.store, &caller, &call.request(), &self.leases).and_then(ok)
    }

    fn caller(&self, who: &str) -> Caller {
        let (user, revision) = who.split_once('@').unzip();
        let revision = revision.map_or_else(|| self.store.revision(), |r| r.parse().expect("one"));
        Caller { user: user.unwrap_or(who).to_owned(), revision }
    }

    /// What is kept in step with changes is what a restart makes of the rows.
    fn agrees_with_the_database(&self) {
        let stored = AuthStore::open(&self.backend.view()).expect("ours");
        let (ours, theirs) = (self.store.state(), stored.state());
        assert_eq!((ours.enabled, ours.revision), (theirs.enabled, theirs.revision));
        assert_eq!((&ours.users, &ours.roles), (&theirs.users, &theirs.roles));
    }
}

fn ok<T>(_answer: T) -> Answer {
    Ok(String::new())
}

fn permission_of(words: &[&str]) -> Option<Permission> {
    let [kind, range] = words else { return None };
    let perm_type = match *kind {
        "read" => 0,
        "write" => 1,
        "readwrite" => 2,
        other => other.parse().expect("a number"),
    };
    let (key, range_end) = keys(range);
    Some(Permission { perm_type, key, range_end })
}

fn show(permission: &Permission) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).replace('\0', "*");
    let kind = ["read", "write", "readwrite"][usize::try_from(permission.perm_type).expect("one")];
    let end = text(&permission.range_end);
    let dots = if end.is_empty() { "" } else { ".." };
    format!("{kind}:{}{dots}{end}", text(&permission.key))
}
