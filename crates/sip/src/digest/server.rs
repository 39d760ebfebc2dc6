// SPDX-License-Identifier: MIT OR Apache-2.0
//! The side that asks for passwords.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use offhook_spi::Moment;
use sha2::{Digest, Sha256};

use super::algorithm::{Algorithm, Ingredients, Qop, hex};
use super::fields::{Challenge, Credentials, escaped, unescaped};
use super::{Password, Role};
use crate::message::{Request, Response};

/// How a server challenges.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether this is a proxy or the server asked.
    pub role: Role,
    /// What the passwords are for.
    pub realm: String,
    /// The algorithms offered, the preferred first (RFC 8760 2.3).
    pub algorithms: Vec<Algorithm>,
    /// The qualities offered.
    pub qop: Vec<Qop>,
    /// How long a nonce is good.
    pub lifetime: Duration,
    /// How many nonces in use are remembered against repetition.
    pub remembered: usize,
}

impl Policy {
    /// A server with SHA-256 and MD5, `auth`, nonces of five minutes, and 65,536 of them remembered.
    #[must_use]
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            role: Role::Server,
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: vec![Qop::Auth],
            lifetime: Duration::from_secs(300),
            remembered: 65_536,
        }
    }
}

/// What the credentials of a request are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The user knows the password.
    Accepted {
        /// The user.
        username: String,
    },
    /// There are none for this realm: challenge.
    Missing,
    /// The user knows the password, but the nonce is old, foreign or used: challenge as stale.
    Stale,
    /// The password is wrong, or there is no such user: challenge, or refuse.
    Wrong {
        /// The user named.
        username: String,
    },
}

/// Challenges requests and checks their credentials.
///
/// A nonce carries its own time and number under a keyed hash, so that a challenge costs no memory; only nonces
/// that a right password has used are remembered, to refuse their repetition.
pub struct Server {
    policy: Policy,
    realm: String,
    key: [u8; 32],
    issued: u64,
    used: BTreeMap<u64, Use>,
    /// Numbers below this that are not remembered count as old.
    floor: u64,
}

/// The counts seen with one nonce: the highest, and which of the 64 up to it.
struct Use {
    made: Moment,
    highest: u32,
    seen: u64,
}

impl Server {
    /// A server; the key must be 32 random bytes that nobody else knows.
    #[must_use]
    pub fn new(policy: Policy, key: [u8; 32]) -> Self {
        let realm = escaped(&policy.realm);
        Self { policy, realm, key, issued: 0, used: BTreeMap::new(), floor: 0 }
    }

    /// The 401 or 407 to a request, with a challenge for every algorithm; `verdict` is what
    /// [`Server::verify`] said. The To tag is the caller's to set.
    pub fn challenge(&mut self, request: &Request, verdict: &Verdict, now: Moment) -> Response {
        let nonce = self.nonce(now);
        let mut response = request.response(self.policy.role.status());
        for algorithm in &self.policy.algorithms {
            let challenge = Challenge {
                realm: self.realm.clone(),
                nonce: nonce.clone(),
                opaque: None,
                algorithm: Some(*algorithm),
                qop: self.policy.qop.clone(),
                is_legacy: self.policy.qop.is_empty(),
                is_stale: *verdict == Verdict::Stale,
            };
            response.headers.push(self.policy.role.challenge(), challenge.to_string());
        }
        response
    }

    /// Checks a request. `password` gives the password of a user, or `None` for no such user.
    ///
    /// The `uri` of the credentials need not be the Request-URI, as proxies on the way may have changed that; what
    /// guards against repetition elsewhere is the nonce count.
    pub fn verify(
        &mut self,
        request: &Request,
        now: Moment,
        password: impl FnOnce(&str) -> Option<Password>,
    ) -> Verdict {
        let rows = request.headers.all(self.policy.role.credentials()).filter_map(Credentials::parse);
        let Some(credentials) = rows.into_iter().find(|credentials| credentials.realm == self.realm) else {
            return Verdict::Missing;
        };
        let username = unescaped(&credentials.username);
        let known = password(&username);
        // The same work for an unknown user, so that time does not tell who is known.
        let secret = known.clone().unwrap_or_else(|| Password::new(hex(&self.key)));
        let right = self.expected(&credentials, request, &secret).is_some_and(|expected| {
            same(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes())
        });
        if !right || known.is_none() {
            return Verdict::Wrong { username };
        }
        let count = match &credentials.quality {
            Some((_, _, count)) => u32::from_str_radix(count, 16).unwrap_or_default(),
            // Without a count a nonce serves once.
            None => 1,
        };
        if self.use_nonce(&credentials.nonce, count, now) {
            Verdict::Accepted { username }
        } else {
            Verdict::Stale
        }
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.used.len()
    }

    /// The response that the password would give; `None` for an algorithm or quality that was not offered.
    fn expected(&self, credentials: &Credentials, request: &Request, password: &Password) -> Option<String> {
        let algorithm =
            credentials.algorithm.filter(|algorithm| self.policy.algorithms.contains(algorithm))?;
        let quality = match &credentials.quality {
            Some((qop, ..)) if !self.policy.qop.contains(qop) => return None,
            Some((qop, cnonce, count)) => Some((*qop, cnonce.as_str(), count.as_str())),
            None => None,
        };
        let ingredients = Ingredients {
            algorithm,
            username: &credentials.username,
            realm: &credentials.realm,
            nonce: &credentials.nonce,
            quality,
            session_cnonce: credentials.cnonce.as_deref().unwrap_or_default(),
            method: request.method.as_str(),
            uri: &credentials.uri,
            body: &request.body,
        };
        Some(ingredients.response(password))
    }

    /// A nonce: its time and number, and a keyed hash of both.
    fn nonce(&mut self, now: Moment) -> String {
        let number = self.issued;
        self.issued = self.issued.saturating_add(1);
        self.sealed(now.as_nanos(), number)
    }

    fn sealed(&self, made: u64, number: u64) -> String {
        let inner = Sha256::new()
            .chain_update(self.key)
            .chain_update(made.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .chain_update(self.realm.as_bytes())
            .finalize();
        // Hashed twice under the key, as the inner hash alone could be continued by others.
        let seal = Sha256::new().chain_update(self.key).chain_update(inner).finalize();
        format!("{made:016x}{number:016x}{}", hex(seal.get(..16).unwrap_or_default()))
    }

    /// Whether a nonce is ours, young enough, and not used with this count before; notes the use.
    fn use_nonce(&mut self, nonce: &str, count: u32, now: Moment) -> bool {
        let part = |range| nonce.get(range).and_then(|text| u64::from_str_radix(text, 16).ok());
        let (Some(made), Some(number)) = (part(0..16), part(16..32)) else { return false };
        if !same(self.sealed(made, number).as_bytes(), nonce.as_bytes()) || count == 0 {
            return false;
        }
        let made = Moment::from_nanos(made);
        let lifetime = self.policy.lifetime;
        if now.since(made) > lifetime {
            return false;
        }
        if let Some(seen) = self.used.get_mut(&number) {
            return seen.note(count);
        }
        self.make_room(now);
        if number < self.floor || self.policy.remembered == 0 {
            return false;
        }
        self.used.insert(number, Use { made, highest: count, seen: 1 });
        true
    }

    /// Forgets nonces that are too old, and the oldest when there are too many.
    fn make_room(&mut self, now: Moment) {
        while let Some((number, seen)) = self.used.first_key_value() {
            if self.used.len() < self.policy.remembered && now.since(seen.made) <= self.policy.lifetime {
                break;
            }
            self.floor = number.saturating_add(1);
            self.used.pop_first();
        }
    }
}

impl Use {
    /// Whether a count is new; datagrams may overtake each other by up to 63.
    fn note(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or_default() | 1;
            self.highest = count;
            return true;
        }
        let mask = 1_u64.checked_shl(self.highest - count).unwrap_or_default();
        let new = mask != 0 && self.seen & mask == 0;
        self.seen |= mask;
        new
    }
}

impl fmt::Debug for Server {
    /// The key is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("policy", &self.policy)
            .field("issued", &self.issued)
            .field("remembered", &self.used.len())
            .finish_non_exhaustive()
    }
}

/// Compares in a time that does not tell where two texts differ.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
