//! The one place that touches the machine: a line in, a line out.

use std::path::Path;
use std::sync::Arc;

use ketch_backend::{Backend, Batch, Bucket, Drain};
use ketch_base::{LeaseId, MemberId, RevisionKey};
use ketch_env::Disk;
use ketch_env::sim::SimDisk;
use ketch_proto::authpb::Permission;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};
use ketch_proto::mvccpb::KeyValue;
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType, Entry, EntryType};
use prost::Message;

use super::ops;
use crate::{Answer, Applied, Config, Machine, Member, Membership};

const PATH: &str = "/d/ketch.redb";

pub(super) struct Driver {
    disk: Arc<dyn Disk>,
    config: Config,
    opened: Option<(Machine, Drain)>,
    index: u64,
    /// What was applied so far; a leader begins with the same.
    log: Vec<Entry>,
    leader: Option<Box<Self>>,
}

impl Driver {
    pub(super) fn new(local: MemberId, quota_bytes: i64) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        disk.create_dir_all(Path::new("/d")).expect("sim");
        let config = Config { local, quota_bytes, ..Config::default() };
        let log = Vec::new();
        let mut driver = Self { disk, config, opened: None, index: 0, log, leader: None };
        driver.open();
        driver
    }

    pub(super) fn machine(&mut self) -> &mut Machine {
        &mut self.opened.as_mut().expect("open").0
    }

    pub(super) fn run(&mut self, line: &str) -> String {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "restart" => self.restart(),
            "leader" => self.leader().run(rest),
            "snapshot" => self.snapshot(),
            "add" | "learner" | "promote" | "update" | "remove" => self.configure(name, rest),
            "lead" => {
                self.machine().lessor().promote(0, 0);
                "ok".into()
            }
            "members" => show_members(&self.machine().shared().membership()),
            "lease" => self.lease(rest.parse().expect("a lease number")),
            "read" => match crate::read::txn(&self.machine().reader(), &ops::txn(rest)) {
                Ok(answer) => txn(&answer),
                Err(error) => error.to_string(),
            },
            "by" => {
                let (caller, line) = rest.split_once(' ').expect("a request");
                let (user, revision) = caller.split_once('@').expect("a revision");
                let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
                let header = pb::RequestHeader {
                    username: user.into(),
                    auth_revision: revision.parse().expect("a number"),
                    ..Default::default()
                };
                let request = ops::request(name, rest);
                self.propose(InternalRaftRequest { header: Some(header), ..request })
            }
            _ => self.propose(ops::request(name, rest)),
        }
    }

    pub(super) fn propose(&mut self, request: InternalRaftRequest) -> String {
        let applied = self.entry(EntryType::EntryNormal, request.encode_to_vec());
        show(&applied)
    }

    pub(super) fn entry(&mut self, kind: EntryType, data: Vec<u8>) -> Applied {
        self.index += 1;
        let entry = Entry {
            term: Some(2),
            index: Some(self.index),
            r#type: Some(kind as i32),
            data: Some(data.into()),
        };
        self.log.push(entry.clone());
        self.machine().apply(&entry).expect("the machine goes on")
    }

    /// Another member, which applied the same and goes on without us.
    fn leader(&mut self) -> &mut Self {
        let Self { log, config, .. } = self;
        self.leader.get_or_insert_with(|| {
            let mut leader = Self::new(MemberId(99), config.quota_bytes);
            for entry in log {
                leader.machine().apply(entry).expect("the machine goes on");
                leader.index = entry.index();
            }
            Box::new(leader)
        })
    }

    /// The leader's state takes the place of ours, under the handles that others have.
    fn snapshot(&mut self) -> String {
        let mut leader = self.leader.take().expect("somebody went on");
        let (machine, drain) = self.opened.as_mut().expect("open");
        let (reader, lessor, shared) = (machine.reader(), machine.lessor(), machine.shared());
        let path = Path::new("/d/prepared.redb");
        copy(&machine_backend(leader.machine()), &self.disk, path);
        drain.install(path).expect("sim");
        machine.reload().expect("sim");
        self.index = leader.index;
        let theirs = leader.machine();
        assert_eq!(machine.applied(), theirs.applied());
        assert_eq!(machine.conf_state(), theirs.conf_state());
        assert_eq!(shared.membership(), theirs.shared().membership());
        assert_eq!(shared.alarms(), theirs.shared().alarms());
        assert_eq!(lessor.leases(), theirs.lessor().leases());
        let (auth, other) = (machine.auth(), theirs.auth());
        assert_eq!((auth.status(), auth.user_list()), (other.status(), other.user_list()));
        let hash = |reader: &ketch_mvcc::Reader| reader.hash_kv(0).expect("readable");
        assert_eq!(hash(&reader), hash(&theirs.reader()));
        "ok".into()
    }

    fn lease(&mut self, id: i64) -> String {
        let left = self.machine().lessor().time_to_live(LeaseId(id), 0, true);
        left.map_or("none".into(), |left| {
            let keys: Vec<String> = left.keys.iter().map(|key| text(key)).collect();
            format!("{} of {} [{}]", left.ttl_s, left.granted_ttl_s, keys.join(" "))
        })
    }

    /// Drains to disk, forgets, opens again: what is left is what is durable.
    fn restart(&mut self) -> String {
        let (machine, mut drain) = self.opened.take().expect("open");
        let before = (machine.applied(), machine.conf_state().clone());
        let shared = (machine.shared().membership(), machine.shared().alarms());
        while drain.step().expect("sim").more {}
        drop((machine, drain));
        self.open();
        let machine = self.machine();
        assert_eq!((machine.applied(), machine.conf_state().clone()), before);
        assert_eq!((machine.shared().membership(), machine.shared().alarms()), shared);
        "ok".into()
    }

    fn open(&mut self) {
        let disk = Arc::clone(&self.disk);
        let opened = Backend::open(disk, Path::new(PATH), ketch_backend::Config::default());
        let (backend, drain) = opened.expect("sim");
        self.opened = Some((Machine::open(backend, self.config).expect("sim"), drain));
    }

    fn configure(&mut self, name: &str, rest: &str) -> String {
        let (id, url) = rest.split_once(' ').unwrap_or((rest, ""));
        let id = id.parse().expect("a member number");
        let kind = match name {
            "learner" => ConfChangeType::ConfChangeAddLearnerNode,
            "remove" => ConfChangeType::ConfChangeRemoveNode,
            "update" => ConfChangeType::ConfChangeUpdateNode,
            _ => ConfChangeType::ConfChangeAddNode,
        };
        let peer_urls = vec![url.to_owned()];
        let member = Member { id: MemberId(id), peer_urls, ..Member::default() };
        let change = ConfChange {
            id: Some(100 + self.index),
            r#type: Some(kind as i32),
            node_id: Some(id),
            context: Some(member.context_json(Some(name == "promote"))),
        };
        let applied = self.entry(EntryType::EntryConfChange, change.encode_to_vec());
        let change = applied.change.expect("told to raft");
        let conf = &change.conf_state;
        let removed = if change.removed_self { " removed-self" } else { "" };
        let told = change.change.node_id();
        let result = show_result(&applied.result);
        format!(
            "{result} told={told} voters={:?} learners={:?}{removed}",
            conf.voters, conf.learners
        )
    }
}

fn show_members(membership: &Membership) -> String {
    let member = |m: &Member| {
        let learner = if m.is_learner { "?" } else { "" };
        let (urls, clients) = (m.peer_urls.join(","), m.client_urls.join(","));
        format!("{}{learner} {urls} {}={clients}", m.id.0, m.name)
    };
    let members: Vec<String> = membership.members().map(member).collect();
    let voters = membership.voters().count();
    let learners = membership.learners().count();
    format!("{} | {voters}+{learners}", members.join("; "))
}

fn machine_backend(machine: &Machine) -> Backend {
    machine.reader().backend().clone()
}

/// Writes all that `from` holds to a database at `path`, and closes it.
fn copy(from: &Backend, disk: &Arc<dyn Disk>, path: &Path) {
    let opened = Backend::open(Arc::clone(disk), path, ketch_backend::Config::default());
    let (to, mut drain) = opened.expect("sim");
    let mut batch = Batch::new();
    for bucket in Bucket::ALL {
        for entry in from.view().iter(bucket) {
            let (key, value) = entry.expect("sim");
            match RevisionKey::decode(&key).filter(|_| bucket == Bucket::Key) {
                Some(row) => batch.put_row(row, value),
                None => batch.put(bucket, key, value),
            }
        }
    }
    to.append(batch);
    while drain.step().expect("sim").more {}
}

/// `RESULT | EVENT, EVENT` where a revision was made.
fn show(applied: &Applied) -> String {
    let mut out = show_result(&applied.result);
    if applied.over_quota {
        out.push_str(" over-quota");
    }
    if let Some(committed) = &applied.committed {
        let events: Vec<String> = committed
            .events
            .iter()
            .map(|event| {
                let what = if event.tombstone { "del" } else { "put" };
                format!("{what} {} @{}", text(&event.key), event.revision)
            })
            .collect();
        out.push_str(&format!(" | {}", events.join(", ")));
    }
    out
}

fn show_result(result: &Result<Answer, ketch_base::Code>) -> String {
    match result {
        Err(code) => code.to_string(),
        Ok(Answer::Put(answer)) => put(answer),
        Ok(Answer::DeleteRange(answer)) => delete(answer),
        Ok(Answer::Range(answer)) => range(answer),
        Ok(Answer::Txn(answer)) => txn(answer),
        Ok(Answer::Compaction(answer)) => revision(answer.header),
        Ok(Answer::LeaseGrant(answer)) => {
            format!("{} id={} ttl={}", revision(answer.header), answer.id, answer.ttl)
        }
        Ok(Answer::LeaseRevoke(answer)) => revision(answer.header),
        Ok(Answer::LeaseCheckpoint(answer)) => revision(answer.header),
        Ok(Answer::Alarm(answer)) => {
            let alarms = answer.alarms.iter().map(|a| format!("{}:{}", a.member_id, a.alarm));
            format!("alarms [{}]", Vec::from_iter(alarms).join(" "))
        }
        Ok(Answer::Members(members)) => {
            let member = |m: &pb::Member| {
                let learner = if m.is_learner { "?" } else { "" };
                format!("{}{learner} {}", m.id, m.peer_ur_ls.join(","))
            };
            format!("[{}]", members.iter().map(member).collect::<Vec<_>>().join("; "))
        }
        Ok(Answer::Empty) => "empty".into(),
        Ok(Answer::Skipped) => "skipped".into(),
        Ok(Answer::Unimplemented) => "unimplemented".into(),
        Ok(answer) => show_auth(answer),
    }
}

fn show_auth(answer: &Answer) -> String {
    match answer {
        Answer::AuthStatus(answer) => {
            let enabled = if answer.enabled { "on" } else { "off" };
            format!("{} {enabled} {}", revision(answer.header), answer.auth_revision)
        }
        Answer::Authenticate { response, user, revision: auth_revision } => {
            let token = &response.token;
            format!("{} {user}@{auth_revision} {token}", revision(response.header))
        }
        Answer::UserGet(a) => format!("{} {}", revision(a.header), a.roles.join(" ")),
        Answer::UserList(a) => format!("{} {}", revision(a.header), a.users.join(" ")),
        Answer::RoleList(a) => format!("{} {}", revision(a.header), a.roles.join(" ")),
        Answer::RoleGet(a) => {
            let permission = |p: &Permission| {
                format!("{}:{}..{}", p.perm_type, text(&p.key), text(&p.range_end))
            };
            let permissions: Vec<String> = a.perm.iter().map(permission).collect();
            format!("{} {}", revision(a.header), permissions.join(" "))
        }
        Answer::AuthEnable(a) => revision(a.header),
        Answer::AuthDisable(a) => revision(a.header),
        Answer::UserAdd(a) => revision(a.header),
        Answer::UserDelete(a) => revision(a.header),
        Answer::UserChangePassword(a) => revision(a.header),
        Answer::UserGrantRole(a) => revision(a.header),
        Answer::UserRevokeRole(a) => revision(a.header),
        Answer::RoleAdd(a) => revision(a.header),
        Answer::RoleDelete(a) => revision(a.header),
        Answer::RoleGrantPermission(a) => revision(a.header),
        Answer::RoleRevokePermission(a) => revision(a.header),
        other => panic!("{other:?}"),
    }
}

fn revision(header: Option<pb::ResponseHeader>) -> String {
    format!("r{}", header.expect("a header").revision)
}

fn put(answer: &pb::PutResponse) -> String {
    let previous = answer.prev_kv.as_ref().map_or(String::new(), |kv| format!(" was {}", pair(kv)));
    format!("{}{previous}", revision(answer.header))
}

fn delete(answer: &pb::DeleteRangeResponse) -> String {
    let was: Vec<String> = answer.prev_kvs.iter().map(pair).collect();
    let was = if was.is_empty() { String::new() } else { format!(" was {}", was.join(" ")) };
    format!("{} n={}{was}", revision(answer.header), answer.deleted)
}

fn range(answer: &pb::RangeResponse) -> String {
    let found: Vec<String> = answer.kvs.iter().map(pair).collect();
    format!("{} n={} {}", revision(answer.header), answer.count, found.join(" ")).trim_end().into()
}

fn txn(answer: &pb::TxnResponse) -> String {
    let one = |op: &pb::ResponseOp| match &op.response {
        Some(Response::ResponsePut(answer)) => format!("put {}", put(answer)),
        Some(Response::ResponseDeleteRange(answer)) => format!("del {}", delete(answer)),
        Some(Response::ResponseRange(answer)) => format!("get {}", range(answer)),
        Some(Response::ResponseTxn(answer)) => format!("( {} )", txn(answer)),
        None => "nothing".into(),
    };
    let ops: Vec<String> = answer.responses.iter().map(one).collect();
    let outcome = if answer.succeeded { "yes" } else { "no" };
    format!("{} {outcome}: {}", revision(answer.header), ops.join("; ")).trim_end().into()
}

/// `key=value(create,mod,version[,lease])`
fn pair(kv: &KeyValue) -> String {
    let lease = if kv.lease == 0 { String::new() } else { format!(",L{}", kv.lease) };
    let (create, modified, version) = (kv.create_revision, kv.mod_revision, kv.version);
    format!("{}={}({create},{modified},{version}{lease})", text(&kv.key), text(&kv.value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
