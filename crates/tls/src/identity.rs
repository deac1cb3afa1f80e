//! Who we are and whom we trust, kept up to date with the files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::files::Stamps;
use crate::half_open::HalfOpen;
use crate::state::State;
use crate::{Acceptor, Alpn, Connector, Error, Files, Rules};

/// The certificates and rules of one listener, or of one client. Share it by `Arc`.
#[derive(Debug)]
pub struct Identity {
    pub(crate) files: Files,
    pub(crate) rules: Rules,
    pub(crate) alpn: Alpn,
    state: ArcSwap<State>,
    seen: Mutex<Seen>,
    pub(crate) half_open: HalfOpen,
}

/// What the files looked like.
#[derive(Debug)]
struct Seen {
    /// When the state in service was read.
    serving: Stamps,
    /// When they were tried last, with or without success.
    tried: Stamps,
}

impl Identity {
    /// Reads all files.
    ///
    /// # Errors
    /// Rules that contradict each other, and files that are missing or wrong.
    pub fn load(files: Files, rules: Rules, alpn: Alpn) -> Result<Arc<Self>, Error> {
        rules.check(alpn)?;
        files.check()?;
        let stamps = files.stamps();
        let state = State::build(&files, &rules, alpn)?;
        let seen = Seen { serving: stamps, tried: stamps };
        Ok(Arc::new(Self {
            files,
            rules,
            alpn,
            state: ArcSwap::from_pointee(state),
            seen: Mutex::new(seen),
            half_open: HalfOpen::default(),
        }))
    }

    /// The listening side.
    ///
    /// # Errors
    /// There is no certificate.
    pub fn acceptor(self: &Arc<Self>) -> Result<Acceptor, Error> {
        match self.state().server {
            Some(_) => Ok(Acceptor { identity: self.clone() }),
            None => Err(Error::NoCertificate),
        }
    }

    /// The dialling side.
    pub fn connector(self: &Arc<Self>) -> Connector {
        Connector { identity: self.clone() }
    }

    /// Where it was read from.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Reads all files again. New handshakes use the new state at once; says whether the files
    /// are others than before.
    ///
    /// # Errors
    /// A file that is missing or wrong; the state in service stays.
    pub fn reload(&self) -> Result<bool, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_again(&mut seen)
    }

    /// Looks at the files every `period` and reloads when one changed. Never ends; a bad file is
    /// told once and the state in service stays.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            let identity = self.clone();
            let looked = tokio::task::spawn_blocking(move || identity.refresh()).await;
            if looked.is_err() {
                return; // The runtime is going away.
            }
        }
    }

    /// Looks at the files once, as [`Identity::watch`] does.
    pub fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.files.stamps() == seen.tried {
            return;
        }
        match self.read_again(&mut seen) {
            Ok(_) => tracing::info!(files = ?self.files, "certificate files were reloaded"),
            Err(error) => tracing::warn!(
                error = %error,
                "changed certificate files cannot be used; the ones in service stay"
            ),
        }
    }

    fn read_again(&self, seen: &mut Seen) -> Result<bool, Error> {
        let stamps = self.files.stamps();
        seen.tried = stamps;
        let state = State::build(&self.files, &self.rules, self.alpn)?;
        // Files that changed while they were read are read once more at the next look.
        let changed = stamps != seen.serving;
        seen.serving = stamps;
        self.state.store(Arc::new(state));
        Ok(changed)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }
}
