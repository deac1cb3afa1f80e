//! What a member has of users and roles, for the checks.

use std::fmt::Write;

use ketch_apply::{Answer, Applied};
use ketch_auth::AuthStore;
use ketch_backend::{Backend, Bucket};
use ketch_base::Index;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};
use ketch_raft_proto::raftpb::Entry;
use prost::Message;

use crate::fact::Fact;
use crate::world::World;

/// Users, roles and tokens of a member at one moment.
pub(crate) struct Stands {
    digest: u32,
    tokens: Vec<(String, String)>,
}

/// Whether an entry's outcome is about users and roles.
pub(crate) fn is_about(applied: &Applied) -> bool {
    applied.op.starts_with("Auth")
}

/// The token that an entry made.
pub(crate) fn token_of(applied: &Applied) -> Option<&String> {
    match &applied.result {
        Ok(Answer::Authenticate { response, .. }) => Some(&response.token),
        _ => None,
    }
}

impl Stands {
    /// `issued` are all tokens there ever were.
    pub(crate) fn of(auth: &AuthStore, backend: &Backend, issued: &[String]) -> Self {
        let mut tokens: Vec<(String, String)> = Vec::new();
        for token in issued {
            tokens.extend(auth.tokens().user_of(token).map(|user| (token.clone(), user)));
        }
        if tokens.len() != auth.tokens().len() {
            tokens.push(("unknown".to_owned(), auth.tokens().len().to_string()));
        }
        Self { digest: crc32c::crc32c(told(auth, backend).as_bytes()), tokens }
    }
}

/// Rows and memory, as text.
fn told(auth: &AuthStore, backend: &Backend) -> String {
    let mut text = format!("{:?}", auth.status());
    for name in auth.user_list().users {
        let user = auth.user_get(&pb::AuthUserGetRequest { name });
        let _ = write!(text, "{user:?}");
    }
    for role in auth.role_list().roles {
        let _ = write!(text, "{role}");
        let role = auth.role_get(&pb::AuthRoleGetRequest { role });
        let _ = write!(text, "{role:?}");
    }
    let view = backend.view();
    for bucket in [Bucket::Auth, Bucket::AuthUsers, Bucket::AuthRoles] {
        for row in view.iter(bucket) {
            let _ = write!(text, "{row:?}");
        }
    }
    text
}

impl World {
    /// What a member has now.
    pub(crate) fn note_rights(&mut self, slot: usize) {
        if self.plan.token_ttl_ms.is_none() {
            return;
        }
        let Some(life) = &self.seats[slot].life else { return };
        if life.applied.0 > 0 {
            let stands = Stands::of(&life.auth, &life.backend, &self.issued);
            self.note_stands(slot, life.applied, stands);
        }
    }

    fn note_stands(&mut self, slot: usize, index: Index, stands: Stands) {
        let member = self.seats[slot].id;
        let Stands { digest, tokens } = stands;
        self.note(Fact::AuthStands { member, index, digest, tokens });
    }

    /// An entry about users and roles was applied.
    pub(crate) fn note_change(
        &mut self,
        slot: usize,
        entry: &Entry,
        applied: &Applied,
        revision: i64,
        stands: Stands,
    ) {
        let data = entry.data.clone().unwrap_or_default();
        let Ok(mut request) = InternalRaftRequest::decode(data) else { return };
        request.header = None;
        let token = token_of(applied).cloned();
        let done = applied.result.as_ref().map(|_| ()).map_err(|code| *code);
        let (member, index) = (self.seats[slot].id, applied.index);
        let request = Box::new(request);
        self.note(Fact::AuthApplied { member, index, revision, request, done, token });
        self.note_stands(slot, index, stands);
    }
}
