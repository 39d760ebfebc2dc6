// SPDX-License-Identifier: MIT OR Apache-2.0
//! How samples lie in a file.

use crate::codec::{alaw_code, alaw_sample, ulaw_code, ulaw_sample};
use crate::format::{Channels, SampleRate};

/// How one sample is stored; all in little-endian order, as WAV has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// G.711 A-law.
    Alaw,
    /// 32-bit floating point, full scale at one.
    Float32,
    /// 16-bit signed.
    PcmS16,
    /// 24-bit signed.
    PcmS24,
    /// 32-bit signed.
    PcmS32,
    /// 8-bit with zero in the middle.
    PcmU8,
    /// G.711 µ-law.
    Ulaw,
}

impl Encoding {
    /// Bytes of one sample.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Alaw | Self::PcmU8 | Self::Ulaw => 1,
            Self::PcmS16 => 2,
            Self::PcmS24 => 3,
            Self::Float32 | Self::PcmS32 => 4,
        }
    }

    /// Decodes whole samples from `bytes` into `out`, as many as both have; returns how many.
    pub(super) fn decode(self, bytes: &[u8], out: &mut [i16]) -> usize {
        let samples = bytes.chunks_exact(self.bytes());
        let count = samples.len().min(out.len());
        for (slot, bytes) in out.iter_mut().zip(samples) {
            *slot = self.sample(bytes);
        }
        count
    }

    /// Encodes `samples` at the end of `out`.
    pub(super) fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        for &sample in samples {
            let wide = i32::from(sample) << 16;
            match self {
                Self::Alaw => out.push(alaw_code(sample)),
                Self::Float32 => out.extend_from_slice(&(f32::from(sample) / 32_768.0).to_le_bytes()),
                Self::PcmS16 => out.extend_from_slice(&sample.to_le_bytes()),
                Self::PcmS24 => out.extend_from_slice(&wide.to_le_bytes()[1..]),
                Self::PcmS32 => out.extend_from_slice(&wide.to_le_bytes()),
                Self::PcmU8 => out.push(((sample >> 8) + 128) as u8),
                Self::Ulaw => out.push(ulaw_code(sample)),
            }
        }
    }

    fn sample(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::Alaw, &[code]) => alaw_sample(code),
            (Self::Ulaw, &[code]) => ulaw_sample(code),
            (Self::PcmU8, &[byte]) => (i16::from(byte) - 128) << 8,
            (Self::Float32, &[a, b, c, d]) => (f32::from_le_bytes([a, b, c, d]) * 32_768.0) as i16,
            // Of all whole numbers the two highest bytes are what a sample can hold.
            (_, [.., low, high]) => i16::from_le_bytes([*low, *high]),
            _ => 0,
        }
    }
}

/// How a sound file stores its sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SoundSpec {
    /// How one sample is stored.
    pub encoding: Encoding,
    /// Samples a second of each channel.
    pub rate: SampleRate,
    /// Interleaved channels.
    pub channels: Channels,
}

impl SoundSpec {
    /// One channel.
    #[must_use]
    pub const fn mono(encoding: Encoding, rate: SampleRate) -> Self {
        Self { encoding, rate, channels: Channels::MONO }
    }

    /// Bytes of one moment: a sample of each channel.
    #[must_use]
    pub const fn moment(&self) -> usize {
        self.encoding.bytes() * self.channels.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Encoding, i32); 7] = [
        (Encoding::Alaw, 1_024),
        (Encoding::Float32, 0),
        (Encoding::PcmS16, 0),
        (Encoding::PcmS24, 0),
        (Encoding::PcmS32, 0),
        (Encoding::PcmU8, 255),
        (Encoding::Ulaw, 1_024),
    ];

    #[test]
    fn every_encoding_gives_back_what_it_took() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).step_by(31).collect();
        for (encoding, error) in ALL {
            let mut bytes = Vec::new();
            encoding.encode(&samples, &mut bytes);
            assert_eq!(bytes.len(), samples.len() * encoding.bytes());
            let mut heard = vec![0; samples.len()];
            assert_eq!(encoding.decode(&bytes, &mut heard), samples.len());
            for (sent, heard) in samples.iter().zip(heard) {
                assert!((i32::from(*sent) - i32::from(heard)).abs() <= error, "{encoding:?} {sent} {heard}");
            }
        }
    }

    #[test]
    fn wild_floats_are_clipped() {
        for (value, sample) in
            [(2.0f32, i16::MAX), (-9e30, i16::MIN), (f32::NAN, 0), (f32::INFINITY, i16::MAX)]
        {
            let mut out = [1];
            assert_eq!(Encoding::Float32.decode(&value.to_le_bytes(), &mut out), 1);
            assert_eq!(out, [sample]);
        }
    }
}
