// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs that the provider speaks, with the names that descriptions give them.

use std::fmt;
use std::time::Duration;

use offhook_media::engine::AudioCodec as EngineCodec;
use offhook_media::{Channels, SampleRate};
use serde::{Deserialize, Serialize};

/// A codec that the provider speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[non_exhaustive]
pub enum AudioCodec {
    /// G.711 µ-law.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law.
    #[serde(rename = "PCMA")]
    Pcma,
    /// Linear, 16 bit, 8 kHz.
    #[serde(rename = "L16/8000")]
    L16Narrow,
    /// Linear, 16 bit, 16 kHz.
    #[serde(rename = "L16/16000")]
    L16Wide,
    /// Linear, 16 bit, 44.1 kHz.
    #[serde(rename = "L16/44100")]
    L16Disc,
    /// Linear, 16 bit, 44.1 kHz, two channels; both get and give the same.
    #[serde(rename = "L16/44100/2")]
    L16DiscStereo,
    /// Linear, 16 bit, 48 kHz.
    #[serde(rename = "L16/48000")]
    L16Full,
    /// Linear, 16 bit, 48 kHz, two channels; both get and give the same.
    #[serde(rename = "L16/48000/2")]
    L16FullStereo,
}

impl AudioCodec {
    /// Every codec.
    pub const ALL: [Self; 8] = [
        Self::Pcmu,
        Self::Pcma,
        Self::L16Narrow,
        Self::L16Wide,
        Self::L16Disc,
        Self::L16DiscStereo,
        Self::L16Full,
        Self::L16FullStereo,
    ];

    /// Name of the encoding as `a=rtpmap` has it.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16Narrow
            | Self::L16Wide
            | Self::L16Disc
            | Self::L16DiscStereo
            | Self::L16Full
            | Self::L16FullStereo => "L16",
        }
    }

    /// Samples a second.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        self.engine().rate()
    }

    /// Ticks of the RTP timestamp in a second, as `a=rtpmap` has them; not always the sampling rate.
    #[must_use]
    pub const fn clock(self) -> u32 {
        self.engine().clock().hertz()
    }

    /// Channels as `a=rtpmap` has them; not always those of the sound.
    #[must_use]
    pub const fn channels(self) -> u8 {
        match self {
            Self::L16DiscStereo | Self::L16FullStereo => 2,
            Self::Pcmu | Self::Pcma | Self::L16Narrow | Self::L16Wide | Self::L16Disc | Self::L16Full => 1,
        }
    }

    /// The payload type that RFC 3551 gives it for ever, if it does.
    pub(crate) const fn static_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::L16DiscStereo => Some(10),
            Self::L16Disc => Some(11),
            Self::L16Narrow | Self::L16Wide | Self::L16Full | Self::L16FullStereo => None,
        }
    }

    /// The most milliseconds of sound whose payload fits a packet.
    pub(crate) fn most_in(self, bytes: u16) -> u16 {
        u16::try_from(usize::from(bytes) * 10 / self.engine().bytes_of_10_ms().max(1)).unwrap_or(u16::MAX)
    }

    /// Milliseconds of sound in a packet that come nearest to what is wanted.
    pub(crate) fn packet(self, wanted: u16) -> u16 {
        let packet = self.engine().packet(Duration::from_millis(u64::from(wanted)));
        u16::try_from(packet.as_millis()).unwrap_or(20)
    }

    /// The same to the engine.
    #[must_use]
    pub const fn engine(self) -> EngineCodec {
        match self {
            Self::Pcmu => EngineCodec::Pcmu,
            Self::Pcma => EngineCodec::Pcma,
            Self::L16Narrow => EngineCodec::L16(SampleRate::HZ_8000, Channels::MONO),
            Self::L16Wide => EngineCodec::L16(SampleRate::HZ_16000, Channels::MONO),
            Self::L16Disc => EngineCodec::L16(SampleRate::HZ_44100, Channels::MONO),
            Self::L16DiscStereo => EngineCodec::L16(SampleRate::HZ_44100, Channels::STEREO),
            Self::L16Full => EngineCodec::L16(SampleRate::HZ_48000, Channels::MONO),
            Self::L16FullStereo => EngineCodec::L16(SampleRate::HZ_48000, Channels::STEREO),
        }
    }
}

impl fmt::Display for AudioCodec {
    /// As `a=rtpmap` has it: `PCMU/8000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.encoding(), self.clock())?;
        if self.channels() > 1 { write!(f, "/{}", self.channels()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_payload_types_are_given_once() {
        for (n, codec) in AudioCodec::ALL.into_iter().enumerate() {
            for other in &AudioCodec::ALL[n + 1..] {
                assert_ne!(codec.to_string(), other.to_string());
                assert!(codec.static_type().is_none() || codec.static_type() != other.static_type());
            }
        }
    }

    #[test]
    fn packets_of_one_frame_fit_at_every_codec() {
        for codec in AudioCodec::ALL {
            assert!(codec.most_in(1_400) >= 5, "{codec}");
        }
    }
}
