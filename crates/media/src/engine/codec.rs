// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs a leg speaks, as values that can change in mid-call without memory changing hands.

use std::fmt;

use crate::codec::{Alaw, Codec, L16, Sampling, Ulaw};
use crate::format::{Channels, SampleRate};
use crate::rtp::PayloadType;

/// A codec without state: every sample stands for itself, so any part of a payload can be played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudioCodec {
    /// 16-bit linear, one channel.
    L16(SampleRate),
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl AudioCodec {
    /// Samples, and ticks of the RTP clock, a second.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::L16(rate) => rate,
            Self::Pcma | Self::Pcmu => Sampling::NARROWBAND.rate,
        }
    }

    /// Payload bytes a sample.
    #[must_use]
    pub const fn sample_bytes(self) -> usize {
        match self {
            Self::L16(_) => 2,
            Self::Pcma | Self::Pcmu => 1,
        }
    }

    pub(super) fn encode(self, pcm: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::L16(rate) => L16::new(rate, Channels::MONO).encode(pcm, payload),
            Self::Pcma => Alaw.encode(pcm, payload),
            Self::Pcmu => Ulaw.encode(pcm, payload),
        }
    }

    pub(super) fn decode(self, payload: &[u8], pcm: &mut [i16]) -> usize {
        match self {
            Self::L16(rate) => L16::new(rate, Channels::MONO).decode(payload, pcm),
            Self::Pcma => Alaw.decode(payload, pcm),
            Self::Pcmu => Ulaw.decode(payload, pcm),
        }
    }
}

impl fmt::Display for AudioCodec {
    /// As SDP writes it: `PCMU/8000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L16(rate) => write!(f, "L16/{}", rate.hertz()),
            Self::Pcma => f.write_str("PCMA/8000"),
            Self::Pcmu => f.write_str("PCMU/8000"),
        }
    }
}

/// The codecs that may come in, by payload type: any of them, at any moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceiveFormats([Option<(PayloadType, AudioCodec)>; Self::MAX]);

impl ReceiveFormats {
    /// Formats kept.
    pub const MAX: usize = 6;

    /// Takes the first [`Self::MAX`] of `formats`.
    pub fn new(formats: impl IntoIterator<Item = (PayloadType, AudioCodec)>) -> Self {
        let mut kept = [None; Self::MAX];
        for (place, format) in kept.iter_mut().zip(formats) {
            *place = Some(format);
        }
        Self(kept)
    }

    /// What a payload type stands for.
    #[inline]
    #[must_use]
    pub fn codec(&self, payload_type: PayloadType) -> Option<AudioCodec> {
        self.0.iter().flatten().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (PayloadType, AudioCodec)> {
        self.0.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_types_are_looked_up() {
        let formats = ReceiveFormats::new([(PayloadType::PCMA, AudioCodec::Pcma)]);
        assert_eq!(formats.codec(PayloadType::PCMA), Some(AudioCodec::Pcma));
        assert_eq!(formats.codec(PayloadType::PCMU), None);
        assert_eq!(formats.iter().count(), 1);
    }

    #[test]
    fn names_are_those_of_sdp() {
        let names = [AudioCodec::Pcma, AudioCodec::Pcmu, AudioCodec::L16(SampleRate::HZ_16000)]
            .map(|c| c.to_string());
        assert_eq!(names, ["PCMA/8000", "PCMU/8000", "L16/16000"]);
    }
}
