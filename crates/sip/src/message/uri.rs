// SPDX-License-Identifier: MIT OR Apache-2.0
//! URIs: the text exactly as received, with its parts found in it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use sip_uri::{UriEquivalence, UriParse, WarningCode};

/// A URI of any scheme, kept verbatim.
///
/// The parts are slices of the received text, so that what goes out again in a Request-URI, a Route or a digest is
/// what came in. Equality is equality of the text; [`Uri::equivalent`] compares as RFC 3261 19.1.4 does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: Arc<str>,
    parts: Parts,
}

/// Why a text is not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// A byte that no URI holds: a blank, a control, an angle bracket, a quote.
    #[error("uri holds a character that a uri cannot hold")]
    Character,
    /// No host, an address that is none, or text after it that starts no component.
    #[error("uri host is missing or unreadable")]
    Host,
    /// More than [`MAX_URI`] bytes.
    #[error("uri is longer than {MAX_URI} bytes")]
    Length,
    /// A port that is not a number up to 65535.
    #[error("uri port is not a number from 0 to 65535")]
    Port,
    /// No scheme.
    #[error("uri has no scheme")]
    Scheme,
}

/// The longest URI that is read.
pub const MAX_URI: usize = 8192;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Parts {
    scheme: u16,
    user: Option<(u16, u16)>,
    host: (u16, u16),
    port: Option<u16>,
    params: (u16, u16),
    headers: u16,
}

impl Uri {
    /// A `sip:` URI; characters that a user part or a host cannot hold are percent-encoded, and an IPv6 address
    /// gets its brackets.
    #[must_use]
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        Self::build("sip:", user, host, port)
    }

    /// A `sips:` URI, built as [`Uri::sip`] does.
    #[must_use]
    pub fn sips(user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        Self::build("sips:", user, host, port)
    }

    fn build(scheme: &str, user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        let mut text = String::from(scheme);
        if let Some(user) = user {
            encode(&mut text, user, USER_EXTRA);
            text.push('@');
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<Ipv6Addr>() {
            Ok(_) => {
                let _ = write!(text, "[{bare}]");
            }
            Err(_) => encode(&mut text, host, HOST_EXTRA),
        }
        if let Some(port) = port {
            let _ = write!(text, ":{port}");
        }
        Self::assembled(text)
    }

    /// The same URI with a parameter more, before its headers; `None` makes it a flag.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut added = String::from(";");
        encode(&mut added, name, PARAM_EXTRA);
        if let Some(value) = value {
            added.push('=');
            encode(&mut added, value, PARAM_EXTRA);
        }
        let mut text = self.text.to_string();
        text.insert_str(usize::from(self.parts.headers).min(text.len()), &added);
        Self::assembled(text)
    }

    /// Takes text that this module put together. What does not fit the offsets is cut, as no caller has one that long.
    fn assembled(mut text: String) -> Self {
        if text.len() > MAX_URI {
            let end = (0..=MAX_URI).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(end);
        }
        let parts = split(&text).unwrap_or_default();
        Self { text: Arc::from(text), parts }
    }

    /// The text as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme as received, without the colon.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.slice((0, self.parts.scheme))
    }

    /// Whether the scheme is `sips`.
    #[must_use]
    pub fn is_sips(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("sips")
    }

    /// Whether the scheme is `sip` or `sips`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        is_sip_scheme(self.scheme())
    }

    /// The user part as received, without a password; the number of a `tel:` URI; `None` for other schemes.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.parts.user.map(|range| self.slice(range))
    }

    /// The user part with its percent-encoding undone.
    #[must_use]
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user().map(decode)
    }

    /// The host as received, an IPv6 address with its brackets; empty for schemes other than `sip` and `sips`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.slice(self.parts.host)
    }

    /// The host as an address, when it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        parse_ip(self.host())
    }

    /// The port, when one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// A URI parameter as received: `None` when absent, `Some(None)` when it is a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        self.params().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every URI parameter as received.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.slice(self.parts.params).split(';').filter(|part| !part.is_empty()).map(|part| {
            match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            }
        })
    }

    /// The headers part as received, without the question mark.
    #[must_use]
    pub fn headers(&self) -> Option<&str> {
        self.text.get(usize::from(self.parts.headers) + 1..)
    }

    /// The same URI without its headers part, as a request is sent to it (RFC 3261 19.1.5).
    #[must_use]
    pub fn without_headers(&self) -> Self {
        Self::assembled(self.text.get(..usize::from(self.parts.headers)).unwrap_or_default().to_owned())
    }

    /// Whether two URIs name the same resource (RFC 3261 19.1.4, RFC 3966 4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        match (sip_uri::Uri::parse(&self.text), sip_uri::Uri::parse(&other.text)) {
            (Ok(one), Ok(two)) => one.equivalent(&two),
            _ => false,
        }
    }

    fn slice(&self, (start, end): (u16, u16)) -> &str {
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::Length);
        }
        if text.bytes().any(|b| b <= b' ' || matches!(b, b'<' | b'>' | b'"' | 0x7f)) {
            return Err(UriError::Character);
        }
        let parts = split(text)?;
        if !is_plain(text, &parts) {
            judge(text)?;
        }
        Ok(Self { text: Arc::from(text), parts })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    /// A password in the user part is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user_end = self.parts.user.filter(|_| self.is_sip()).map(|(_, end)| usize::from(end));
        match user_end.and_then(|end| self.text.get(end..).map(|rest| (end, rest))) {
            Some((end, rest)) if rest.starts_with(':') => {
                let after = rest.find('@').unwrap_or_default();
                write!(f, "{}:***{}", &self.text[..end], &rest[after..])
            }
            _ => f.write_str(&self.text),
        }
    }
}

/// Finds the parts of a URI; offsets fit because the length was checked.
fn split(text: &str) -> Result<Parts, UriError> {
    let colon = text.find(':').ok_or(UriError::Scheme)?;
    let scheme = &text[..colon];
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return Err(UriError::Scheme);
    }
    let mut parts = Parts { scheme: offset(colon)?, headers: offset(text.len())?, ..Parts::default() };
    if is_sip_scheme(scheme) {
        split_sip(text, colon + 1, &mut parts)?;
    } else if scheme.eq_ignore_ascii_case("tel") {
        let end = text.find(';').unwrap_or(text.len());
        parts.user = Some((offset(colon + 1)?, offset(end)?));
        parts.params = (offset(end)?, parts.headers);
    }
    Ok(parts)
}

fn split_sip(text: &str, start: usize, parts: &mut Parts) -> Result<(), UriError> {
    let mut at = start;
    // The user part may hold `;`, `?` and `/`, so the first `@` ends it (RFC 3261 25.1).
    if let Some(length) = text[at..].find('@') {
        let userinfo = &text[at..at + length];
        let user = userinfo.find(':').unwrap_or(length);
        parts.user = Some((offset(at)?, offset(at + user)?));
        at += length + 1;
    }
    let rest = &text[at..];
    let host = match rest.starts_with('[') {
        true => rest.find(']').map(|end| end + 1).ok_or(UriError::Host)?,
        false => rest.find([':', ';', '?']).unwrap_or(rest.len()),
    };
    if host == 0 {
        return Err(UriError::Host);
    }
    parts.host = (offset(at)?, offset(at + host)?);
    at += host;
    if text[at..].starts_with(':') {
        let digits = text[at + 1..].find([';', '?']).map_or(text.len(), |end| at + 1 + end);
        parts.port = port(&text[at + 1..digits])?;
        at = digits;
    }
    let headers = text[at..].find('?').map_or(text.len(), |end| at + end);
    if !matches!(text.as_bytes()[at..headers].first(), None | Some(b';')) {
        return Err(UriError::Host);
    }
    parts.params = (offset(at)?, offset(headers)?);
    parts.headers = offset(headers)?;
    Ok(())
}

/// A port; `host:` with nothing after the colon has none.
fn port(digits: &str) -> Result<Option<u16>, UriError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    digits.parse().map(Some).map_err(|_| UriError::Port)
}

fn offset(at: usize) -> Result<u16, UriError> {
    u16::try_from(at).map_err(|_| UriError::Length)
}

/// Whether a `sip:` URI holds nothing but the characters that need no second look.
fn is_plain(text: &str, parts: &Parts) -> bool {
    let range = |(start, end): (u16, u16)| -> Range<usize> { usize::from(start)..usize::from(end) };
    let plain =
        |part: &str, extra: &[u8]| part.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
    let host = &text[range(parts.host)];
    is_sip_scheme(&text[..usize::from(parts.scheme)])
        && usize::from(parts.headers) == text.len()
        && plain(&text[usize::from(parts.scheme) + 1..usize::from(parts.host.0)], b"-_.!*+=@")
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && plain(host, b"-.")
        && plain(&text[range(parts.params)], b"-_.;=+*")
}

/// Asks the full grammar, and refuses what it could not keep: what it merely calls unusual (an underscore in a
/// host name, a `#` in a user part) is alive in the field and is kept verbatim here.
fn judge(text: &str) -> Result<(), UriError> {
    // Of other schemes there is no grammar to ask; `isbn:123` would be taken for a host and a port.
    let scheme = text.split(':').next().unwrap_or_default();
    if !(is_sip_scheme(scheme) || ["tel", "urn"].iter().any(|known| known.eq_ignore_ascii_case(scheme))) {
        return Ok(());
    }
    let parsed = sip_uri::Uri::parse_with_warnings(text).map_err(|_| UriError::Host)?;
    for warning in &parsed.warnings {
        match warning.code {
            WarningCode::MissingScheme | WarningCode::InvalidScheme | WarningCode::Wildcard => {
                return Err(UriError::Scheme);
            }
            WarningCode::MissingHost
            | WarningCode::InvalidIpv6
            | WarningCode::TrailingContent
            | WarningCode::MissingNumber
            | WarningCode::MissingNid
            | WarningCode::MissingNss => return Err(UriError::Host),
            WarningCode::InvalidPort | WarningCode::SignedPort => return Err(UriError::Port),
            _ => {}
        }
    }
    Ok(())
}

fn is_sip_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
}

/// An address written as a host: IPv6 with or without brackets.
pub(super) fn parse_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None if host.contains(':') => host.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn encode(out: &mut String, text: &str, extra: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) || extra.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(hex_pair);
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

/// `user-unreserved` of RFC 3261 25.1 beside `unreserved`.
const USER_EXTRA: &[u8] = b"&=+$,;?/";
/// Nothing beside `unreserved`; a legal host name is part of that.
const HOST_EXTRA: &[u8] = b"";
/// `param-unreserved` of RFC 3261 25.1 beside `unreserved`.
const PARAM_EXTRA: &[u8] = b"[]/:&+$";

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
