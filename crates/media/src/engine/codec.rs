// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs a leg speaks, as values that can change in mid-call without memory changing hands.

use std::fmt;
use std::time::Duration;

use crate::codec::{Alaw, Codec, G722, G726, G726Packing, G726Rate, G729, L16, Opus, OpusSettings, Ulaw};
use crate::format::{Channels, SampleRate};
use crate::quality::Impairment;
use crate::rtp::PayloadType;

/// Payload bytes of 10 ms of Opus at 128 kbit/s, more than speech takes; longer packets take more blocks.
const OPUS_10_MS: usize = 160;

/// A codec, and how it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudioCodec {
    /// G.722 (RFC 3551 section 4.5.2).
    G722,
    /// G.726 (RFC 3551 section 4.5.4).
    G726(G726Rate, G726Packing),
    /// G.729 (RFC 3551 section 4.5.6); silence frames are understood and not sent.
    G729,
    /// 16-bit linear (RFC 3551 section 4.5.11).
    L16(SampleRate, Channels),
    /// Opus (RFC 7587).
    Opus(OpusSettings),
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
            Self::G722 => SampleRate::HZ_16000,
            Self::L16(rate, _) => rate,
            Self::Opus(settings) => settings.rate.rate(),
            Self::G726(..) | Self::G729 | Self::Pcma | Self::Pcmu => SampleRate::HZ_8000,
        }
    }

    /// Ticks of the RTP clock a second; not always the rate (RFC 3551 section 4.5.2, RFC 7587 section 4.1).
    #[must_use]
    pub const fn clock(self) -> SampleRate {
        match self {
            Self::L16(rate, _) => rate,
            Self::Opus(_) => SampleRate::HZ_48000,
            Self::G722 | Self::G726(..) | Self::G729 | Self::Pcma | Self::Pcmu => SampleRate::HZ_8000,
        }
    }

    /// Channels of its sound; frames of a leg have one.
    #[must_use]
    pub const fn channels(self) -> Channels {
        match self {
            Self::L16(_, channels) => channels,
            Self::Opus(settings) => settings.channels.channels(),
            Self::G722 | Self::G726(..) | Self::G729 | Self::Pcma | Self::Pcmu => Channels::MONO,
        }
    }

    /// Whether every sample stands for itself, so that any part of a payload can be played.
    #[must_use]
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::L16(..) | Self::Pcma | Self::Pcmu)
    }

    /// The most payload bytes of 10 ms in usual use, by which buffers are sized.
    #[must_use]
    pub const fn bytes_of_10_ms(self) -> usize {
        match self {
            Self::G726(rate, _) => rate.bits() * 10,
            Self::G729 => 10,
            Self::L16(rate, channels) => rate.hertz() as usize / 100 * 2 * channels.count(),
            Self::Opus(_) => OPUS_10_MS,
            Self::G722 | Self::Pcma | Self::Pcmu => 80,
        }
    }

    /// Sound in a packet when `wanted` is asked for: 10 to 60 ms, in steps that the codec has.
    #[must_use]
    pub fn packet(self, wanted: Duration) -> Duration {
        let millis = (wanted.as_millis().clamp(10, 60) / 10 * 10) as u64;
        // RFC 6716 section 2.1.4 has none of 30 and 50 ms.
        let millis = if matches!(self, Self::Opus(_)) && millis > 20 { millis / 20 * 20 } else { millis };
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
            Self::G722 | Self::G726(..) | Self::G729 | Self::Opus(_) | Self::Pcma | Self::Pcmu => 1,
        }
    }

    /// What a codec with state remembers, at its beginning; `None` for one without.
    pub(super) fn state(self) -> Option<Box<dyn Codec>> {
        match self {
            Self::G722 => Some(Box::new(G722::new())),
            Self::G726(rate, packing) => Some(Box::new(G726::new(rate, packing))),
            Self::G729 => Some(Box::new(G729::default())),
            Self::Opus(settings) => Some(Box::new(Opus::new(settings))),
            Self::L16(..) | Self::Pcma | Self::Pcmu => None,
        }
    }

    /// What loss does to it, where that is known.
    pub(super) const fn impairment(self) -> Option<Impairment> {
        match self {
            // Linear samples at any rate, on the narrowband scale.
            Self::L16(..) | Self::Pcma | Self::Pcmu => Some(Impairment::G711),
            Self::G726(G726Rate::Kbit16, _) => Some(Impairment::G726_16),
            Self::G726(G726Rate::Kbit24, _) => Some(Impairment::G726_24),
            Self::G726(G726Rate::Kbit32, _) => Some(Impairment::G726_32),
            Self::G726(G726Rate::Kbit40, _) => Some(Impairment::G726_40),
            Self::G729 => Some(Impairment::G729A),
            // Wideband has a scale of its own (G.107.1), and what loss does on it is not known here.
            Self::G722 | Self::Opus(_) => None,
        }
    }

    /// Encodes without state.
    #[inline]
    pub(super) fn encode(self, pcm: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::L16(rate, channels) => L16::new(rate, channels).encode(pcm, payload),
            Self::Pcma => Alaw.encode(pcm, payload),
            Self::Pcmu => Ulaw.encode(pcm, payload),
            Self::G722 | Self::G726(..) | Self::G729 | Self::Opus(_) => 0,
        }
    }

    /// Decodes without state.
    #[inline]
    pub(super) fn decode(self, payload: &[u8], pcm: &mut [i16]) -> usize {
        match self {
            Self::L16(rate, channels) => L16::new(rate, channels).decode(payload, pcm),
            Self::Pcma => Alaw.decode(payload, pcm),
            Self::Pcmu => Ulaw.decode(payload, pcm),
            Self::G722 | Self::G726(..) | Self::G729 | Self::Opus(_) => 0,
        }
    }
}

impl fmt::Display for AudioCodec {
    /// As SDP writes it: `PCMU/8000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::G722 => f.write_str("G722/8000"),
            Self::G726(rate, packing) => {
                let order = if *packing == G726Packing::Aal2 { "AAL2-" } else { "" };
                write!(f, "{order}G726-{}/8000", rate.bits() * 8)
            }
            Self::G729 => f.write_str("G729/8000"),
            Self::Opus(_) => f.write_str("opus/48000/2"),
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
