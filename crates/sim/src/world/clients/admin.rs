//! A client that gives rights and takes them.

use std::collections::VecDeque;

use bytes::Bytes;
use ketch_base::Code;
use ketch_proto::authpb::{Permission, permission::Type};
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};

use super::identity::{ROOT, USERS};
use super::keys::{PREFIX, PREFIX_END};
use super::{Client, Kind};
use crate::fact::{Call, Outcome};
use crate::world::World;

const ROLES: [&str; 3] = ["all", "reads", "some"];

/// What is still to be done before authentication is on for the first time.
#[derive(Default)]
pub(crate) struct Founding {
    steps: VecDeque<InternalRaftRequest>,
}

macro_rules! request {
    ($field:ident, $($rest:tt)*) => {
        InternalRaftRequest { $field: Some(pb::$($rest)*), ..Default::default() }
    };
}

impl World {
    /// The steps from nothing to authentication.
    pub(crate) fn founding(&mut self) -> Founding {
        let mut steps = vec![self.add_user(ROOT), grant(ROOT, ROOT)];
        steps.extend(ROLES.iter().map(|role| add_role(role)));
        let prefix = (Bytes::from_static(PREFIX), Bytes::from_static(PREFIX_END));
        steps.push(allow(ROLES[0], Type::Readwrite, prefix.clone()));
        steps.push(allow(ROLES[1], Type::Read, prefix));
        let key = self.some_key();
        steps.push(allow(ROLES[2], Type::Readwrite, (key, Bytes::new())));
        for user in USERS {
            steps.push(self.add_user(user));
        }
        for (user, role) in [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)] {
            steps.push(grant(USERS[user], ROLES[role]));
        }
        steps.push(enable());
        Founding { steps: steps.into() }
    }

    pub(crate) fn admins_wish(&mut self, client: usize) -> Option<Call> {
        let Kind::Admin(founding) = &self.clients[client].kind else { return None };
        let next = match founding.steps.front() {
            Some(step) => step.clone(),
            None => self.some_change()?,
        };
        Some(Call::Auth(Box::new(next)))
    }

    /// A change that makes a difference to what some member has.
    fn some_change(&mut self) -> Option<InternalRaftRequest> {
        let user = USERS[self.rng.below(3) as usize];
        let role = ROLES[self.rng.below(3) as usize];
        let slot = self.someone()?;
        let auth = self.seats[slot].life.as_ref()?.auth.clone();
        let held = auth.user_get(&pb::AuthUserGetRequest { name: user.to_owned() });
        let held = held.map(|answer| answer.roles);
        if !auth.is_enabled() && self.rng.once_in(3) {
            return Some(enable());
        }
        let Ok(held) = held else { return Some(self.add_user(user)) };
        Some(match self.rng.below(100) {
            0..=34 if held.iter().any(|held| held == role) => {
                let (name, role) = (user.to_owned(), role.to_owned());
                request!(auth_user_revoke_role, AuthUserRevokeRoleRequest { name, role })
            }
            0..=34 => grant(user, role),
            35..=64 => {
                let asked = pb::AuthRoleGetRequest { role: role.to_owned() };
                let known = auth.role_get(&asked).map(|answer| answer.perm);
                self.change_role(role, known)
            }
            65..=86 => {
                let name = if self.rng.once_in(6) { ROOT } else { user };
                let hashed_password = self.passwords.fresh(name);
                let (name, password) = (name.to_owned(), String::new());
                request!(
                    auth_user_change_password,
                    AuthUserChangePasswordRequest { name, password, hashed_password }
                )
            }
            87..=91 => {
                let name = user.to_owned();
                request!(auth_user_delete, AuthUserDeleteRequest { name })
            }
            92..=94 => {
                let role = role.to_owned();
                request!(auth_role_delete, AuthRoleDeleteRequest { role })
            }
            95..=96 => request!(auth_disable, AuthDisableRequest {}),
            _ => enable(),
        })
    }

    /// A permission more, or less.
    fn change_role(
        &mut self,
        role: &str,
        known: Result<Vec<Permission>, Code>,
    ) -> InternalRaftRequest {
        let Ok(known) = known else { return add_role(role) };
        if !known.is_empty() && self.rng.once_in(2) {
            let place = self.rng.below(known.len() as u64) as usize;
            let (key, range_end) = (known[place].key.clone(), known[place].range_end.clone());
            let role = role.to_owned();
            return request!(
                auth_role_revoke_permission,
                AuthRoleRevokePermissionRequest { role, key, range_end }
            );
        }
        let kinds = [Type::Read, Type::Write, Type::Readwrite, Type::Readwrite];
        let kind = kinds[self.rng.below(4) as usize];
        let key = self.some_key();
        let (low, high) = (Bytes::from_static(PREFIX), Bytes::from_static(PREFIX_END));
        let range = match self.rng.below(5) {
            0 | 1 => (low, high),
            2 => (low, key.iter().copied().chain([0]).collect()),
            3 => (key, Bytes::from_static(b"\0")),
            _ => (key, Bytes::new()),
        };
        allow(role, kind, range)
    }

    fn add_user(&mut self, name: &str) -> InternalRaftRequest {
        let hashed_password = self.passwords.fresh(name);
        let name = name.to_owned();
        request!(
            auth_user_add,
            AuthUserAddRequest { name, hashed_password, password: String::new(), options: None }
        )
    }
}

impl Founding {
    pub(crate) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Client {
    /// The first steps are taken one by one; one that may not have been taken is taken again.
    pub(crate) fn learn_step(&mut self, outcome: &Outcome) {
        let Kind::Admin(founding) = &mut self.kind else { return };
        let is_taken = match outcome {
            Outcome::Auth { .. } => true,
            Outcome::Refused(code) => {
                matches!(code, Code::UserAlreadyExist | Code::RoleAlreadyExist)
                    || matches!(code, Code::UserNotFound | Code::RoleNotFound)
            }
            _ => false,
        };
        if is_taken {
            founding.steps.pop_front();
        }
    }
}

fn enable() -> InternalRaftRequest {
    request!(auth_enable, AuthEnableRequest {})
}

fn add_role(name: &str) -> InternalRaftRequest {
    request!(auth_role_add, AuthRoleAddRequest { name: name.to_owned() })
}

fn grant(user: &str, role: &str) -> InternalRaftRequest {
    let (user, role) = (user.to_owned(), role.to_owned());
    request!(auth_user_grant_role, AuthUserGrantRoleRequest { user, role })
}

fn allow(role: &str, kind: Type, (key, range_end): (Bytes, Bytes)) -> InternalRaftRequest {
    let perm = Some(Permission { perm_type: kind as i32, key, range_end });
    let name = role.to_owned();
    request!(auth_role_grant_permission, AuthRoleGrantPermissionRequest { name, perm })
}
