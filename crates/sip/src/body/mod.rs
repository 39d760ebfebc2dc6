// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bodies that NOTIFYs bring: messages that wait (RFC 3842), dialogs (RFC 4235) and presence (RFC 3863).
//!
//! All of them come from strangers. Documents with a type declaration are refused and entities stay as they are
//! written, so nothing expands; what is kept of a document is bounded.

mod dialogs;
mod presence;
mod summary;
mod xml;

pub use dialogs::{DialogInfo, DialogState, KnownDialog, Part};
pub use presence::Presence;
pub use summary::{MessageCounts, MessageSummary};

/// A body is not what its type says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind}: expected {expected}")]
pub struct BodyError {
    /// The media type.
    pub kind: &'static str,
    /// What was expected.
    pub expected: &'static str,
}
