//! Files that are read again while the member serves: when they change, and when the operator says
//! so by SIGHUP. What cannot be used changes nothing; running connections keep what they have. The
//! audit log goes on in a new file then.

use std::sync::Arc;

use ketch_tls::{Identity, limits};
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};

use crate::member::Member;
use crate::security::Security;

/// Everything that follows its files: certificates, authorities, revocations, and the keys of
/// signed tokens.
#[derive(Clone)]
pub(crate) struct Reload {
    identities: Vec<(&'static str, Arc<Identity>)>,
    member: Arc<Member>,
}

impl Reload {
    pub(crate) fn new(security: &Security, member: &Arc<Member>) -> Self {
        let Security { clients, peers } = security;
        let both = [("client", clients), ("peer", peers)];
        let named =
            |(whose, identity): (_, &Option<Arc<Identity>>)| Some((whose, identity.clone()?));
        let identities = both.into_iter().filter_map(named).collect();
        Self { identities, member: Arc::clone(member) }
    }

    /// Looks at the files from now on.
    pub(crate) fn start_on(&self, runtime: &Runtime) {
        for (_, identity) in &self.identities {
            runtime.spawn(Arc::clone(identity).watch(limits::RELOAD_PERIOD));
        }
        runtime.spawn(watch_token_keys(Arc::clone(&self.member)));
    }

    /// Reads all files at once, changed or not.
    pub(crate) fn now(&self) {
        tracing::info!("reading certificates and keys again");
        for (whose, identity) in &self.identities {
            match identity.reload() {
                Ok(changed) => {
                    tracing::info!(whose, changed, "certificate files were reloaded");
                }
                Err(error) => tracing::warn!(
                    whose, error = %error,
                    "certificate files cannot be used; the ones in service stay"
                ),
            }
        }
        reload_token_keys(&self.member);
        if let Some(audit) = &self.member.audit {
            audit.reopen();
        }
    }
}

fn reload_token_keys(member: &Member) {
    match member.tokens.reload() {
        Ok(false) => {}
        Ok(true) => tracing::info!("the keys of tokens were reloaded"),
        Err(error) => tracing::warn!(
            error = %error,
            "the keys of tokens cannot be used; the ones in service stay"
        ),
    }
}

async fn watch_token_keys(member: Arc<Member>) {
    let mut tick = interval(limits::RELOAD_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let member = Arc::clone(&member);
        let looked = tokio::task::spawn_blocking(move || {
            if member.tokens.have_changed() {
                reload_token_keys(&member);
            }
        });
        if looked.await.is_err() {
            return; // The runtime is going away.
        }
    }
}
