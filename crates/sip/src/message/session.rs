// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of reliable provisional responses (RFC 3262 section 7) and of session timers (RFC 4028).

use std::fmt;

use super::event::head_and_params;
use super::grammar::{saturating_number, trim};
use super::headers::Headers;
use super::method::Method;
use super::name;
use super::typed::HeaderError;

/// Which reliable response a PRACK acknowledges.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RAck {
    /// The response's number.
    pub rseq: u32,
    /// The number of the request that it answers.
    pub cseq: u32,
    /// The method of that request.
    pub method: Method,
}

/// How long a session lives without a refresh, and who refreshes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// Who refreshes, if that is said.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session, seen from the request that carries the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a request has two ends")]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

impl RAck {
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
        let mut number = || u32::try_from(saturating_number(words.next()?)?).ok();
        let (rseq, cseq) = (number()?, number()?);
        let method = Method::parse(words.next()?)?;
        words.next().is_none().then_some(Self { rseq, cseq, method })
    }
}

impl Headers {
    /// Which response a PRACK acknowledges.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn rack(&self) -> Result<RAck, HeaderError> {
        let value = self.get(name::RACK).ok_or(HeaderError::Missing(name::RACK))?;
        RAck::parse(value).ok_or(HeaderError::Malformed(name::RACK))
    }

    /// The number of a reliable response.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or no number of 32 bits.
    pub fn rseq(&self) -> Result<u32, HeaderError> {
        let value = self.get(name::RSEQ).ok_or(HeaderError::Missing(name::RSEQ))?;
        let number = saturating_number(trim(value)).and_then(|number| u32::try_from(number).ok());
        number.ok_or(HeaderError::Malformed(name::RSEQ))
    }

    /// How long the session lives without a refresh.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is malformed.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        let Some(value) = self.get(name::SESSION_EXPIRES) else { return Ok(None) };
        let malformed = HeaderError::Malformed(name::SESSION_EXPIRES);
        let (head, params) = head_and_params(value).ok_or(malformed)?;
        let seconds = saturating_number(head).ok_or(malformed)?;
        let refresher = match params.value("refresher") {
            Some(word) if word.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(word) if word.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(Some(SessionExpires { seconds: u32::try_from(seconds).unwrap_or(u32::MAX), refresher }))
    }

    /// The shortest interval that somebody on the way accepts.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is malformed.
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.get(name::MIN_SE) else { return Ok(None) };
        let malformed = HeaderError::Malformed(name::MIN_SE);
        let (head, _) = head_and_params(value).ok_or(malformed)?;
        let seconds = saturating_number(head).ok_or(malformed)?;
        Ok(Some(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// Whether an option tag or method is in a list of them, such as `Supported`, `Require` or `Allow`.
    #[must_use]
    pub fn lists(&self, name: &str, tag: &str) -> bool {
        self.option_tags(name).any(|listed| listed.eq_ignore_ascii_case(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    #[test]
    fn acknowledged_responses_are_read_and_written() {
        let rack = with("RAck", "776656  1 INVITE").rack().unwrap();
        assert_eq!((rack.rseq, rack.cseq, rack.method.clone()), (776_656, 1, Method::INVITE));
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for wrong in ["", "1", "1 2", "1 2 INVITE x", "x 2 INVITE", "1 99999999999 INVITE"] {
            assert!(with("RAck", wrong).rack().is_err(), "{wrong}");
        }
        assert_eq!(with("RSeq", "4294967295").rseq(), Ok(u32::MAX));
        assert!(with("RSeq", "4294967296").rseq().is_err() && Headers::new().rseq().is_err());
    }

    #[test]
    fn intervals_are_read_with_and_without_a_refresher() {
        for (name, value, seconds, refresher) in [
            ("Session-Expires", "1800", 1_800, None),
            ("x", "4000;refresher=uac", 4_000, Some(Refresher::Uac)),
            ("Session-Expires", "90 ; Refresher = UAS", 90, Some(Refresher::Uas)),
            ("Session-Expires", "90;refresher=both", 90, None),
            ("Session-Expires", "99999999999", u32::MAX, None),
        ] {
            let read = with(name, value).session_expires().unwrap().unwrap();
            assert_eq!(read, SessionExpires { seconds, refresher }, "{value}");
        }
        assert!(with("Session-Expires", "soon").session_expires().is_err());
        assert_eq!(Headers::new().session_expires(), Ok(None));
        assert_eq!(with("Min-SE", "120;x=y").min_se(), Ok(Some(120)));
        let text = SessionExpires { seconds: 90, refresher: Some(Refresher::Uas) }.to_string();
        assert_eq!(text, "90;refresher=uas");
    }
}
