//! Changes of the state, each kept and stored alike.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Batch, Bucket};
use ketch_base::planted::{self, Bug};
use ketch_proto::authpb;
use prost::Message;

use crate::state::{ENABLED_KEY, REVISION_KEY, State};

impl State {
    pub(crate) fn set_enabled(&mut self, enabled: bool, batch: &mut Batch) {
        self.enabled = enabled;
        let value = Bytes::copy_from_slice(&[u8::from(enabled)]);
        batch.put(Bucket::Auth, Bytes::from_static(ENABLED_KEY), value);
    }

    pub(crate) fn put_user(&mut self, record: authpb::User, batch: &mut Batch) {
        let name = record.name.clone();
        batch.put(Bucket::AuthUsers, name.clone(), record.encode_to_vec().into());
        let user = Arc::new(self.user_of(record));
        self.users.insert(name, user);
    }

    pub(crate) fn delete_user(&mut self, name: &str, batch: &mut Batch) {
        if let Some((name, _)) = self.users.remove_entry(name.as_bytes()) {
            batch.delete(Bucket::AuthUsers, name);
        }
    }

    /// The role, and with it what its holders may do.
    pub(crate) fn put_role(&mut self, record: authpb::Role, batch: &mut Batch) {
        let name = record.name.clone();
        batch.put(Bucket::AuthRoles, name.clone(), record.encode_to_vec().into());
        self.roles.insert(name.clone(), Arc::new(record));
        for record in self.holders(&name) {
            if planted::is(Bug::StaleRights) {
                break;
            }
            let user = Arc::new(self.user_of(record));
            self.users.insert(user.record.name.clone(), user);
        }
    }

    /// The role, also where users hold it.
    pub(crate) fn delete_role(&mut self, name: &str, batch: &mut Batch) {
        if let Some((name, _)) = self.roles.remove_entry(name.as_bytes()) {
            batch.delete(Bucket::AuthRoles, name);
        }
        for mut record in self.holders(name.as_bytes()) {
            record.roles.retain(|held| held != name);
            self.put_user(record, batch);
        }
    }

    pub(crate) fn raise_revision(&mut self, batch: &mut Batch) {
        self.revision += 1;
        self.store_revision(batch);
    }

    pub(crate) fn store_revision(&mut self, batch: &mut Batch) {
        let value = Bytes::copy_from_slice(&self.revision.to_be_bytes());
        batch.put(Bucket::Auth, Bytes::from_static(REVISION_KEY), value);
        self.founded = true;
    }

    fn holders(&self, role: &[u8]) -> Vec<authpb::User> {
        let holds = |user: &authpb::User| user.roles.iter().any(|held| held.as_bytes() == role);
        self.users.values().map(|user| &user.record).filter(|user| holds(user)).cloned().collect()
    }
}
