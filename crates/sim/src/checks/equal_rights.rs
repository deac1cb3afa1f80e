//! Equal rights: at each index all members have the same users, roles and outcomes of changes,
//! and the same tokens, apart from those that one has forgotten with a restart or a snapshot.

use std::collections::BTreeMap;

use ketch_base::{Code, Index, MemberId};
use ketch_proto::etcdserverpb::InternalRaftRequest;

use super::rights::Rights;
use super::{Check, Violation, broken};
use crate::fact::{Fact, Moment};

const NAME: &str = "equal rights";

/// What one entry did, in the words of the first member that applied it.
type Change = (Box<InternalRaftRequest>, Result<(), Code>, Option<String>);

/// What a member had, and from which index on it remembers every token.
struct Stand {
    member: MemberId,
    digest: u32,
    tokens: BTreeMap<String, String>,
    whole_from: Index,
}

#[derive(Default)]
pub(super) struct EqualRights {
    rights: Rights,
    changes: BTreeMap<Index, Change>,
    stands: BTreeMap<Index, Stand>,
    compared: u64,
}

impl EqualRights {
    fn applied(&mut self, member: MemberId, index: Index, change: Change) -> Result<(), String> {
        let known = self.changes.entry(index).or_insert_with(|| change.clone());
        match *known == change {
            true => Ok(()),
            false => Err(format!("{member} makes {change:?} of entry {index}, another {known:?}")),
        }
    }

    fn stands(&mut self, index: Index, stand: Stand) -> Result<(), String> {
        // Between two entries about users nothing of it changes.
        let low = if self.changes.contains_key(&index) { index } else { Index(0) };
        let Some((at, known)) = self.stands.range_mut(low..=index).next_back() else {
            self.stands.insert(index, stand);
            return Ok(());
        };
        self.compared += 1;
        if known.digest != stand.digest {
            let (one, other) = (stand.member, known.member);
            return Err(format!("{one} has other users or roles at {index} than {other} at {at}"));
        }
        // They fall asleep on each member by themselves.
        if self.rights.token_ttl_ms.is_none_or(|ttl_ms| ttl_ms < 60_000) {
            return Ok(());
        }
        lacks(&self.rights, known, &stand, *at)?;
        lacks(&self.rights, &stand, known, *at)?;
        if stand.whole_from < known.whole_from {
            *known = stand;
        }
        Ok(())
    }
}

/// What one member knows another must know, unless it may have forgotten.
fn lacks(rights: &Rights, one: &Stand, other: &Stand, index: Index) -> Result<(), String> {
    for (token, user) in &one.tokens {
        let born = rights.tokens.get(token).map_or(Index(u64::MAX), |token| token.born);
        let known = other.tokens.get(token);
        if known != Some(user) && (born > other.whole_from || known.is_some()) {
            let (one, other) = (one.member, other.member);
            return Err(format!(
                "at {index} {one} takes {token} for {user}, {other} for {known:?}"
            ));
        }
    }
    Ok(())
}

impl Check for EqualRights {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.rights.see(fact);
        let result = match fact {
            Fact::AuthApplied { member, index, request, done, token, .. } => {
                self.applied(*member, *index, (request.clone(), *done, token.clone()))
            }
            Fact::AuthStands { member, index, digest, tokens } => {
                let tokens = tokens.iter().cloned().collect();
                let whole_from = self.rights.place(*member).whole_from;
                let (member, digest) = (*member, *digest);
                self.stands(*index, Stand { member, digest, tokens, whole_from })
            }
            _ => Ok(()),
        };
        result.map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.compared)
    }
}

#[cfg(test)]
mod tests;
