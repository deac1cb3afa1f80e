//! Roles: what is asked of them and what changes them.

use bytes::Bytes;
use ketch_backend::Batch;
use ketch_base::Code;
use ketch_proto::authpb::{Permission, Role, permission};
use ketch_proto::etcdserverpb as pb;

use crate::permissions::is_valid;
use crate::{AuthStore, ROOT, order};

impl AuthStore {
    /// Adds a role that permits nothing.
    ///
    /// # Errors
    /// [`Code::RoleEmpty`], [`Code::RoleAlreadyExist`].
    pub fn role_add(
        &self,
        request: &pb::AuthRoleAddRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthRoleAddResponse, Code> {
        if request.name.is_empty() {
            return Err(Code::RoleEmpty);
        }
        if self.state().role(&request.name).is_some() {
            return Err(Code::RoleAlreadyExist);
        }
        let name = Bytes::copy_from_slice(request.name.as_bytes());
        self.change(|state| {
            state.put_role(Role { name, key_permission: Vec::new() }, batch);
            state.raise_revision(batch);
        });
        Ok(pb::AuthRoleAddResponse::default())
    }

    /// Deletes a role and takes it from all users.
    ///
    /// # Errors
    /// [`Code::InvalidAuthMgmt`] for root while authentication is on; [`Code::RoleNotFound`].
    pub fn role_delete(
        &self,
        request: &pb::AuthRoleDeleteRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthRoleDeleteResponse, Code> {
        if self.is_enabled() && request.role == ROOT {
            return Err(Code::InvalidAuthMgmt);
        }
        self.role_record(&request.role)?;
        self.change(|state| {
            state.delete_role(&request.role, batch);
            state.raise_revision(batch);
        });
        Ok(pb::AuthRoleDeleteResponse::default())
    }

    /// Adds a permission to a role, or changes the kind of one on the same keys.
    ///
    /// # Errors
    /// [`Code::PermissionNotGiven`]; [`Code::InvalidAuthMgmt`] for a range without keys;
    /// [`Code::RoleNotFound`].
    pub fn role_grant_permission(
        &self,
        request: &pb::AuthRoleGrantPermissionRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthRoleGrantPermissionResponse, Code> {
        let given = request.perm.as_ref().ok_or(Code::PermissionNotGiven)?;
        if !is_valid(given) {
            return Err(Code::InvalidAuthMgmt);
        }
        let mut record = self.role_record(&request.name)?;
        let known = &mut record.key_permission;
        // etcd looks at the first permission with the key only, so that of two ranges from one
        // key the second is added again instead of being changed.
        let first = known.partition_point(|permission| permission.key < given.key);
        match known.get_mut(first) {
            Some(same) if (&same.key, &same.range_end) == (&given.key, &given.range_end) => {
                same.perm_type = given.perm_type;
            }
            _ => order::insert(known, given.clone()),
        }
        self.change(|state| {
            state.put_role(record, batch);
            state.raise_revision(batch);
        });
        Ok(pb::AuthRoleGrantPermissionResponse::default())
    }

    /// Takes from a role whatever it has on exactly these keys.
    ///
    /// # Errors
    /// [`Code::RoleNotFound`], [`Code::PermissionNotGranted`].
    pub fn role_revoke_permission(
        &self,
        request: &pb::AuthRoleRevokePermissionRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthRoleRevokePermissionResponse, Code> {
        let mut record = self.role_record(&request.role)?;
        let known = record.key_permission.len();
        record.key_permission.retain(|permission| {
            (&permission.key, &permission.range_end) != (&request.key, &request.range_end)
        });
        if record.key_permission.len() == known {
            return Err(Code::PermissionNotGranted);
        }
        self.change(|state| {
            state.put_role(record, batch);
            state.raise_revision(batch);
        });
        Ok(pb::AuthRoleRevokePermissionResponse::default())
    }

    /// The permissions of a role by key; those of root are everything, whatever is stored.
    ///
    /// # Errors
    /// [`Code::RoleNotFound`].
    pub fn role_get(
        &self,
        request: &pb::AuthRoleGetRequest,
    ) -> Result<pb::AuthRoleGetResponse, Code> {
        let record = self.role_record(&request.role)?;
        let everything = || Permission {
            perm_type: permission::Type::Readwrite as i32,
            key: Bytes::new(),
            range_end: Bytes::from_static(&[0]),
        };
        let perm = if request.role == ROOT { vec![everything()] } else { record.key_permission };
        Ok(pb::AuthRoleGetResponse { header: None, perm })
    }

    /// The names of all roles, sorted.
    pub fn role_list(&self) -> pb::AuthRoleListResponse {
        let state = self.state();
        let name = |name: &Bytes| String::from_utf8_lossy(name).into_owned();
        pb::AuthRoleListResponse { header: None, roles: state.roles.keys().map(name).collect() }
    }

    fn role_record(&self, name: &str) -> Result<Role, Code> {
        Ok(self.state().role(name).ok_or(Code::RoleNotFound)?.as_ref().clone())
    }
}
