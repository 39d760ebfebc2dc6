// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs that the provider speaks, with the names that descriptions give them.

use std::fmt;
use std::time::Duration;

use offhook_media::codec::{G726Packing, G726Rate, OpusChannels, OpusRate, OpusSettings};
use offhook_media::engine::AudioCodec as EngineCodec;
use offhook_media::{Channels, SampleRate};
use serde::{Deserialize, Serialize};

/// How Opus runs: wideband speech at a server's cost.
const OPUS: OpusSettings = OpusSettings {
    rate: OpusRate::Hz16000,
    channels: OpusChannels::Mono,
    bitrate: 24_000,
    complexity: 5,
    fec: false,
    dtx: false,
    expected_loss: 0,
};
/// The loss that copies of frames are made for, in percent.
const EXPECTED_LOSS: u8 = 10;

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
    /// Opus at 16 kHz.
    #[serde(rename = "opus")]
    Opus,
    /// G.722, wideband.
    #[serde(rename = "G722")]
    G722,
    /// G.729; annex B is understood and not sent.
    #[serde(rename = "G729")]
    G729,
    /// G.726 at 16 kbit/s.
    #[serde(rename = "G726-16")]
    G726At16,
    /// G.726 at 24 kbit/s.
    #[serde(rename = "G726-24")]
    G726At24,
    /// G.726 at 32 kbit/s.
    #[serde(rename = "G726-32")]
    G726At32,
    /// G.726 at 40 kbit/s.
    #[serde(rename = "G726-40")]
    G726At40,
    /// G.726 at 16 kbit/s in the bit order of AAL2.
    #[serde(rename = "AAL2-G726-16")]
    Aal2At16,
    /// G.726 at 24 kbit/s in the bit order of AAL2.
    #[serde(rename = "AAL2-G726-24")]
    Aal2At24,
    /// G.726 at 32 kbit/s in the bit order of AAL2.
    #[serde(rename = "AAL2-G726-32")]
    Aal2At32,
    /// G.726 at 40 kbit/s in the bit order of AAL2.
    #[serde(rename = "AAL2-G726-40")]
    Aal2At40,
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
    pub const ALL: [Self; 19] = [
        Self::Pcmu,
        Self::Pcma,
        Self::Opus,
        Self::G722,
        Self::G729,
        Self::G726At16,
        Self::G726At24,
        Self::G726At32,
        Self::G726At40,
        Self::Aal2At16,
        Self::Aal2At24,
        Self::Aal2At32,
        Self::Aal2At40,
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
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::G729 => "G729",
            Self::G726At16 => "G726-16",
            Self::G726At24 => "G726-24",
            Self::G726At32 => "G726-32",
            Self::G726At40 => "G726-40",
            Self::Aal2At16 => "AAL2-G726-16",
            Self::Aal2At24 => "AAL2-G726-24",
            Self::Aal2At32 => "AAL2-G726-32",
            Self::Aal2At40 => "AAL2-G726-40",
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
        // RFC 7587 section 7: Opus always says two.
        if matches!(self, Self::L16DiscStereo | Self::L16FullStereo | Self::Opus) { 2 } else { 1 }
    }

    /// The payload type that RFC 3551 gives it for ever, if it does.
    pub(crate) const fn static_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::L16DiscStereo => Some(10),
            Self::L16Disc => Some(11),
            Self::G729 => Some(18),
            _ => None,
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
            Self::Opus => EngineCodec::Opus(OPUS),
            Self::G722 => EngineCodec::G722,
            Self::G729 => EngineCodec::G729,
            Self::G726At16 => EngineCodec::G726(G726Rate::Kbit16, G726Packing::Rfc3551),
            Self::G726At24 => EngineCodec::G726(G726Rate::Kbit24, G726Packing::Rfc3551),
            Self::G726At32 => EngineCodec::G726(G726Rate::Kbit32, G726Packing::Rfc3551),
            Self::G726At40 => EngineCodec::G726(G726Rate::Kbit40, G726Packing::Rfc3551),
            Self::Aal2At16 => EngineCodec::G726(G726Rate::Kbit16, G726Packing::Aal2),
            Self::Aal2At24 => EngineCodec::G726(G726Rate::Kbit24, G726Packing::Aal2),
            Self::Aal2At32 => EngineCodec::G726(G726Rate::Kbit32, G726Packing::Aal2),
            Self::Aal2At40 => EngineCodec::G726(G726Rate::Kbit40, G726Packing::Aal2),
            Self::L16Narrow => EngineCodec::L16(SampleRate::HZ_8000, Channels::MONO),
            Self::L16Wide => EngineCodec::L16(SampleRate::HZ_16000, Channels::MONO),
            Self::L16Disc => EngineCodec::L16(SampleRate::HZ_44100, Channels::MONO),
            Self::L16DiscStereo => EngineCodec::L16(SampleRate::HZ_44100, Channels::STEREO),
            Self::L16Full => EngineCodec::L16(SampleRate::HZ_48000, Channels::MONO),
            Self::L16FullStereo => EngineCodec::L16(SampleRate::HZ_48000, Channels::STEREO),
        }
    }
}

impl AudioCodec {
    /// What we say of it in `a=fmtp`, if anything.
    pub(crate) const fn parameters(self) -> Option<&'static str> {
        match self {
            // RFC 7587 section 6.1: more would only be thrown away.
            Self::Opus => Some("maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1"),
            // RFC 4856 section 2.1.9: silence frames are taken unless refused.
            _ => None,
        }
    }

    /// The same to the engine, as the far end wishes to get it.
    pub(crate) fn engine_as(self, wish: Wish) -> EngineCodec {
        match self.engine() {
            EngineCodec::Opus(settings) => EngineCodec::Opus(OpusSettings {
                bitrate: wish.bitrate.unwrap_or(settings.bitrate).min(settings.bitrate),
                fec: wish.fec,
                // Copies of the frame before are sent only where some loss is to be expected.
                expected_loss: if wish.fec { EXPECTED_LOSS } else { 0 },
                dtx: wish.dtx,
                ..settings
            }),
            other => other,
        }
    }
}

/// What the far end wishes of a codec in `a=fmtp`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wish {
    /// Copies of frames against loss (`useinbandfec`).
    fec: bool,
    /// Silence left out (`usedtx`).
    dtx: bool,
    /// Bits a second at most (`maxaveragebitrate`).
    bitrate: Option<u32>,
}

impl Wish {
    /// Reads parameters such as `useinbandfec=1; maxaveragebitrate=20000`; those unknown here are left.
    pub(crate) fn of(parameters: &str) -> Self {
        parameters.split(';').filter_map(|item| item.split_once('=')).fold(
            Self::default(),
            |wish, (name, value)| match (name.trim(), value.trim()) {
                ("useinbandfec", value) => Self { fec: value == "1", ..wish },
                ("usedtx", value) => Self { dtx: value == "1", ..wish },
                ("maxaveragebitrate", value) => Self { bitrate: value.parse().ok(), ..wish },
                _ => wish,
            },
        )
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
    fn wishes_are_read_and_others_left() {
        let wish = Wish::of("minptime=10; useinbandfec=1;usedtx=0; maxaveragebitrate=16000;stereo");
        assert_eq!(wish, Wish { fec: true, dtx: false, bitrate: Some(16_000) });
        assert_eq!(Wish::of("maxaveragebitrate=lots"), Wish::default());
        let EngineCodec::Opus(settings) = AudioCodec::Opus.engine_as(wish) else { panic!("Opus stays Opus") };
        assert_eq!((settings.fec, settings.dtx, settings.bitrate), (true, false, 16_000));
        assert_eq!(AudioCodec::Pcmu.engine_as(wish), EngineCodec::Pcmu);
    }

    #[test]
    fn names_are_those_of_the_engine() {
        for codec in AudioCodec::ALL {
            assert_eq!(codec.to_string(), codec.engine().to_string());
        }
    }

    #[test]
    fn packets_of_one_frame_fit_at_every_codec() {
        for codec in AudioCodec::ALL {
            assert!(codec.most_in(1_400) >= 5, "{codec}");
        }
    }
}
