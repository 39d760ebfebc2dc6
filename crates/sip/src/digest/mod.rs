// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digest authentication, both sides (RFC 3261 22, RFC 7616, RFC 8760).
//!
//! [`Client`] answers challenges and keeps counting on their nonces; [`Server`] challenges without remembering
//! whom, and checks what comes back. Neither shows a password in any output.
//!
//! ```
//! use offhook_sipcore::digest::{Account, Client, Password, Policy, Server, Verdict};
//! use offhook_sipcore::message::{Method, Request, Tokens, Uri};
//! use offhook_spi::Moment;
//!
//! let password = Password::new("zanzibar");
//! let account = Account { realm: None, username: "bob".into(), password: password.clone() };
//! let (mut client, mut server) = (Client::new(vec![account]), Server::new(Policy::new("example.com"), [7; 32]));
//!
//! let mut request = Request::new(Method::REGISTER, Uri::sip(None, "example.com", None));
//! let verdict = server.verify(&request, Moment::ZERO, |_| Some(password.clone()));
//! assert_eq!(verdict, Verdict::Missing);
//! let challenge = server.challenge(&request, &verdict, Moment::ZERO);
//!
//! client.handle_challenge(&request, &challenge)?;
//! client.authorize(&mut request, &mut Tokens::from_seed(1));
//! let verdict = server.verify(&request, Moment::ZERO, |_| Some(password));
//! assert_eq!(verdict, Verdict::Accepted { username: "bob".into() });
//! # Ok::<(), offhook_sipcore::digest::AuthError>(())
//! ```

mod algorithm;
mod client;
mod fields;
mod server;

use std::fmt;

pub use algorithm::{Algorithm, Qop};
pub use client::{Account, AuthError, Client};
pub use fields::{Challenge, Credentials};
pub use server::{Policy, Server, Verdict};

use crate::message::{Status, name};

/// Who wants to know who asks: the two have different headers and statuses (RFC 3261 22.2, 22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "SIP has these two")]
pub enum Role {
    /// A proxy on the way: 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
    /// The server asked: 401, `WWW-Authenticate`, `Authorization`.
    Server,
}

impl Role {
    /// The header of a challenge.
    #[must_use]
    pub fn challenge(self) -> &'static str {
        match self {
            Self::Proxy => name::PROXY_AUTHENTICATE,
            Self::Server => name::WWW_AUTHENTICATE,
        }
    }

    /// The header of credentials.
    #[must_use]
    pub fn credentials(self) -> &'static str {
        match self {
            Self::Proxy => name::PROXY_AUTHORIZATION,
            Self::Server => name::AUTHORIZATION,
        }
    }

    /// The status of a response with challenges.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Proxy => Status::PROXY_AUTHENTICATION_REQUIRED,
            Self::Server => Status::UNAUTHORIZED,
        }
    }
}

/// A password, which no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests;
