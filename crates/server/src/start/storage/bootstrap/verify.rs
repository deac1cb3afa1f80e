//! Whether the list of first members makes sense for this member.

use std::collections::BTreeSet;

use super::BootstrapError;
use super::same_urls::{Lookup, same_urls};
use crate::config::initial_cluster::{Written, urls_of};

/// The members as given, and this one's name.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) name: &'a str,
    pub(super) members: &'a [(String, Vec<String>)],
}

impl List<'_> {
    /// Before founding a cluster of these.
    pub(super) fn check_to_found(
        &self,
        advertised: &[String],
        lookup: &impl Lookup,
    ) -> Result<(), BootstrapError> {
        let declared = self.own_urls()?;
        if let Err(why) = same_urls(lookup, advertised, declared) {
            return Err(BootstrapError::Mismatch(self.mismatch(advertised, declared, &why)));
        }
        self.check_duplicates()
    }

    /// Before joining these: what this member advertises it was added with.
    pub(super) fn check_to_join(&self, discovers: bool) -> Result<(), BootstrapError> {
        self.own_urls()?;
        self.check_duplicates()?;
        if discovers {
            return Err(BootstrapError::DiscoveryWithJoin);
        }
        Ok(())
    }

    /// The URLs this member has in the list.
    pub(super) fn own_urls(&self) -> Result<&Vec<String>, BootstrapError> {
        urls_of(self.members, self.name)
            .ok_or_else(|| BootstrapError::NameMissing(self.name.to_owned()))
    }

    fn check_duplicates(&self) -> Result<(), BootstrapError> {
        if has_duplicate_url(self.members) {
            return Err(BootstrapError::DuplicateUrl(Written(self.members).to_string()));
        }
        Ok(())
    }

    /// Which of the two says too much; etcd names that one first.
    fn mismatch(&self, advertised: &[String], declared: &[String], why: &str) -> String {
        let only_in = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|url| !those.contains(url)).cloned().collect()
        };
        let pairs = |urls: &[String]| Written(&[(self.name.to_owned(), urls.to_vec())]).to_string();
        let given = advertised.join(",");
        let undeclared = only_in(advertised, declared);
        let unadvertised = only_in(declared, advertised);
        if !unadvertised.is_empty() {
            return format!(
                "--initial-cluster has {} but missing from --initial-advertise-peer-urls={given} \
                 ({why})",
                pairs(&unadvertised)
            );
        }
        if !undeclared.is_empty() {
            // etcd, too, names as the cluster what was advertised.
            return format!(
                "--initial-advertise-peer-urls has {} but missing from --initial-cluster={}",
                undeclared.join(","),
                pairs(advertised)
            );
        }
        format!("failed to resolve {given} to match --initial-cluster={} ({why})", pairs(declared))
    }
}

/// Whether any URL occurs twice.
pub(super) fn has_duplicate_url(members: &[(String, Vec<String>)]) -> bool {
    let mut seen = BTreeSet::new();
    !members.iter().flat_map(|(_, urls)| urls).all(|url| seen.insert(url))
}
