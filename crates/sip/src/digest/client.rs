// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side that is asked for its password.

use super::algorithm::{Algorithm, Ingredients, Qop};
use super::fields::{Challenge, Credentials, escaped, unescaped};
use super::{Password, Role};
use crate::message::{Request, Response, Tokens};

/// A name and password, for one realm or for all.
#[derive(Clone, Debug)]
pub struct Account {
    /// The realm it is for; `None` is for any.
    pub realm: Option<String>,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Password,
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no account for the realm.
    #[error("no account for realm {realm:?}")]
    NoAccount {
        /// The realm.
        realm: String,
    },
    /// The response has no challenge that can be answered: no Digest, or no known algorithm or quality.
    #[error("no challenge with a supported algorithm")]
    Unsupported,
    /// The answer was given before and refused.
    #[error("credentials for realm {realm:?} were refused")]
    Refused {
        /// The realm.
        realm: String,
    },
}

/// Answers challenges for the requests of one line or one call.
///
/// Keeps the latest challenge of every realm, and counts on with its nonce, so that later requests need not be
/// challenged again.
#[derive(Clone, Debug, Default)]
pub struct Client {
    accounts: Vec<Account>,
    sessions: Vec<Session>,
}

#[derive(Clone, Debug)]
struct Session {
    role: Role,
    challenge: Challenge,
    algorithm: Algorithm,
    account: usize,
    count: u32,
    /// The client nonce of a session algorithm, which stays.
    cnonce: Option<String>,
    /// How many fresh nonces in a row were called stale at once.
    stale: u8,
}

/// How often in a row a server may call a nonce stale that it has just made.
const MAX_STALE: u8 = 3;

/// How many realms are remembered.
const MAX_SESSIONS: usize = 16;

impl Client {
    /// A client with accounts; the first that fits a realm is taken, those with a realm before those without.
    #[must_use]
    pub fn new(accounts: Vec<Account>) -> Self {
        Self { accounts, sessions: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407 to a request. When it succeeds, send the request again, with a new
    /// branch and CSeq, after [`Client::authorize`].
    ///
    /// Of several challenges of one realm the strongest is taken; challenges of several realms are all answered
    /// (RFC 3261 22.3).
    ///
    /// # Errors
    ///
    /// [`AuthError`] when nothing can be answered, or an answer was refused.
    pub fn handle_challenge(&mut self, request: &Request, response: &Response) -> Result<(), AuthError> {
        let mut outcome = Err(AuthError::Unsupported);
        for role in [Role::Server, Role::Proxy] {
            for challenge in strongest(response, role) {
                match self.take(role, challenge, request) {
                    Ok(()) => outcome = Ok(()),
                    Err(refused @ AuthError::Refused { .. }) => return Err(refused),
                    Err(error) => outcome = outcome.or(Err(error)),
                }
            }
        }
        outcome
    }

    /// Puts credentials for every known realm into a request, in place of those that are there. An ACK for a 2xx
    /// carries the credentials of its INVITE instead, copied (RFC 3261 22.1).
    pub fn authorize(&mut self, request: &mut Request, tokens: &mut Tokens) {
        for role in [Role::Server, Role::Proxy] {
            if self.sessions.iter().any(|session| session.role == role) {
                request.headers.remove(role.credentials());
            }
        }
        for session in &mut self.sessions {
            if let Some(account) = self.accounts.get(session.account) {
                let credentials = session.answer(account, request, tokens);
                request.headers.push(session.role.credentials(), credentials.to_string());
            }
        }
    }

    /// Whether a challenge has been taken, so that [`Client::authorize`] has something to add.
    #[must_use]
    pub fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Forgets all challenges, as when the password was changed.
    pub fn forget(&mut self) {
        self.sessions.clear();
    }

    fn take(&mut self, role: Role, challenge: Challenge, request: &Request) -> Result<(), AuthError> {
        let realm = &challenge.realm;
        let algorithm = challenge.algorithm.ok_or(AuthError::Unsupported)?;
        let account = self.account(realm).ok_or_else(|| AuthError::NoAccount { realm: realm.clone() })?;
        let known = self
            .sessions
            .iter()
            .position(|session| session.role == role && session.challenge.realm == *realm);
        let mut stale = 0;
        if let Some(session) = known.and_then(|at| self.sessions.get(at))
            && was_answered(request, role, realm)
        {
            stale = session.staleness(&challenge)?;
        }
        let session = Session { role, challenge, algorithm, account, count: 0, cnonce: None, stale };
        match known.and_then(|at| self.sessions.get_mut(at)) {
            Some(place) => *place = session,
            None => {
                if self.sessions.len() >= MAX_SESSIONS {
                    self.sessions.remove(0);
                }
                self.sessions.push(session);
            }
        }
        Ok(())
    }

    fn account(&self, realm: &str) -> Option<usize> {
        let realm = unescaped(realm);
        let named = self.accounts.iter().position(|account| account.realm.as_ref() == Some(&realm));
        named.or_else(|| self.accounts.iter().position(|account| account.realm.is_none()))
    }
}

impl Session {
    /// Judges a new challenge after an answer of this session was refused.
    ///
    /// A stale nonce says that the password is right. Some servers let a nonce expire without saying so: a nonce
    /// that has served before is taken for expired, one that has not for refused.
    fn staleness(&self, challenge: &Challenge) -> Result<u8, AuthError> {
        let served = self.count > 1;
        let renewed = challenge.nonce != self.challenge.nonce;
        let stale = if served { 0 } else { self.stale.saturating_add(1) };
        if (challenge.is_stale || served) && renewed && stale < MAX_STALE {
            Ok(stale)
        } else {
            Err(AuthError::Refused { realm: challenge.realm.clone() })
        }
    }

    fn answer(&mut self, account: &Account, request: &Request, tokens: &mut Tokens) -> Credentials {
        self.count = self.count.saturating_add(1);
        let qop = self.qop();
        let fresh = match &self.cnonce {
            Some(cnonce) => cnonce.clone(),
            None => tokens.cnonce(),
        };
        if self.algorithm.is_session() {
            self.cnonce = Some(fresh.clone());
        }
        let count = format!("{:08x}", self.count);
        let username = escaped(&account.username);
        let uri = request.uri.as_str();
        let response = Ingredients {
            algorithm: self.algorithm,
            username: &username,
            realm: &self.challenge.realm,
            nonce: &self.challenge.nonce,
            quality: qop.map(|qop| (qop, fresh.as_str(), count.as_str())),
            session_cnonce: &fresh,
            method: request.method.as_str(),
            uri,
            body: &request.body,
        }
        .response(&account.password);
        Credentials {
            username,
            realm: self.challenge.realm.clone(),
            nonce: self.challenge.nonce.clone(),
            uri: uri.to_owned(),
            response,
            algorithm: Some(self.algorithm),
            cnonce: self.algorithm.is_session().then(|| fresh.clone()),
            quality: qop.map(|qop| (qop, fresh, count)),
            opaque: self.challenge.opaque.clone(),
        }
    }

    /// The quality used: `auth` where it is offered, as a body may be changed on its way by those who may.
    fn qop(&self) -> Option<Qop> {
        let offered = &self.challenge.qop;
        if offered.contains(&Qop::Auth) { Some(Qop::Auth) } else { offered.first().copied() }
    }
}

/// Of every realm its strongest challenge that can be answered; the first of equals.
fn strongest(response: &Response, role: Role) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let rows = response.headers.all(role.challenge()).flat_map(Challenge::parse_all);
    for challenge in rows.filter(|c| c.algorithm.is_some() && (c.is_legacy || !c.qop.is_empty())) {
        match found.iter_mut().find(|known| known.realm == challenge.realm) {
            Some(known) if known.algorithm < challenge.algorithm => *known = challenge,
            Some(_) => {}
            None => found.push(challenge),
        }
    }
    found
}

/// Whether a request carried credentials for the realm.
fn was_answered(request: &Request, role: Role, realm: &str) -> bool {
    let mut rows = request.headers.all(role.credentials()).filter_map(Credentials::parse);
    rows.any(|credentials| credentials.realm == realm)
}
