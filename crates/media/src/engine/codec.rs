// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs a leg speaks, as values that can change in mid-call without memory changing hands.

use std::fmt;
use std::time::Duration;

use crate::codec::{Alaw, Codec, L16, Ulaw};
use crate::format::{Channels, SampleRate};
use crate::rtp::PayloadType;

/// A codec, and how it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudioCodec {
    /// 16-bit linear (RFC 3551 section 4.5.11).
    L16(SampleRate, Channels),
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl AudioCodec {
    /// Samples a second.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::L16(rate, _) => rate,
            Self::Pcma | Self::Pcmu => SampleRate::HZ_8000,
        }
    }

    /// Ticks of the RTP clock a second; not always the rate (RFC 3551 section 4.5.2, RFC 7587 section 4.1).
    #[must_use]
    pub const fn clock(self) -> SampleRate {
        match self {
            Self::L16(rate, _) => rate,
            Self::Pcma | Self::Pcmu => SampleRate::HZ_8000,
        }
    }

    /// Channels of its sound; frames of a leg have one.
    #[must_use]
    pub const fn channels(self) -> Channels {
        match self {
            Self::L16(_, channels) => channels,
            Self::Pcma | Self::Pcmu => Channels::MONO,
        }
    }

    /// Whether every sample stands for itself, so that any part of a payload can be played.
    #[must_use]
    pub const fn is_stateless(self) -> bool {
        match self {
            Self::L16(..) | Self::Pcma | Self::Pcmu => true,
        }
    }

    /// The most payload bytes of 10 ms in usual use, by which buffers are sized.
    #[must_use]
    pub const fn bytes_of_10_ms(self) -> usize {
        match self {
            Self::L16(rate, channels) => rate.hertz() as usize / 100 * 2 * channels.count(),
            Self::Pcma | Self::Pcmu => 80,
        }
    }

    /// Sound in a packet when `wanted` is asked for: 10 to 60 ms, in steps that the codec has.
    #[must_use]
    pub fn packet(self, wanted: Duration) -> Duration {
        let millis = (wanted.as_millis().clamp(10, 60) / 10 * 10) as u64;
        Duration::from_millis(millis)
    }

    /// Ticks of the RTP clock that `samples` of one channel last.
    #[inline]
    pub(super) const fn ticks(self, samples: u32) -> u32 {
        let (rate, clock) = (self.rate().hertz(), self.clock().hertz());
        if rate == clock { samples } else { (samples as u64 * clock as u64 / rate as u64) as u32 }
    }

    /// Samples of one channel in so many ticks of the RTP clock.
    #[inline]
    pub(super) const fn samples(self, ticks: u32) -> u32 {
        let (rate, clock) = (self.rate().hertz(), self.clock().hertz());
        if rate == clock { ticks } else { (ticks as u64 * rate as u64 / clock as u64) as u32 }
    }

    /// Payload bytes that one sample of each channel takes; of use only without state.
    pub(super) const fn sample_bytes(self) -> usize {
        match self {
            Self::L16(_, channels) => 2 * channels.count(),
            Self::Pcma | Self::Pcmu => 1,
        }
    }

    /// What a codec with state remembers, at its beginning; `None` for one without.
    pub(super) fn state(self) -> Option<Box<dyn Codec>> {
        match self {
            Self::L16(..) | Self::Pcma | Self::Pcmu => None,
        }
    }

    /// Encodes without state.
    #[inline]
    pub(super) fn encode(self, pcm: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::L16(rate, channels) => L16::new(rate, channels).encode(pcm, payload),
            Self::Pcma => Alaw.encode(pcm, payload),
            Self::Pcmu => Ulaw.encode(pcm, payload),
        }
    }

    /// Decodes without state.
    #[inline]
    pub(super) fn decode(self, payload: &[u8], pcm: &mut [i16]) -> usize {
        match self {
            Self::L16(rate, channels) => L16::new(rate, channels).decode(payload, pcm),
            Self::Pcma => Alaw.decode(payload, pcm),
            Self::Pcmu => Ulaw.decode(payload, pcm),
        }
    }
}

impl fmt::Display for AudioCodec {
    /// As SDP writes it: `PCMU/8000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L16(rate, channels) if channels.count() > 1 => {
                write!(f, "L16/{}/{}", rate.hertz(), channels.count())
            }
            Self::L16(rate, _) => write!(f, "L16/{}", rate.hertz()),
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
    pub const MAX: usize = 12;

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
        let names =
            [AudioCodec::Pcma, AudioCodec::Pcmu, AudioCodec::L16(SampleRate::HZ_16000, Channels::MONO)]
                .map(|c| c.to_string());
        assert_eq!(names, ["PCMA/8000", "PCMU/8000", "L16/16000"]);
    }
}
