// SPDX-License-Identifier: MIT OR Apache-2.0
//! `application/dialog-info+xml` (RFC 4235): which calls somebody has.

use super::BodyError;
use super::xml::{Step, walk};

/// Dialogs beyond so many in one document are not read.
const MAX_DIALOGS: usize = 128;
/// Names of dialogs longer than this are cut.
const MAX_ID: usize = 128;

/// Which calls somebody has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogInfo {
    /// Grows by one with each document of a subscription.
    pub version: u32,
    /// Whether it is the whole state.
    pub part: Part,
    /// The dialogs.
    pub dialogs: Vec<KnownDialog>,
}

/// How much of the state a document has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the standard has these two")]
pub enum Part {
    /// All of it.
    Full,
    /// What has changed.
    Partial,
}

/// One dialog of somebody else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownDialog {
    /// Names it within the subscription.
    pub id: String,
    /// Whether it is a call to whoever is watched; `None` where that is not said.
    pub is_incoming: Option<bool>,
    /// How far it is.
    pub state: DialogState,
}

/// How far a dialog is (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DialogState {
    /// The INVITE is out.
    Trying,
    /// Something was heard, and no tag.
    Proceeding,
    /// It rings.
    Early,
    /// It was answered.
    Confirmed,
    /// It is over.
    Terminated,
}

impl DialogInfo {
    /// The media type.
    pub const KIND: &str = "application/dialog-info+xml";

    /// Reads a body. A dialog without an id or a state that is known is passed over.
    ///
    /// # Errors
    ///
    /// [`BodyError`] for what is not well-formed, and for what is no `dialog-info` with a version.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let error = |expected| BodyError { kind: Self::KIND, expected };
        let (mut version, mut part) = (None, Part::Full);
        let mut dialogs = Vec::new();
        let mut current: Option<(String, Option<bool>, String)> = None;
        let mut in_state = false;
        walk(body, |depth, step| match (depth, step) {
            (0, Step::Open(root)) if root.is("dialog-info") => {
                version = root.attribute("version").and_then(|version| version.parse().ok());
                if root.attribute("state").is_some_and(|state| state == "partial") {
                    part = Part::Partial;
                }
            }
            (1, Step::Open(element)) if element.is("dialog") => {
                let incoming = element.attribute("direction").map(|direction| direction == "recipient");
                current = element.attribute("id").map(|id| (cut(id), incoming, String::new()));
            }
            (1, Step::Close) => {
                if let Some((id, is_incoming, state)) = current.take()
                    && let Some(state) = DialogState::of(&state)
                    && dialogs.len() < MAX_DIALOGS
                {
                    dialogs.push(KnownDialog { id, is_incoming, state });
                }
            }
            (2, Step::Open(element)) => in_state = element.is("state"),
            (2, Step::Close) => in_state = false,
            (3, Step::Text(text)) if in_state => {
                if let Some((.., state)) = current.as_mut().filter(|(.., state)| state.is_empty()) {
                    text.trim().clone_into(state);
                }
            }
            _ => {}
        })
        .ok_or_else(|| error("well-formed XML without a type declaration"))?;
        let version = version.ok_or_else(|| error("a dialog-info with a version"))?;
        Ok(Self { version, part, dialogs })
    }
}

impl DialogState {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "trying" => Self::Trying,
            "proceeding" => Self::Proceeding,
            "early" => Self::Early,
            "confirmed" => Self::Confirmed,
            "terminated" => Self::Terminated,
            _ => return None,
        })
    }
}

fn cut(mut id: String) -> String {
    if id.len() > MAX_ID {
        let end = (0..=MAX_ID).rev().find(|end| id.is_char_boundary(*end)).unwrap_or_default();
        id.truncate(end);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of RFC 4235 section 6.2, with what implementations add.
    const RINGING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="partial"
                     entity="sip:101@example.org">
          <dialog id="as7d900as8" call-id="a84b4c76e66710" direction="recipient">
            <state event="2xx"> early </state>
            <remote><identity>sip:102@example.org</identity><state>confirmed</state></remote>
          </dialog>
          <dialog id="b" direction="initiator"><state>confirmed</state></dialog>
          <dialog id="c"><state>terminated</state></dialog>
          <dialog id="d"><state>dreaming</state></dialog>
          <dialog><state>early</state></dialog>
          <dialog id="e"/>
        </dialog-info>"#;

    #[test]
    fn dialogs_are_read_with_direction_and_state() {
        let info = DialogInfo::parse(RINGING.as_bytes()).unwrap();
        assert_eq!((info.version, info.part), (3, Part::Partial));
        let known = |id: &str, is_incoming, state| KnownDialog { id: id.to_owned(), is_incoming, state };
        assert_eq!(
            info.dialogs,
            [
                known("as7d900as8", Some(true), DialogState::Early),
                known("b", Some(false), DialogState::Confirmed),
                known("c", None, DialogState::Terminated),
            ]
        );
    }

    #[test]
    fn nobody_has_calls_in_an_empty_document() {
        let info = DialogInfo::parse(b"<dialog-info version='0' state='full'/>").unwrap();
        assert_eq!((info.part, info.dialogs.len()), (Part::Full, 0));
    }

    #[test]
    fn other_documents_are_refused() {
        for body in ["", "<presence version='1'/>", "<dialog-info/>", "<dialog-info version='-1'/>", "<a"] {
            assert!(DialogInfo::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_crowd_and_long_names_are_cut() {
        let one = format!("<dialog id='{}'><state>early</state></dialog>", "ä".repeat(500));
        let body = format!("<dialog-info version='1'>{}</dialog-info>", one.repeat(300));
        let info = DialogInfo::parse(body.as_bytes()).unwrap();
        assert_eq!(info.dialogs.len(), MAX_DIALOGS);
        assert!(info.dialogs.iter().all(|dialog| dialog.id.len() <= MAX_ID));
    }
}
