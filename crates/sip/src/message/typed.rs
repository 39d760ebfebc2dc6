// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headers read as values, when asked.

use std::fmt;

use super::address::NameAddr;
use super::grammar::{entries, saturating_number, trim};
use super::headers::Headers;
use super::method::Method;
use super::name;
use super::reason::ReasonValue;
use super::via::Via;

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The header is there more than once, and can be there only once.
    #[error("{0} is there more than once")]
    Duplicate(&'static str),
    /// The header does not follow its grammar.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// The header is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The header has more than [`MAX_ENTRIES`] entries, or an entry with far too many parameters.
    #[error("{0} has more than {MAX_ENTRIES} entries")]
    TooMany(&'static str),
}

impl HeaderError {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &'static str {
        match self {
            Self::Duplicate(name) | Self::Malformed(name) | Self::Missing(name) | Self::TooMany(name) => name,
        }
    }
}

/// The most entries of one list that are read.
pub const MAX_ENTRIES: usize = 64;

/// The most separators in one row that is read: every entry may have a few parameters.
const MAX_SEPARATORS: usize = 256;

/// A CSeq: the number of a request in its dialog, and its method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// The number, below 2^31 (RFC 3261 8.1.1.5).
    pub seq: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Puts a CSeq together.
    #[must_use]
    pub fn new(seq: u32, method: Method) -> Self {
        Self { seq, method }
    }

    fn parse(value: &str) -> Option<Self> {
        let (seq, method) = value.split_once([' ', '\t'])?;
        let seq =
            saturating_number(seq).and_then(|seq| u32::try_from(seq).ok()).filter(|seq| *seq < 1 << 31)?;
        Some(Self { seq, method: Method::parse(trim(method))? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

impl Headers {
    /// The first Via entry: the hop the message comes from, or a response goes to.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        let row = self.readable(name::VIA)?;
        entries(row).next().and_then(Via::parse).ok_or(HeaderError::Malformed(name::VIA))
    }

    /// Puts a changed first Via entry back, as `received` and `rport` are added on receipt (RFC 3261 18.2.1).
    pub fn set_top_via(&mut self, via: &Via) {
        let others = self.get(name::VIA).and_then(|row| {
            let first = entries(row).next()?;
            let at = row.find(first)? + first.len();
            row.get(at..).and_then(|rest| trim(rest).strip_prefix(',')).map(|rest| trim(rest).to_owned())
        });
        let value = match others {
            Some(others) if !others.is_empty() => format!("{via}, {others}"),
            _ => via.to_string(),
        };
        self.replace_front(name::VIA, value);
    }

    /// Takes the first Via entry away, as a response that is passed on loses it (RFC 3261 16.7).
    pub fn remove_top_via(&mut self) {
        let rest = self.get(name::VIA).map(|row| entries(row).skip(1).collect::<Vec<_>>().join(", "));
        match rest {
            Some(rest) if !rest.is_empty() => self.replace_front(name::VIA, rest),
            Some(_) => {
                let others: Vec<String> = self.all(name::VIA).skip(1).map(str::to_owned).collect();
                self.remove(name::VIA);
                for other in others.into_iter().rev() {
                    self.push_front(name::VIA, other);
                }
            }
            None => {}
        }
    }

    /// Every Via entry, the latest hop first.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when there is none, one is malformed, or there are too many.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        let vias = self.list(name::VIA, Via::parse)?;
        if vias.is_empty() { Err(HeaderError::Missing(name::VIA)) } else { Ok(vias) }
    }

    /// Who asks.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(self.readable(name::FROM)?).ok_or(HeaderError::Malformed(name::FROM))
    }

    /// Who was asked first.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(self.readable(name::TO)?).ok_or(HeaderError::Malformed(name::TO))
    }

    /// Gives To a tag and keeps the rest of it as received; a tag that is there is replaced.
    pub fn set_to_tag(&mut self, tag: &str) {
        let parsed = self.to().ok().filter(|to| to.tag().is_some());
        let value = match (parsed, self.get(name::TO)) {
            (Some(to), _) => to.with_tag(tag).to_string(),
            (None, Some(text)) => format!("{text};tag={tag}"),
            (None, None) => return,
        };
        self.set(name::TO, value);
    }

    /// The Call-ID.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or empty.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let id = self.get(name::CALL_ID).ok_or(HeaderError::Missing(name::CALL_ID))?;
        if id.is_empty() || id.contains([' ', '\t']) {
            Err(HeaderError::Malformed(name::CALL_ID))
        } else {
            Ok(id)
        }
    }

    /// The CSeq.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing, malformed, or its number is 2^31 or more.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let value = self.get(name::CSEQ).ok_or(HeaderError::Missing(name::CSEQ))?;
        CSeq::parse(value).ok_or(HeaderError::Malformed(name::CSEQ))
    }

    /// The contacts; none for the form `*`, see [`Headers::is_contact_wildcard`].
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when one is malformed or there are too many.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, HeaderError> {
        if self.is_contact_wildcard() {
            return Ok(Vec::new());
        }
        self.list(name::CONTACT, NameAddr::parse)
    }

    /// Whether Contact is `*`, which removes all bindings (RFC 3261 10.2.2).
    #[must_use]
    pub fn is_contact_wildcard(&self) -> bool {
        let mut rows = self.all(name::CONTACT);
        rows.next() == Some("*") && rows.next().is_none()
    }

    /// The Route entries, the next hop first.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when one is malformed or there are too many.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name::ROUTE, NameAddr::parse)
    }

    /// The Record-Route entries in order.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when one is malformed or there are too many.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name::RECORD_ROUTE, NameAddr::parse)
    }

    /// The addresses of any header that is a list of them.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when one is malformed or there are too many.
    pub fn addresses(&self, name: &'static str) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name, NameAddr::parse)
    }

    /// The seconds of Expires; more than fit count as the most that do (RFC 4475 3.1.2.4).
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is not a number.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(name::EXPIRES)
    }

    /// The seconds of Min-Expires.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is not a number.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(name::MIN_EXPIRES)
    }

    /// The seconds of Flow-Timer: how often the other end wants to hear from us (RFC 5626 section 5.4).
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is not a number.
    pub fn flow_timer(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(name::FLOW_TIMER)
    }

    /// The seconds of Retry-After, without its comment and parameters.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it does not begin with a number.
    pub fn retry_after(&self) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.get(name::RETRY_AFTER) else { return Ok(None) };
        let digits = value.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        seconds(name::RETRY_AFTER, digits).map(Some)
    }

    /// The hops that are left, 0 to 255 (RFC 3261 20.22); a larger number counts as absent (RFC 4475 3.1.2.4).
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is not a number.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let Some(value) = self.get(name::MAX_FORWARDS) else { return Ok(None) };
        let hops = saturating_number(value).ok_or(HeaderError::Malformed(name::MAX_FORWARDS))?;
        Ok(u8::try_from(hops).ok())
    }

    /// The Reason values.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when one is malformed or there are too many.
    pub fn reason(&self) -> Result<Vec<ReasonValue>, HeaderError> {
        self.list(name::REASON, ReasonValue::parse)
    }

    /// The option tags of Supported, Require and their like, or the methods of Allow.
    pub fn option_tags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name).flat_map(entries).filter(|tag| !tag.is_empty())
    }

    fn seconds(&self, name: &'static str) -> Result<Option<u32>, HeaderError> {
        self.get(name).map(|value| seconds(name, value)).transpose()
    }

    /// The first row of a name, refused when it is so full of separators that reading it would be work.
    fn readable(&self, name: &'static str) -> Result<&str, HeaderError> {
        let row = self.get(name).ok_or(HeaderError::Missing(name))?;
        within_limits(row).then_some(row).ok_or(HeaderError::TooMany(name))
    }

    fn list<T>(&self, name: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, HeaderError> {
        let mut found = Vec::new();
        for row in self.all(name) {
            if !within_limits(row) {
                return Err(HeaderError::TooMany(name));
            }
            for entry in entries(row) {
                if found.len() >= MAX_ENTRIES {
                    return Err(HeaderError::TooMany(name));
                }
                found.push(read(entry).ok_or(HeaderError::Malformed(name))?);
            }
        }
        Ok(found)
    }
}

fn within_limits(row: &str) -> bool {
    row.len() <= MAX_SEPARATORS || row.bytes().filter(|b| matches!(b, b';' | b',')).count() <= MAX_SEPARATORS
}

fn seconds(name: &'static str, digits: &str) -> Result<u32, HeaderError> {
    let seconds = saturating_number(trim(digits)).ok_or(HeaderError::Malformed(name))?;
    Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
}
