// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opus (RFC 6716) as RFC 7587 carries it: always a 48 kHz RTP clock, whatever rate is encoded or decoded.

use opus_pure::{Application, OpusDecoder, OpusEncoder, packet};

use super::{Codec, Sampling, ticks};
use crate::format::{Channels, SampleRate};

/// The longest packet, in milliseconds (RFC 6716 section 3.1).
const LONGEST: usize = 120;
/// The shortest frame: 400 a second.
const SHORTEST_A_SECOND: usize = 400;
/// Lengths of a packet in shortest frames: 2.5, 5, 10, 20, 40, 60, 80, 100 and 120 ms (RFC 6716 section 2.1.4).
const LENGTHS: [usize; 9] = [1, 2, 4, 8, 16, 24, 32, 40, 48];
/// The most bytes one frame can have (RFC 6716 section 3.2.1).
const FRAME_BYTES: usize = 1_275;
/// A packet of so few bytes says only that there is silence (RFC 7587 section 3.1.3).
const SILENT_BYTES: usize = 2;

/// The sampling rates Opus can run at (RFC 6716 section 2.1.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OpusRate {
    /// Narrowband.
    Hz8000,
    /// Wideband: speech at little cost, the rate for servers.
    #[default]
    Hz16000,
    /// Fullband.
    Hz48000,
}

impl OpusRate {
    /// The rate as others know it.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Hz8000 => SampleRate::HZ_8000,
            Self::Hz16000 => SampleRate::HZ_16000,
            Self::Hz48000 => SampleRate::HZ_48000,
        }
    }

    /// The rate in samples a second; `None` if Opus cannot run at it here.
    #[must_use]
    pub fn from_rate(rate: SampleRate) -> Option<Self> {
        [Self::Hz8000, Self::Hz16000, Self::Hz48000].into_iter().find(|one| one.rate() == rate)
    }
}

/// How many channels an Opus stream is encoded from and decoded to; a decoder takes both kinds of packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OpusChannels {
    /// One, what calls use.
    #[default]
    Mono,
    /// Two, interleaved.
    Stereo,
}

impl OpusChannels {
    /// The channels as others know them.
    #[must_use]
    pub const fn channels(self) -> Channels {
        match self {
            Self::Mono => Channels::MONO,
            Self::Stereo => Channels::STEREO,
        }
    }
}

/// How an [`Opus`] runs. Numbers out of range are brought into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpusSettings {
    /// Sampling rate of what is encoded and decoded.
    pub rate: OpusRate,
    /// Channels of what is encoded and decoded.
    pub channels: OpusChannels,
    /// Bits a second, 6,000 to 510,000; an average (`maxaveragebitrate` of RFC 7587 section 6.1).
    pub bitrate: u32,
    /// Effort of the encoder, 0 to 10.
    pub complexity: u8,
    /// Whether packets carry a coarse copy of what the one before said (`useinbandfec`); only speech has it,
    /// and only when some loss is expected.
    pub fec: bool,
    /// Whether silence is left out (`usedtx`).
    pub dtx: bool,
    /// Loss to be prepared for, in percent.
    pub expected_loss: u8,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            rate: OpusRate::default(),
            channels: OpusChannels::default(),
            bitrate: 24_000,
            complexity: 5,
            fec: false,
            dtx: false,
            expected_loss: 0,
        }
    }
}

/// The Opus codec, for speech.
///
/// One call of [`Codec::encode`] gives one packet of 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms: the longest of
/// these that the samples fill, and what is over is left out. A payload is one packet. A room for less than
/// [`Codec::payload_len`] makes the packet coarser instead of cutting it.
///
/// Decoding and recovering what is there allocate nothing while the stream stays with speech or with music; a change
/// between them is a little concealment. The crate behind takes scratch memory, which it gives back
/// at once, for every packet it encodes (3 times 2.5 KB in all for 20 ms of mono at 16 kHz, 8 times at 48 kHz, up to
/// 13 in stereo) and for every one it conceals (4 times 5 KB in all in speech, 16 times up to 38 KB in stereo music).
pub struct Opus {
    encoder: OpusEncoder,
    decoder: OpusDecoder,
    settings: OpusSettings,
    /// Takes a packet for which there is not enough room.
    spare: Box<[i16]>,
}

impl std::fmt::Debug for Opus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opus").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Opus {
    /// Both directions, at rest.
    #[must_use]
    pub fn new(settings: OpusSettings) -> Self {
        let (hertz, count) = (settings.rate.rate().hertz(), settings.channels.channels().count());
        let rate = i32::try_from(hertz).unwrap_or(48_000);
        let encoder = OpusEncoder::new(rate, count, Application::Voip);
        let decoder = OpusDecoder::new(rate, count);
        let (Ok(encoder), Ok(decoder)) = (encoder, decoder) else {
            unreachable!("Opus runs at {rate} Hz with {count} channels")
        };
        let spare = vec![0; hertz as usize / 1_000 * LONGEST * count].into();
        let mut codec = Self { encoder, decoder, settings, spare };
        codec.apply(settings);
        codec.warm_up();
        codec
    }

    /// Changes how the encoder runs, from the next packet on: all but rate and channels, which stay.
    pub fn adjust(&mut self, settings: OpusSettings) {
        let OpusSettings { rate, channels, .. } = self.settings;
        self.apply(OpusSettings { rate, channels, ..settings });
    }

    /// Lets the decoder take the memory it otherwise takes for the first packets: for the longest there can be.
    fn warm_up(&mut self) {
        let length = self.whole(self.spare.len());
        // Neither fails: nothing is a packet that was lost, and the decoder was not handed out.
        let _ = self.decoder.decode_s16(&[], length, &mut self.spare);
        let _ = self.decoder.reset_state();
    }

    fn apply(&mut self, settings: OpusSettings) {
        self.settings = OpusSettings {
            bitrate: settings.bitrate.clamp(6_000, 510_000),
            complexity: settings.complexity.min(10),
            expected_loss: settings.expected_loss.min(100),
            ..settings
        };
        self.encoder.bitrate_bps = self.settings.bitrate as i32;
        self.encoder.complexity = i32::from(self.settings.complexity);
        self.encoder.packet_loss_perc = i32::from(self.settings.expected_loss);
        self.encoder.use_inband_fec = self.settings.fec;
        self.encoder.use_dtx = self.settings.dtx;
    }

    fn channels(&self) -> usize {
        self.settings.channels.channels().count()
    }

    /// Samples of each channel in the shortest frame.
    fn shortest(&self) -> usize {
        self.settings.rate.rate().hertz() as usize / SHORTEST_A_SECOND
    }

    /// The whole shortest frames, up to the longest packet, that `samples` hold, in samples of each channel.
    fn whole(&self, samples: usize) -> usize {
        let shortest = self.shortest();
        let most = self.settings.rate.rate().hertz() as usize / 1_000 * LONGEST;
        (samples / self.channels()).min(most) / shortest * shortest
    }
}

impl Codec for Opus {
    fn sampling(&self) -> Sampling {
        Sampling {
            rate: self.settings.rate.rate(),
            clock: SampleRate::HZ_48000,
            channels: self.settings.channels.channels(),
        }
    }

    /// One frame's limit for every 20 ms begun, and what ties them together.
    fn payload_len(&self, samples: usize) -> usize {
        let frames = self.whole(samples).div_ceil(self.shortest() * 8);
        frames * (FRAME_BYTES + 2) + 2
    }

    /// From the packet's first two bytes alone (RFC 6716 section 3.1).
    fn duration(&self, payload: &[u8]) -> u32 {
        let rate = self.settings.rate.rate().hertz() as i32;
        packet::samples(payload, rate).map_or(0, ticks)
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let whole = self.whole(pcm.len());
        let shortest = self.shortest();
        let Some(length) = LENGTHS.iter().rev().map(|n| n * shortest).find(|length| *length <= whole) else {
            return 0;
        };
        let written = self.encoder.encode_s16(pcm, length, payload).unwrap_or(0);
        if self.settings.dtx && written <= SILENT_BYTES { 0 } else { written }
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let (length, channels) = (self.duration(payload) as usize, self.channels());
        let wanted = length * channels;
        if length == 0 {
            return 0;
        }
        if let Some(room) = pcm.get_mut(..wanted) {
            return self.decoder.decode_s16(payload, length, room).map_or(0, |n| n * channels);
        }
        let written = self.decoder.decode_s16(payload, length, &mut self.spare[..wanted]);
        let written = written.map_or(0, |n| n * channels).min(pcm.len() / channels * channels);
        pcm[..written].copy_from_slice(&self.spare[..written]);
        written
    }

    /// Fills whole frames of 2.5 ms, up to 120 ms.
    fn conceal(&mut self, pcm: &mut [i16]) -> Option<usize> {
        let (length, channels) = (self.whole(pcm.len()), self.channels());
        if length == 0 {
            return Some(0);
        }
        self.decoder.decode_s16(&[], length, &mut pcm[..length * channels]).ok().map(|n| n * channels)
    }

    /// Takes the coarse copy (RFC 6716 section 2.1.7) that `next` may have; longer losses are concealed up to
    /// the last frame, which the copy is of.
    fn recover(&mut self, next: &[u8], pcm: &mut [i16]) -> Option<usize> {
        let (length, channels) = (self.whole(pcm.len()), self.channels());
        if length == 0 || !has_copy(next) {
            return None;
        }
        self.decoder.decode_fec_s16(next, length, &mut pcm[..length * channels]).ok().map(|n| n * channels)
    }
}

/// Whether a packet carries a copy of the frame before it: the LBRR flags after the voice flags of its first
/// frame (RFC 6716 section 4.2.3).
fn has_copy(payload: &[u8]) -> bool {
    let (Some(&toc), Ok(samples)) = (payload.first(), packet::samples_per_frame(payload, 48_000)) else {
        return false;
    };
    // The upper half of the configurations has no speech layer (RFC 6716 table 2).
    if toc & 0x80 != 0 {
        return false;
    }
    let Some(&flags) = first_frame(payload).and_then(<[u8]>::first) else { return false };
    let frames = (samples / 960).max(1);
    let mono = flags >> (7 - frames) & 1 != 0;
    let side = toc & 4 != 0 && flags >> (6 - 2 * frames) & 1 != 0;
    mono || side
}

/// The first frame of a packet (RFC 6716 section 3.2), if it has any bytes; its end is not looked for exactly.
fn first_frame(payload: &[u8]) -> Option<&[u8]> {
    let (toc, rest) = payload.split_first()?;
    match toc & 3 {
        0 | 1 => Some(rest),
        2 => after_length(rest),
        _ => {
            let (count, mut rest) = rest.split_first()?;
            if count & 0x40 != 0 {
                // 255 stands for 254 bytes of padding and another length.
                loop {
                    let (more, after) = rest.split_first()?;
                    rest = after;
                    if *more != 255 {
                        break;
                    }
                }
            }
            if count & 0x80 == 0 {
                return Some(rest);
            }
            // Variable sizes: all lengths but the last stand first.
            let mut first = None;
            for _ in 1..count & 0x3f {
                let (length, after) = read_length(rest)?;
                first.get_or_insert(length);
                rest = after;
            }
            if first == Some(0) { None } else { Some(rest) }
        }
    }
}

/// What follows a frame length, unless that is zero.
fn after_length(bytes: &[u8]) -> Option<&[u8]> {
    read_length(bytes).filter(|(length, _)| *length > 0).map(|(_, rest)| rest)
}

/// A frame length of one or two bytes (RFC 6716 section 3.2.1), and what follows it.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [first @ 252..=255, second, rest @ ..] => {
            Some((usize::from(*first) + 4 * usize::from(*second), rest))
        }
        [first @ 0..=251, rest @ ..] => Some((usize::from(*first), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::test_signal::{Speech, Tone};

    fn power(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    #[test]
    fn the_clock_is_that_of_rfc_7587() {
        let codec = Opus::new(OpusSettings::default());
        assert_eq!(codec.sampling().clock, SampleRate::HZ_48000);
        assert_eq!(codec.sampling().rate, SampleRate::HZ_16000);
        assert_eq!(OpusRate::from_rate(SampleRate::HZ_44100), None);
    }

    #[test]
    fn a_packet_is_as_long_as_the_samples_allow() {
        let mut codec = Opus::new(OpusSettings::default());
        let pcm: Vec<i16> = Tone::new(300.0, 16_000.0).take(2_400).collect();
        let mut payload = [0; 4_000];
        for (samples, length) in
            [(39, 0), (40, 40), (160, 160), (321, 320), (500, 320), (640, 640), (960, 960), (2_400, 1_920)]
        {
            let written = codec.encode(&pcm[..samples], &mut payload);
            assert!(written <= codec.payload_len(samples));
            assert_eq!(codec.duration(&payload[..written]), length, "{samples}");
        }
    }

    #[test]
    fn a_small_room_gets_the_beginning() {
        let mut codec = Opus::new(OpusSettings::default());
        let pcm: Vec<i16> = Tone::new(300.0, 16_000.0).take(320).collect();
        let (mut payload, mut heard) = ([0; 1_500], [0; 100]);
        let written = codec.encode(&pcm, &mut payload);
        assert_eq!(codec.decode(&payload[..written], &mut heard), 100);
        assert_eq!(codec.decode(&payload[..written], &mut []), 0);
    }

    #[test]
    fn every_rate_and_channel_count_keeps_the_level() {
        for rate in [OpusRate::Hz8000, OpusRate::Hz16000, OpusRate::Hz48000] {
            for channels in [OpusChannels::Mono, OpusChannels::Stereo] {
                let mut codec =
                    Opus::new(OpusSettings { rate, channels, bitrate: 48_000, ..OpusSettings::default() });
                let (hertz, count) = (rate.rate().hertz() as usize, channels.channels().count());
                let pcm: Vec<i16> = Tone::new(400.0, hertz as f64)
                    .take(hertz)
                    .flat_map(|sample| std::iter::repeat_n(sample, count))
                    .collect();
                let frame = hertz / 50 * count;
                let mut heard = vec![0; pcm.len()];
                for (from, to) in pcm.chunks(frame).zip(heard.chunks_mut(frame)) {
                    let mut payload = [0; 1_500];
                    let written = codec.encode(from, &mut payload);
                    assert_eq!(codec.decode(&payload[..written], to), frame);
                }
                let half = pcm.len() / 2;
                let change = 20.0 * (power(&heard[half..]) / power(&pcm[half..])).log10();
                assert!(change.abs() < 1.0, "{rate:?} {channels:?} {change}");
            }
        }
    }

    #[test]
    fn a_lost_packet_is_recovered_from_the_next() {
        let settings = OpusSettings { fec: true, expected_loss: 20, ..OpusSettings::default() };
        let mut codec = Opus::new(settings);
        let speech: Vec<i16> = Speech::new(16_000.0).take(32_000).collect();
        let (mut previous, mut copies, mut frame) = (Vec::new(), 0, [0; 320]);
        for pcm in speech.chunks(320) {
            let mut payload = [0; 1_500];
            let written = codec.encode(pcm, &mut payload);
            previous.push(payload[..written].to_vec());
        }
        for next in &previous {
            if let Some(written) = codec.recover(next, &mut frame) {
                assert_eq!(written, 320);
                copies += 1;
            }
        }
        // Half of it is silence, which has no copy.
        assert!(copies > 40, "{copies}");
        let mut without = Opus::new(OpusSettings::default());
        let mut payload = [0; 1_500];
        for pcm in speech.chunks(320) {
            let written = without.encode(pcm, &mut payload);
            assert_eq!(without.recover(&payload[..written], &mut frame), None);
        }
    }

    #[test]
    fn silence_is_left_out() {
        let mut codec = Opus::new(OpusSettings { dtx: true, ..OpusSettings::default() });
        let mut payload = [0; 1_500];
        let sent = (0..100).filter(|_| codec.encode(&[0; 320], &mut payload) > 0).count();
        assert!((1..40).contains(&sent), "{sent}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
            stereo: bool,
            room in 0..3_000_usize,
        ) {
            let channels = if stereo { OpusChannels::Stereo } else { OpusChannels::Mono };
            let mut codec = Opus::new(OpusSettings { channels, ..OpusSettings::default() });
            let mut heard = vec![0; room];
            for payload in payloads {
                prop_assert!(codec.recover(&payload, &mut heard).unwrap_or(0) <= room);
                prop_assert!(codec.decode(&payload, &mut heard) <= room);
                prop_assert!(codec.conceal(&mut heard).unwrap_or(0) <= room);
            }
        }

        #[test]
        fn any_samples_and_settings_are_taken(
            pcm in prop::collection::vec(any::<i16>(), 0..2_000),
            bitrate: u32,
            complexity: u8,
            expected_loss: u8,
            fec: bool,
            dtx: bool,
            room in 0..1_500_usize,
        ) {
            let settings = OpusSettings { bitrate, complexity, expected_loss, fec, dtx, ..OpusSettings::default() };
            let mut codec = Opus::new(settings);
            let mut payload = vec![0; room];
            prop_assert!(codec.encode(&pcm, &mut payload) <= room);
        }
    }
}
