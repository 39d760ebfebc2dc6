// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers and answers (RFC 3264) over session descriptions (RFC 8866): text in, text and agreement out.
//!
//! [`Negotiation`] is the whole story of one session; [`describe`] reads what the far end wrote, [`write`]
//! writes what we say. Descriptions come from strangers: size and count are bounded before anything is
//! parsed, and what is not understood is ignored, as RFC 8866 section 5.13 asks for attributes.

mod crypto;
mod describe;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod negotiation;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use offhook_spi::Flowing;

use crate::codec::{AudioCodec, Wish};

pub(crate) use crypto::{Crypto, Security};
pub(crate) use describe::Mux;
pub(crate) use negotiation::Negotiation;

/// The longest description that is read, in bytes.
const MAX_TEXT: usize = 32 * 1024;
/// The most media lines that are read.
const MAX_LINES: usize = 16;
/// The most formats of one media line that are looked at.
const MAX_FORMATS: usize = 64;

/// What this side offers and where it listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Local {
    /// Address that we name.
    pub(crate) address: IpAddr,
    /// Port for RTP.
    pub(crate) port: u16,
    /// Port for RTCP; `None` when there is no RTCP.
    pub(crate) rtcp: Option<u16>,
    /// Whether reports may share the port of the sound when the far end offers that.
    pub(crate) mux: Mux,
    /// Codecs in order of preference.
    pub(crate) codecs: Vec<AudioCodec>,
    /// Whether telephone-events are offered and accepted.
    pub(crate) events: Events,
    /// Milliseconds of sound in a packet that we like.
    pub(crate) ptime: u16,
    /// Number of the session in `o=`.
    pub(crate) id: u64,
    /// Whether sound is protected, and with which keys.
    pub(crate) security: Security,
}

/// Whether telephone-events are spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Events {
    /// They are.
    Spoken,
    /// They are not.
    Unknown,
}

/// What both sides agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Agreed {
    /// Which way sound flows, seen from here.
    pub(crate) flow: Flowing,
    /// Where our packets go; `None` when the far end names no place (old hold) or refused the line.
    pub(crate) remote: Option<SocketAddr>,
    /// How reports travel.
    pub(crate) rtcp: Rtcp,
    /// What we send.
    pub(crate) send: Mapping,
    /// How the far end wishes to get it.
    pub(crate) wish: Wish,
    /// What may come; the far end may change between them at any packet.
    pub(crate) receive: Vec<Mapping>,
    /// Telephone-events, if both sides speak them.
    pub(crate) events: Option<EventTypes>,
    /// Milliseconds of sound in a packet that we send.
    pub(crate) ptime: u16,
    /// Keys, if sound is protected.
    pub(crate) crypto: Option<Crypto>,
}

/// A codec under its payload type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mapping {
    /// The payload type.
    pub(crate) payload_type: u8,
    /// The codec.
    pub(crate) codec: AudioCodec,
}

/// How telephone-events travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct EventTypes {
    /// Payload type of those that we send.
    pub(crate) send: u8,
    /// Payload type of those that come.
    pub(crate) receive: u8,
    /// Events that the far end understands, as bits.
    pub(crate) understood: u32,
}

/// How reports travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rtcp {
    /// With the sound, on one port (RFC 5761).
    Muxed,
    /// Not at all.
    Off,
    /// On a port of their own.
    To(SocketAddr),
}

/// Why a description cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unacceptable {
    /// The far end answered our line with port 0.
    LineRefused,
    /// It is not a session description.
    Malformed(String),
    /// No line can be used; the reason for each.
    NothingUsable(Vec<String>),
    /// There is no open offer that it could answer.
    NoOffer,
    /// Longer than what is read.
    TooLong,
    /// More media lines than are read.
    TooManyLines,
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineRefused => f.write_str("the far end refused our audio"),
            Self::Malformed(detail) => write!(f, "the description cannot be read: {detail}"),
            Self::NothingUsable(reasons) if reasons.is_empty() => {
                f.write_str("the description has no media, expected audio")
            }
            Self::NothingUsable(reasons) => {
                write!(f, "no media line can be used: {}", reasons.join("; "))
            }
            Self::NoOffer => f.write_str("an answer came without an offer"),
            Self::TooLong => write!(f, "the description is longer than {MAX_TEXT} bytes"),
            Self::TooManyLines => write!(f, "the description has more than {MAX_LINES} media lines"),
        }
    }
}

impl std::error::Error for Unacceptable {}

/// A stranger's word, short enough and plain enough to be shown.
fn short(word: &str) -> String {
    word.chars().filter(|c| c.is_ascii_graphic()).take(24).collect()
}
