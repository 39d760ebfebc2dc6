// SPDX-License-Identifier: MIT OR Apache-2.0
//! Challenges and credentials as headers carry them.

use std::fmt;

use super::algorithm::{Algorithm, Qop};
use crate::message::grammar::{entries, is_bare_value, is_token, trim};

/// One Digest challenge. Texts are those between the quotes, escapes included, so that they go back unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What the password is for.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be given back as it is.
    pub opaque: Option<String>,
    /// The algorithm; `None` when it is one we do not know.
    pub algorithm: Option<Algorithm>,
    /// The qualities offered that we know.
    pub qop: Vec<Qop>,
    /// Whether no qualities were offered at all: the form of RFC 2069.
    pub is_legacy: bool,
    /// Whether only the nonce was too old, and the password right.
    pub is_stale: bool,
}

/// The answer to a challenge. Texts are those between the quotes, escapes included.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who asks.
    pub username: String,
    /// What the password is for.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The Request-URI the client sent it with.
    pub uri: String,
    /// The proof.
    pub response: String,
    /// The algorithm; `None` when it is one we do not know.
    pub algorithm: Option<Algorithm>,
    /// Quality, client nonce and count as written; `None` is the form of RFC 2069.
    pub quality: Option<(Qop, String, String)>,
    /// The client nonce of a session without quality.
    pub cnonce: Option<String>,
    /// What the challenge asked to be given back.
    pub opaque: Option<String>,
}

impl Challenge {
    /// Every Digest challenge of a row; challenges of other schemes are passed over.
    #[must_use]
    pub fn parse_all(row: &str) -> Vec<Self> {
        schemes(row).iter().filter(|fields| fields.is_digest()).filter_map(Self::read).collect()
    }

    fn read(fields: &Fields<'_>) -> Option<Self> {
        let offered = fields.get("qop");
        Some(Self {
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            opaque: fields.owned("opaque"),
            algorithm: fields.algorithm(),
            // A list in one string: `"auth,auth-int"` (RFC 7616 3.3).
            qop: offered
                .into_iter()
                .flat_map(|list| list.split(','))
                .filter_map(|q| Qop::parse(trim(q)))
                .collect(),
            is_legacy: offered.is_none(),
            is_stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm=\"{}\", nonce=\"{}\"", self.realm, self.nonce)?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque=\"{opaque}\"")?;
        }
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={}", algorithm.as_str())?;
        }
        if !self.qop.is_empty() {
            let list: Vec<&str> = self.qop.iter().map(|qop| qop.as_str()).collect();
            write!(f, ", qop=\"{}\"", list.join(","))?;
        }
        if self.is_stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}

impl Credentials {
    /// Reads a row with Digest credentials; `None` for another scheme, or when something needed is missing.
    #[must_use]
    pub fn parse(row: &str) -> Option<Self> {
        let schemes = schemes(row);
        let [fields] = &schemes[..] else { return None };
        if !fields.is_digest() {
            return None;
        }
        let quality = match fields.get("qop") {
            None => None,
            Some(qop) => Some((Qop::parse(qop)?, fields.owned("cnonce")?, fields.count()?)),
        };
        Some(Self {
            username: fields.owned("username")?,
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            uri: fields.owned("uri")?,
            response: fields.owned("response")?,
            algorithm: fields.algorithm(),
            quality,
            cnonce: fields.owned("cnonce"),
            opaque: fields.owned("opaque"),
        })
    }
}

impl fmt::Display for Credentials {
    /// Quality, count and algorithm stand without quotes (RFC 7616 3.4; some servers refuse them otherwise).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, realm, nonce, uri, response, .. } = self;
        write!(f, "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", ")?;
        write!(f, "response=\"{response}\"")?;
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={}", algorithm.as_str())?;
        }
        match &self.quality {
            Some((qop, cnonce, count)) => {
                write!(f, ", cnonce=\"{cnonce}\", qop={}, nc={count}", qop.as_str())?;
            }
            None => {
                if let Some(cnonce) = &self.cnonce {
                    write!(f, ", cnonce=\"{cnonce}\"")?;
                }
            }
        }
        match &self.opaque {
            Some(opaque) => write!(f, ", opaque=\"{opaque}\""),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    /// A response can be tried against guesses of the password, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// One scheme with its parameters; values without their quotes, escapes included.
struct Fields<'a> {
    scheme: &'a str,
    rows: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.rows.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// No algorithm means MD5 (RFC 7616 3.3).
    fn algorithm(&self) -> Option<Algorithm> {
        self.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)
    }

    /// The nonce count: eight hexadecimal digits.
    fn count(&self) -> Option<String> {
        self.owned("nc").filter(|nc| nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// The schemes of a row: `scheme name=value, name=value`, and further ones after a comma.
fn schemes(row: &str) -> Vec<Fields<'_>> {
    let mut found: Vec<Fields<'_>> = Vec::new();
    for entry in entries(row).filter(|entry| !entry.is_empty()).take(MAX_FIELDS) {
        let entry = match entry.split_once([' ', '\t']) {
            Some((scheme, rest)) if is_token(scheme) && !trim(rest).starts_with('=') => {
                found.push(Fields { scheme, rows: Vec::new() });
                trim(rest)
            }
            _ => entry,
        };
        if let (Some(fields), Some((name, value))) = (found.last_mut(), entry.split_once('='))
            && let Some(value) = unquoted(trim(value))
        {
            fields.rows.push((trim(name), value));
        }
    }
    found
}

/// The most parameters of a row that are read.
const MAX_FIELDS: usize = 64;

/// A value without its quotes; `None` for one that could not stand between quotes again: a quote or
/// a lone backslash within (RFC 3261 25.1, quoted-string).
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return None,
            '\\' => characters.next().map(drop)?,
            _ => {}
        }
    }
    Some(inner)
}

/// Text as it stands between quotes.
pub(super) fn escaped(text: &str) -> String {
    if is_bare_value(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c });
    }
    out
}

/// The text that stands between quotes.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => out.extend(characters.next()),
            _ => out.push(c),
        }
    }
    out
}
