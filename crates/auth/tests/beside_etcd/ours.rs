//! Our store, which answers a case as `tests/peers/permissions` does.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_auth::gate::{self, NoLeases, Request};
use ketch_auth::{AuthStore, Caller};
use ketch_backend::{Backend, Batch, Bucket, Config, Drain};
use ketch_env::Disk;
use ketch_env::sim::SimDisk;
use ketch_proto::authpb::{Permission, Role, User, permission::Type};
use ketch_proto::etcdserverpb as pb;
use prost::Message;

const USER: &str = "ann";
const KINDS: [(&str, Type); 3] = [("r", Type::Read), ("w", Type::Write), ("b", Type::Readwrite)];

/// One database for all cases: each has a user with roles of the same names.
pub(crate) struct Store {
    backend: Backend,
    _drain: Drain,
    store: AuthStore,
}

impl Store {
    pub(crate) fn new() -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        disk.create_dir_all(Path::new("/d")).expect("simulated");
        let path = Path::new("/d/ketch.redb");
        let (backend, drain) = Backend::open(disk, path, Config::default()).expect("simulated");
        let mut batch = Batch::new();
        batch.put(Bucket::Auth, Bytes::from("authEnabled"), Bytes::from_static(&[1]));
        backend.append(batch);
        let store = AuthStore::open(&backend.view()).expect("it is on and has nobody");
        Self { backend, _drain: drain, store }
    }

    pub(crate) fn answer(&self, case: &str) -> String {
        let (how, rest) = case.split_once(' ').expect("it says how");
        let (given, asked) = rest.split_once('?').expect("given and asked");
        let given: Vec<Vec<Permission>> = given.split('/').map(parse_all).collect();
        let names: Vec<String> = (0..given.len()).map(|number| format!("role{number}")).collect();
        match how {
            "stored" => self.put(&names, given),
            "granted" => {
                self.put(&names, vec![Vec::new(); names.len()]);
                self.grant(&names, given);
            }
            _ => panic!("{how}"),
        }
        let roles: Vec<String> = names.iter().map(|name| self.role(name)).collect();
        let verdicts: String = parse_all(asked)
            .into_iter()
            .map(|ask| if self.allows(ask) { '1' } else { '0' })
            .collect();
        format!("{} ? {verdicts}", roles.join(" / "))
    }

    fn put(&self, names: &[String], roles: Vec<Vec<Permission>>) {
        let mut batch = Batch::new();
        let own = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        for (name, key_permission) in names.iter().zip(roles) {
            let role = Role { name: own(name), key_permission };
            batch.put(Bucket::AuthRoles, own(name), role.encode_to_vec().into());
        }
        let user = User { name: own(USER), roles: names.to_vec(), ..User::default() };
        batch.put(Bucket::AuthUsers, own(USER), user.encode_to_vec().into());
        self.backend.append(batch);
        self.store.reload(&self.backend.view()).expect("what was written");
    }

    fn grant(&self, names: &[String], roles: Vec<Vec<Permission>>) {
        let mut batch = Batch::new();
        for (name, permissions) in names.iter().zip(roles) {
            for permission in permissions {
                let perm = Some(permission);
                let request = pb::AuthRoleGrantPermissionRequest { name: name.clone(), perm };
                self.store.role_grant_permission(&request, &mut batch).expect("etcd takes it");
            }
        }
        self.backend.append(batch);
    }

    fn role(&self, name: &str) -> String {
        let request = pb::AuthRoleGetRequest { role: name.to_owned() };
        let permissions = self.store.role_get(&request).expect("it is there").perm;
        permissions.iter().map(format).collect::<Vec<_>>().join(" ")
    }

    fn allows(&self, ask: Permission) -> bool {
        let caller = Caller { user: USER.to_owned(), revision: self.store.revision() };
        let judge = |request: &Request<'_>| {
            gate::judge(&self.store, Some(&caller), request, &NoLeases).is_ok()
        };
        let Permission { perm_type, key, range_end } = ask;
        if perm_type == Type::Write as i32 {
            let delete = pb::DeleteRangeRequest { key, range_end, ..Default::default() };
            judge(&Request::DeleteRange(&delete))
        } else {
            let range = pb::RangeRequest { key, range_end, ..Default::default() };
            judge(&Request::Range(&range))
        }
    }
}

fn parse_all(text: &str) -> Vec<Permission> {
    text.split_whitespace().map(parse).collect()
}

fn parse(text: &str) -> Permission {
    let parts: Vec<&str> = text.split(':').collect();
    let [kind, key, end] = parts[..] else { panic!("{text} is no permission") };
    let bytes = |text: &str| Bytes::from(text.replace('*', "\0"));
    let (_, kind) = KINDS.iter().find(|(letter, _)| *letter == kind).expect("a kind");
    Permission { perm_type: *kind as i32, key: bytes(key), range_end: bytes(end) }
}

fn format(permission: &Permission) -> String {
    let known = KINDS.iter().find(|(_, kind)| *kind as i32 == permission.perm_type);
    let (letter, _) = known.expect("it was read from one");
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).replace('\0', "*");
    format!("{letter}:{}:{}", text(&permission.key), text(&permission.range_end))
}
