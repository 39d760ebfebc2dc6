// SPDX-License-Identifier: MIT OR Apache-2.0
//! `application/pidf+xml` (RFC 3863), with what RFC 4480 adds about what somebody does.

use super::BodyError;
use super::xml::{Step, walk};

/// Whether somebody can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Presence {
    /// Nowhere.
    Closed,
    /// Somewhere, and in a call or busy otherwise.
    Busy,
    /// Somewhere.
    Open,
}

impl Presence {
    /// The media type.
    pub const KIND: &str = "application/pidf+xml";

    /// Reads a body: one place that is open is enough.
    ///
    /// # Errors
    ///
    /// [`BodyError`] for what is not well-formed, and for what is no `presence`.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let error = |expected| BodyError { kind: Self::KIND, expected };
        let (mut is_presence, mut is_open, mut is_busy) = (false, false, false);
        let (mut in_basic, mut in_activities) = (false, false);
        walk(body, |depth, step| match (depth, step) {
            (0, Step::Open(root)) => is_presence = root.is("presence"),
            // presence > tuple > status > basic
            (3, Step::Open(element)) if element.is("basic") => in_basic = true,
            (3, Step::Close) => in_basic = false,
            (4, Step::Text(text)) if in_basic => is_open |= text.trim() == "open",
            // Inside a person, or inside a tuple, where some put it.
            (2, Step::Open(element)) => in_activities = element.is("activities"),
            (3, Step::Open(element)) if in_activities => {
                is_busy |= element.is("on-the-phone") || element.is("busy");
            }
            _ => {}
        })
        .ok_or_else(|| error("well-formed XML without a type declaration"))?;
        match (is_presence, is_open, is_busy) {
            (false, ..) => Err(error("a presence document")),
            (true, false, _) => Ok(Self::Closed),
            (true, true, true) => Ok(Self::Busy),
            (true, true, false) => Ok(Self::Open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_open_place_is_enough() {
        let tuple = |basic: &str| format!("<tuple id='a'><status><basic>{basic}</basic></status></tuple>");
        let busy = "<dm:person><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>";
        for (inside, presence) in [
            (tuple("open"), Presence::Open),
            (tuple(" closed "), Presence::Closed),
            (tuple("closed") + &tuple("open"), Presence::Open),
            (String::new(), Presence::Closed),
            (tuple("open") + busy, Presence::Busy),
            (tuple("closed") + busy, Presence::Closed),
            ("<note>open</note>".to_owned(), Presence::Closed),
        ] {
            let body = format!(
                "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='d' \
                 xmlns:rpid='r' entity='pres:a@b'>{inside}</presence>"
            );
            assert_eq!(Presence::parse(body.as_bytes()), Ok(presence), "{body}");
        }
    }

    #[test]
    fn other_documents_are_refused() {
        for body in ["", "<a/>", "<presence>"] {
            assert!(Presence::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
