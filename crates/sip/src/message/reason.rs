// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reason values (RFC 3326).

use std::fmt;

use sip_header::{HeaderParse, SipReason};

use super::grammar::is_token;
use super::params::Quoted;

/// One value of a Reason header: why a request was sent or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonValue {
    /// Whose numbers the cause is from: `Q.850`, `SIP`.
    pub protocol: String,
    /// The number.
    pub cause: Option<u16>,
    /// Words for people.
    pub text: Option<String>,
}

impl ReasonValue {
    /// A value with a cause and no words.
    #[must_use]
    pub fn new(protocol: &str, cause: u16) -> Self {
        Self { protocol: protocol.to_owned(), cause: Some(cause), text: None }
    }

    pub(super) fn parse(entry: &str) -> Option<Self> {
        let reason = SipReason::parse(entry).ok()?;
        is_token(reason.protocol()).then(|| Self {
            protocol: reason.protocol().to_owned(),
            cause: reason.cause().and_then(|cause| cause.as_u16()),
            text: reason.text().map(str::to_owned),
        })
    }
}

impl fmt::Display for ReasonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", Quoted(text))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_and_written() {
        let reason =
            ReasonValue::parse("Q.850 ;cause=16 ; text=\"Normal \\\"call\\\" clearing\"").expect("reason");
        assert_eq!((reason.protocol.as_str(), reason.cause), ("Q.850", Some(16)));
        assert_eq!(reason.to_string(), "Q.850;cause=16;text=\"Normal \\\"call\\\" clearing\"");
        assert_eq!(ReasonValue::new("SIP", 200).to_string(), "SIP;cause=200");
        assert_eq!(ReasonValue::parse("SIP;cause=99999999999").and_then(|reason| reason.cause), None);
    }
}
