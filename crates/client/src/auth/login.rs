//! The token that calls carry: given once for all, or got for a name and a password and got anew
//! when servers no longer take it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ketch_base::Code as KnownCode;
use ketch_proto::etcdserverpb::{AuthenticateRequest, AuthenticateResponse};
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use super::AUTHENTICATE;
use crate::call::{Attempt, Repeat, within};
use crate::{Client, Config, Error};

/// What goes into the metadata `token`; not shown by `Debug`.
pub(crate) type Token = MetadataValue<Ascii>;

/// Refusals that a new token cures.
const CURABLE: [KnownCode; 3] =
    [KnownCode::InvalidAuthToken, KnownCode::AuthOldRevision, KnownCode::UserEmpty];

/// Where a client's token comes from, and the one it has.
pub(crate) struct Login {
    /// Name and password, where there are both.
    user: Option<(String, String)>,
    /// `None` before the first login and after a refusal; `Some(None)` when calls carry no token.
    held: Mutex<Option<Option<Token>>>,
    /// Only one call logs in; those that wait take what it got.
    turn: tokio::sync::Mutex<()>,
}

impl Login {
    /// # Errors
    /// A token and a user at once, or a token that cannot travel.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let Config { username, password, token, .. } = config;
        let named = !username.is_empty() || !password.is_empty();
        if named && !token.is_empty() {
            return Err(Error::TwoLogins);
        }
        // As in etcd's client: half a login is none.
        let complete = !username.is_empty() && !password.is_empty();
        let user = complete.then(|| (username.clone(), password.clone()));
        let held = match &user {
            Some(_) => None,
            None if token.is_empty() => Some(None),
            None => Some(Some(travelling(token)?)),
        };
        Ok(Self { user, held: Mutex::new(held), turn: tokio::sync::Mutex::new(()) })
    }

    /// Whether another login may cure a refusal with this text.
    pub(crate) fn cures(&self, text: &str) -> bool {
        self.user.is_some() && CURABLE.iter().any(|known| known.text() == text)
    }

    /// Forgets the token that was refused, so that the next call logs in; a newer one is kept.
    pub(crate) fn forget(&self, refused: &Option<Token>) {
        let mut held = self.held();
        if held.as_ref() == Some(refused) {
            *held = None;
        }
    }

    /// Forgets the token whichever it is.
    pub(crate) fn forget_any(&self) {
        if self.user.is_some() {
            *self.held() = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Option<Token>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// The token for a call; logs in if there is none yet.
    pub(crate) async fn token(&self, until: Option<Instant>) -> Result<Option<Token>, Error> {
        let login = &self.login;
        if let Some(token) = login.held().clone() {
            return Ok(token);
        }
        let late = || Error::Deadline { cause: "context deadline exceeded".to_owned() };
        let _turn = within(until, login.turn.lock()).await.ok_or_else(late)?;
        if let Some(token) = login.held().clone() {
            return Ok(token);
        }
        let Some((name, password)) = login.user.clone() else { return Ok(None) };
        let request = AuthenticateRequest { name, password };
        let attempt = Attempt { until, token: None, number: 0 };
        let token = match self.attempts(AUTHENTICATE, Repeat::Never, request, attempt).await {
            Ok(AuthenticateResponse { token, .. }) => Some(travelling(&token)?),
            Err(refused) if refused.error.is(KnownCode::AuthNotEnabled) => None,
            Err(refused) => return Err(refused.error),
        };
        *login.held() = Some(token.clone());
        Ok(token)
    }
}

fn travelling(token: &str) -> Result<Token, Error> {
    let mut token: Token = token.parse().map_err(|_| Error::BadToken)?;
    token.set_sensitive(true);
    Ok(token)
}
