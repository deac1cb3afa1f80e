//! All users and roles, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Bucket, View};
use ketch_base::Code;
use ketch_proto::authpb;
use prost::Message;

use crate::permissions::Permissions;
use crate::{OpenError, ROOT};

pub(crate) const ENABLED_KEY: &[u8] = b"authEnabled";
pub(crate) const REVISION_KEY: &[u8] = b"authRevision";
/// What a new cluster begins with.
const REVISION_FIRST: u64 = 1;

/// One consistent state; whoever holds it is not disturbed by changes.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) enabled: bool,
    pub(crate) revision: u64,
    /// The revision stands in the database. A new one gets it with its first entry: etcd has it
    /// from the start, and would begin at 0 from a snapshot without it.
    pub(crate) founded: bool,
    pub(crate) users: BTreeMap<Bytes, Arc<User>>,
    pub(crate) roles: BTreeMap<Bytes, Arc<authpb::Role>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) record: authpb::User,
    pub(crate) permissions: Permissions,
}

impl User {
    pub(crate) fn has(&self, role: &str) -> bool {
        self.record.roles.iter().any(|held| held == role)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.has(ROOT)
    }

    pub(crate) fn no_password(&self) -> bool {
        self.record.options.is_some_and(|options| options.no_password)
    }
}

impl State {
    pub(crate) fn load(view: &View) -> Result<Self, OpenError> {
        let enabled = view.get(Bucket::Auth, ENABLED_KEY)?;
        let revision = view.get(Bucket::Auth, REVISION_KEY)?;
        let revision = match &revision {
            None => 0,
            Some(bytes) => u64::from_be_bytes(
                bytes.as_ref().try_into().map_err(|_| unreadable(Bucket::Auth, REVISION_KEY))?,
            ),
        };
        let mut state = Self {
            enabled: enabled.as_deref() == Some([1].as_slice()),
            revision: revision.max(REVISION_FIRST),
            founded: revision != 0,
            users: BTreeMap::new(),
            roles: records(view, Bucket::AuthRoles)?,
        };
        for (name, record) in records::<authpb::User>(view, Bucket::AuthUsers)? {
            let record = Arc::unwrap_or_clone(record);
            state.users.insert(name, Arc::new(state.user_of(record)));
        }
        Ok(state)
    }

    pub(crate) fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name.as_bytes())
    }

    pub(crate) fn role(&self, name: &str) -> Option<&Arc<authpb::Role>> {
        self.roles.get(name.as_bytes())
    }

    /// A user with what the roles of the record give now.
    pub(crate) fn user_of(&self, record: authpb::User) -> User {
        let held = record.roles.iter().filter_map(|name| self.role(name));
        let permissions = Permissions::new(held.flat_map(|role| &role.key_permission));
        User { record, permissions }
    }

    /// The user whose password may be checked.
    pub(crate) fn password_user(&self, name: &str) -> Result<&User, Code> {
        if !self.enabled {
            return Err(Code::AuthNotEnabled);
        }
        self.user(name).map(Arc::as_ref).ok_or(Code::AuthFailed)
    }
}

/// Rows of a bucket by name, as the key has it.
fn records<M: Message + Default>(
    view: &View,
    bucket: Bucket,
) -> Result<BTreeMap<Bytes, Arc<M>>, OpenError> {
    let mut records = BTreeMap::new();
    for row in view.iter(bucket) {
        let (key, value) = row?;
        let record = M::decode(value).map_err(|_| unreadable(bucket, &key))?;
        records.insert(key, Arc::new(record));
    }
    Ok(records)
}

fn unreadable(bucket: Bucket, key: &[u8]) -> OpenError {
    OpenError::Row { bucket: bucket.name(), key: Bytes::copy_from_slice(key) }
}
