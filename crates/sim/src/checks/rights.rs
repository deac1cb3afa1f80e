//! Users, roles and tokens as the log has changed them: the ground truth for checks of rights.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_base::{Index, MemberId};
use ketch_proto::authpb::{Permission, permission::Type};
use ketch_proto::etcdserverpb::InternalRaftRequest;

use crate::fact::{Badge, Fact, Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What was so from one entry to the next that changed it.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) index: Index,
    /// Where the store stood when it became so.
    revision: i64,
    pub(super) enabled: bool,
    pub(super) users: BTreeMap<String, User>,
    roles: BTreeMap<String, Vec<Permission>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) password: String,
    roles: BTreeSet<String>,
}

/// A token, from the entry that made it to the one that made it worthless.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) user: String,
    pub(super) born: Index,
    pub(super) died: Option<Index>,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    applied: Index,
    /// It has seen every entry after this one made: what earlier ones left in memory may be gone.
    pub(super) whole_from: Index,
}

pub(super) struct Rights {
    /// Ascending; the first is the beginning.
    pub(super) states: Vec<State>,
    pub(super) tokens: BTreeMap<String, Token>,
    places: BTreeMap<MemberId, Place>,
    /// The last change that a client was told of.
    told: Index,
    /// How long an unused token lives; `None` in a run without users.
    pub(super) token_ttl_ms: Option<u64>,
}

impl Default for Rights {
    fn default() -> Self {
        let (tokens, places) = (BTreeMap::new(), BTreeMap::new());
        let states = vec![State::default()];
        Self { states, tokens, places, told: Index(0), token_ttl_ms: None }
    }
}

impl Rights {
    pub(super) fn see(&mut self, fact: &Fact) {
        match fact {
            Fact::Authentication { token_ttl_ms } => self.token_ttl_ms = Some(*token_ttl_ms),
            Fact::Applied { member, entry, .. } if self.token_ttl_ms.is_some() => {
                self.places.entry(*member).or_default().applied = entry.index;
            }
            Fact::Recovered { member, applied: index, .. }
            | Fact::Installed { member, index, .. } => {
                self.places.insert(*member, Place { applied: *index, whole_from: *index });
            }
            Fact::AuthApplied { index, revision, request, done: Ok(()), token, .. } => {
                self.applied(*index, *revision, request, token.as_deref());
            }
            Fact::Returned { outcome: Outcome::Auth { index }, .. } => {
                self.told = self.told.max(*index);
            }
            _ => {}
        }
    }

    /// The first member that applies an entry tells of it.
    fn applied(
        &mut self,
        index: Index,
        revision: i64,
        request: &InternalRaftRequest,
        token: Option<&str>,
    ) {
        if let (Some(login), Some(token)) = (&request.authenticate, token) {
            let known = Token { user: login.name.clone(), born: index, died: None };
            self.tokens.entry(token.to_owned()).or_insert(known);
            return;
        }
        let newest = &self.states[self.states.len() - 1];
        if request.authenticate.is_some() || newest.index >= index {
            return;
        }
        let mut next = newest.clone();
        (next.index, next.revision) = (index, revision);
        next.change(request);
        let is_dead = |token: &Token| {
            let user = &token.user;
            let password = request.auth_user_change_password.as_ref().map(|change| &change.name);
            let deleted = request.auth_user_delete.as_ref().map(|delete| &delete.name);
            request.auth_disable.is_some() || password == Some(user) || deleted == Some(user)
        };
        for token in self.tokens.values_mut().filter(|token| is_dead(token)) {
            token.died.get_or_insert(index);
        }
        self.states.push(next);
    }

    /// The newest state's number.
    pub(super) fn newest(&self) -> usize {
        self.states.len() - 1
    }

    /// The number of the state that every change told to a client is in.
    pub(super) fn told(&self) -> usize {
        self.at(self.told)
    }

    pub(super) fn place(&self, member: MemberId) -> Place {
        self.places.get(&member).copied().unwrap_or_default()
    }

    /// The state in which a member is.
    pub(super) fn of_member(&self, member: MemberId) -> usize {
        self.at(self.place(member).applied)
    }

    /// The state after an entry.
    pub(super) fn at(&self, index: Index) -> usize {
        self.states.partition_point(|state| state.index <= index).saturating_sub(1)
    }

    /// The state in which the entry was that made a revision.
    pub(super) fn before(&self, revision: i64) -> usize {
        self.states.partition_point(|state| state.revision < revision).saturating_sub(1)
    }

    /// Who shows this badge in a state, if it counts there.
    pub(super) fn user<'a>(&'a self, state: &State, badge: &'a Badge) -> Option<&'a str> {
        match badge {
            Badge::None => None,
            Badge::Name(name) => Some(name),
            Badge::Token(token) => {
                let token = self.tokens.get(token)?;
                token.died.is_none_or(|died| died > state.index).then_some(token.user.as_str())
            }
        }
    }
}

impl State {
    fn change(&mut self, request: &InternalRaftRequest) {
        self.enabled |= request.auth_enable.is_some();
        self.enabled &= request.auth_disable.is_none();
        if let Some(add) = &request.auth_user_add {
            let password = add.hashed_password.clone();
            self.users.insert(add.name.clone(), User { password, ..User::default() });
        }
        if let Some(delete) = &request.auth_user_delete {
            self.users.remove(&delete.name);
        }
        if let Some(change) = &request.auth_user_change_password {
            self.edit(&change.name, |user| user.password.clone_from(&change.hashed_password));
        }
        if let Some(grant) = &request.auth_user_grant_role {
            self.edit(&grant.user, |user| user.roles.extend([grant.role.clone()]));
        }
        if let Some(revoke) = &request.auth_user_revoke_role {
            self.edit(&revoke.name, |user| user.roles.retain(|held| *held != revoke.role));
        }
        if let Some(add) = &request.auth_role_add {
            self.roles.insert(add.name.clone(), Vec::new());
        }
        if let Some(delete) = &request.auth_role_delete {
            self.roles.remove(&delete.role);
            for user in self.users.values_mut() {
                user.roles.remove(&delete.role);
            }
        }
        if let Some(grant) = &request.auth_role_grant_permission {
            let role = self.roles.entry(grant.name.clone()).or_default();
            let new = grant.perm.clone().and_then(|given| changed(role, given));
            role.extend(new);
        }
        if let Some(revoke) = &request.auth_role_revoke_permission {
            let gone = (&revoke.key, &revoke.range_end);
            let role = self.roles.entry(revoke.role.clone()).or_default();
            role.retain(|permission| (&permission.key, &permission.range_end) != gone);
        }
    }

    fn edit(&mut self, user: &str, edit: impl FnOnce(&mut User)) {
        if let Some(user) = self.users.get_mut(user) {
            edit(user);
        }
    }

    pub(super) fn is_root(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|user| user.roles.contains("root"))
    }

    pub(super) fn may(&self, user: &str, access: Access, key: &Bytes, range_end: &Bytes) -> bool {
        let Some(known) = self.users.get(user) else { return false };
        let (mut reached, end) = span(key, range_end);
        let roles = known.roles.iter().filter_map(|role| self.roles.get(role));
        let given: Vec<(Bytes, Option<Bytes>)> = roles
            .flatten()
            .filter(|permission| {
                let kind = permission.perm_type;
                kind == Type::Readwrite as i32
                    || kind == Type::Read as i32 && access == Access::Read
                    || kind == Type::Write as i32 && access == Access::Write
            })
            .map(|permission| span(&permission.key, &permission.range_end))
            .collect();
        loop {
            let here = given.iter().filter(|(start, end)| {
                *start <= reached && end.as_ref().is_none_or(|end| *end > reached)
            });
            // Nothing is further than the end of all keys.
            let furthest = here.map(|(_, end)| end).max_by_key(|end| (end.is_none(), *end));
            match (furthest, &end) {
                _ if self.is_root(user) => return true,
                (None, _) => return false,
                (Some(None), _) => return true,
                (Some(Some(to)), Some(end)) if to >= end => return true,
                (Some(Some(to)), _) => reached = to.clone(),
            }
        }
    }
}

/// A permission on keys that the role knows first by this key changes its kind; any other is one
/// more (etcd).
fn changed(role: &mut [Permission], given: Permission) -> Option<Permission> {
    match role.iter_mut().find(|known| known.key == given.key) {
        Some(known) if known.range_end == given.range_end => {
            known.perm_type = given.perm_type;
            None
        }
        _ => Some(given),
    }
}

/// From a key up to and without another; `None` is the end of all keys.
fn span(key: &Bytes, range_end: &Bytes) -> (Bytes, Option<Bytes>) {
    let end = match range_end.as_ref() {
        b"" => Some(key.iter().copied().chain([0]).collect()),
        b"\0" => None,
        end => Some(Bytes::copy_from_slice(end)),
    };
    (key.clone(), end)
}
