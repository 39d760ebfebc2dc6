// SPDX-License-Identifier: MIT OR Apache-2.0
//! The schema that a SIP TSP and an RTP MSP share: offers and answers (RFC 3264) around SDP text
//! (RFC 8866). The core relays it unread.

use serde::{Deserialize, Serialize};

use crate::media::Flowing;
use crate::opaque::{Opaque, SchemaId};

/// Name of the schema.
pub const SDP_SCHEMA: &str = "offhook.sdp";

/// Whose session takes part in a bridge.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "who takes part is there or here")]
pub enum BridgeSide {
    /// This side's own place, with no far end: what its terminals say goes to the parties, and what all parties say
    /// comes in.
    Own,
    /// A party of a call.
    Party,
}

/// What a TSP and an MSP say to each other about one session.
///
/// | direction | outgoing call | incoming call |
/// |---|---|---|
/// | TSP → MSP | `OfferWanted` | `Offer` |
/// | MSP → TSP | `Offer` | `Answer` or `Unacceptable` |
/// | TSP → MSP | `EarlyAnswer` at 18x, `Answer` at 2xx | `Commit` once the answer is on its way |
///
/// Either side may begin a new exchange once the last is complete: hold is `OfferWanted` with a
/// different flow. `Join` and `Leave` may come at any time: a TSP that mixes conferences itself says by them who
/// talks with whom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SdpMessage {
    /// To the MSP: write an offer in which our media flow so.
    OfferWanted {
        /// Which way media shall flow, seen from this side.
        flow: Flowing,
    },
    /// Either way: an offer.
    Offer {
        /// SDP text.
        sdp: String,
    },
    /// To the MSP: the far end's answer to our offer before it has answered the call. It may be
    /// followed by others, and is replaced by [`SdpMessage::Answer`].
    EarlyAnswer {
        /// SDP text.
        sdp: String,
    },
    /// Either way: the answer to the offer.
    Answer {
        /// SDP text.
        sdp: String,
    },
    /// To the MSP: the answer that it wrote has been sent in a reply that opens the media (18x or
    /// 2xx): it may send now. Until then it only receives.
    Commit,
    /// To the MSP: the session takes part in a bridge of its line: it hears every other session there and is heard
    /// by it. A session that takes part already changes over.
    Join {
        /// Number of the bridge, chosen by the TSP; the first session that joins makes it.
        bridge: u64,
        /// Whose session it is.
        side: BridgeSide,
    },
    /// To the MSP: the session takes part in no bridge any more; a bridge ends with its last session.
    Leave,
    /// To the MSP: from now on the far end hears this file, again and again, instead of what files and programs on the
    /// outgoing stream say; those stand still meanwhile.
    Music {
        /// A WAV file, seen from the MSP's process; `None` lets the terminals speak again.
        path: Option<String>,
    },
    /// To the MSP: the last offer came to nothing, what was agreed before stands (RFC 3264 section 8).
    Rollback,
    /// To the TSP: the offer or answer cannot be used (SIP says 488).
    Unacceptable {
        /// One sentence for people.
        detail: String,
    },
}

impl SdpMessage {
    /// Packs the message for a relay.
    #[must_use]
    pub fn into_opaque(self) -> Opaque {
        let data = serde_json::to_string(&self).unwrap_or_default();
        Opaque { schema: SchemaId::new(SDP_SCHEMA), data }
    }

    /// Reads a relayed message; `None` when the schema is another or the bytes are not understood.
    #[must_use]
    pub fn from_opaque(opaque: &Opaque) -> Option<Self> {
        if opaque.schema.0 != SDP_SCHEMA {
            return None;
        }
        serde_json::from_str(&opaque.data).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_relay() {
        let message = SdpMessage::Offer { sdp: "v=0\r\n".to_owned() };
        assert_eq!(SdpMessage::from_opaque(&message.clone().into_opaque()), Some(message));
    }

    #[test]
    fn another_schema_is_not_read() {
        let mut opaque = SdpMessage::Commit.into_opaque();
        opaque.schema = SchemaId::new("acme.blob");
        assert_eq!(SdpMessage::from_opaque(&opaque), None);
    }
}
