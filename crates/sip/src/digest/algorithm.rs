// SPDX-License-Identifier: MIT OR Apache-2.0
//! Algorithms, qualities of protection, and the response that they make.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

use super::Password;

/// A digest algorithm (RFC 7616 3.3, RFC 8760 2.1), the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// `MD5`, also when a challenge names none.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512_256, Self::Sha512_256Sess];

    /// Reads a name in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Whether the secret of a session is made from its first nonces (RFC 7616 3.4.2).
    #[must_use]
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The hash of some parts with colons between them, in lower-case hexadecimal.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hash::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => hash::<Sha512_256>(parts),
        }
    }
}

fn hash<D: Digest>(parts: &[&[u8]]) -> String {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    hex(&digest.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a response protects (RFC 7616 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Qop {
    /// `auth`: the request line.
    Auth,
    /// `auth-int`: the body as well.
    AuthInt,
}

impl Qop {
    /// Reads a name in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.as_str().eq_ignore_ascii_case(text))
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// All that goes into a response. Texts are those between the quotes, escapes included (RFC 7616 3.4, `unq`).
pub(super) struct Ingredients<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    /// The client's nonce, its count as written, and the quality; `None` is the form of RFC 2069.
    pub(super) quality: Option<(Qop, &'a str, &'a str)>,
    /// The client's nonce in the secret of a session.
    pub(super) session_cnonce: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl Ingredients<'_> {
    /// The response (RFC 7616 3.4.1).
    pub(super) fn response(&self, password: &Password) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let mut secret = hash(&[self.username.as_bytes(), self.realm.as_bytes(), password.0.as_bytes()]);
        if self.algorithm.is_session() {
            secret = hash(&[secret.as_bytes(), self.nonce.as_bytes(), self.session_cnonce.as_bytes()]);
        }
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let asked = match self.quality {
            Some((Qop::AuthInt, ..)) => hash(&[method, uri, hash(&[self.body]).as_bytes()]),
            _ => hash(&[method, uri]),
        };
        let (secret, nonce, asked) = (secret.as_bytes(), self.nonce.as_bytes(), asked.as_bytes());
        match self.quality {
            None => hash(&[secret, nonce, asked]),
            Some((qop, cnonce, count)) => {
                let quality = qop.as_str().as_bytes();
                hash(&[secret, nonce, count.as_bytes(), cnonce.as_bytes(), quality, asked])
            }
        }
    }
}
