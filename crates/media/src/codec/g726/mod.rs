// SPDX-License-Identifier: MIT OR Apache-2.0
//! G.726 at 16, 24, 32 and 40 kbit/s, in the bit order of RFC 3551 section 4.5.4 and in that of AAL2.

mod adpcm;

use super::{Codec, Sampling, ticks};
use adpcm::{Quantizer, State};

/// Bits a second, and with that bits a sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum G726Rate {
    /// 2 bits a sample: `G726-16`.
    Kbit16,
    /// 3 bits a sample: `G726-24`.
    Kbit24,
    /// 4 bits a sample: `G726-32`, once G.721.
    Kbit32,
    /// 5 bits a sample: `G726-40`.
    Kbit40,
}

impl G726Rate {
    /// Bits a sample.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::Kbit16 => 2,
            Self::Kbit24 => 3,
            Self::Kbit32 => 4,
            Self::Kbit40 => 5,
        }
    }

    const fn quantizer(self) -> &'static Quantizer {
        match self {
            Self::Kbit16 => &adpcm::KBIT_16,
            Self::Kbit24 => &adpcm::KBIT_24,
            Self::Kbit32 => &adpcm::KBIT_32,
            Self::Kbit40 => &adpcm::KBIT_40,
        }
    }
}

/// In which order codes fill bytes. Two exist because RFC 3551 meant one and many wrote the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum G726Packing {
    /// The first sample in the lowest bits: `G726-32` and its like (RFC 3551 section 4.5.4).
    Rfc3551,
    /// The first sample in the highest bits (ITU-T I.366.2 annex E): `AAL2-G726-32` and its like.
    Aal2,
}

/// The G.726 codec, on linear samples of which it hears the upper 14 bits (G.726 annex A).
///
/// A payload is a whole number of the smallest groups of codes that fill bytes: 4 samples in 1 byte at 16 kbit/s,
/// 8 in 3 at 24, 2 in 1 at 32, 8 in 5 at 40 (RFC 3551 section 4.5.4). What is over, or does not fit, is left
/// out. Nothing is allocated.
#[derive(Clone, Debug)]
pub struct G726 {
    rate: G726Rate,
    packing: G726Packing,
    encoder: State,
    decoder: State,
}

impl G726 {
    /// Both directions, at rest.
    #[must_use]
    pub const fn new(rate: G726Rate, packing: G726Packing) -> Self {
        Self { rate, packing, encoder: State::new(), decoder: State::new() }
    }

    /// Samples and bytes of the smallest group that fills bytes.
    const fn group(&self) -> (usize, usize) {
        match self.rate {
            G726Rate::Kbit16 => (4, 1),
            G726Rate::Kbit24 => (8, 3),
            G726Rate::Kbit32 => (2, 1),
            G726Rate::Kbit40 => (8, 5),
        }
    }

    /// Where the code of sample `n` stands in a group, counted from its lowest bit.
    const fn shift(&self, n: usize) -> usize {
        let (samples, _) = self.group();
        let place = match self.packing {
            G726Packing::Rfc3551 => n,
            G726Packing::Aal2 => samples - 1 - n,
        };
        place * self.rate.bits()
    }
}

impl Codec for G726 {
    fn sampling(&self) -> Sampling {
        Sampling::NARROWBAND
    }

    fn payload_len(&self, samples: usize) -> usize {
        let (group, bytes) = self.group();
        samples / group * bytes
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        let (samples, bytes) = self.group();
        ticks((payload.len() / bytes).saturating_mul(samples))
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let (samples, bytes) = self.group();
        let quantizer = self.rate.quantizer();
        let mut written = 0;
        for (pcm, payload) in pcm.chunks_exact(samples).zip(payload.chunks_exact_mut(bytes)) {
            let mut group = 0_u64;
            for (n, &sample) in pcm.iter().enumerate() {
                group |= u64::from(self.encoder.encode(quantizer, sample)) << self.shift(n);
            }
            // The group as a number, its bytes from the end at which the first sample stands.
            match self.packing {
                G726Packing::Rfc3551 => payload.copy_from_slice(&group.to_le_bytes()[..bytes]),
                G726Packing::Aal2 => payload.copy_from_slice(&group.to_be_bytes()[8 - bytes..]),
            }
            written += bytes;
        }
        written
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let (samples, bytes) = self.group();
        let quantizer = self.rate.quantizer();
        let mask = (1 << self.rate.bits()) - 1;
        let mut written = 0;
        for (payload, pcm) in payload.chunks_exact(bytes).zip(pcm.chunks_exact_mut(samples)) {
            let byte = |group: u64, byte: &u8| group << 8 | u64::from(*byte);
            let group = match self.packing {
                G726Packing::Rfc3551 => payload.iter().rev().fold(0, byte),
                G726Packing::Aal2 => payload.iter().fold(0, byte),
            };
            for (n, sample) in pcm.iter_mut().enumerate() {
                *sample = self.decoder.decode(quantizer, (group >> self.shift(n)) as u8 & mask);
            }
            written += samples;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::test_signal::{Tone, snr};

    const RATES: [G726Rate; 4] = [G726Rate::Kbit16, G726Rate::Kbit24, G726Rate::Kbit32, G726Rate::Kbit40];
    const PACKINGS: [G726Packing; 2] = [G726Packing::Rfc3551, G726Packing::Aal2];

    #[test]
    fn a_tone_comes_through_the_better_the_more_bits() {
        let pcm: Vec<i16> = Tone::new(1_000.0, 8_000.0).take(8_000).collect();
        for packing in PACKINGS {
            let ratios = RATES.map(|rate| {
                let mut codec = G726::new(rate, packing);
                let (mut payload, mut heard) = (vec![0; codec.payload_len(8_000)], vec![0; 8_000]);
                assert_eq!(codec.encode(&pcm, &mut payload), rate.bits() * 1_000);
                assert_eq!(codec.decode(&payload, &mut heard), 8_000);
                snr(&pcm[800..], &heard[800..], 0).0
            });
            assert!(ratios.is_sorted() && ratios[0] > 6.0 && ratios[3] > 25.0, "{ratios:?}");
        }
    }

    #[test]
    fn the_first_sample_stands_where_the_packing_says() {
        for rate in RATES {
            let [mut little, mut big] = PACKINGS.map(|packing| G726::new(rate, packing));
            let (samples, bytes) = little.group();
            let pcm: Vec<i16> = Tone::new(700.0, 8_000.0).take(samples).collect();
            let (mut one, mut other) = ([0; 5], [0; 5]);
            assert_eq!(little.encode(&pcm, &mut one), bytes);
            assert_eq!(big.encode(&pcm, &mut other), bytes);
            let mask = (1 << rate.bits()) - 1;
            assert_eq!(one[0] & mask, other[0] >> (8 - rate.bits()), "{rate:?}");
        }
    }

    #[test]
    fn only_whole_groups_are_taken() {
        let mut codec = G726::new(G726Rate::Kbit24, G726Packing::Rfc3551);
        let mut payload = [0; 8];
        assert_eq!(codec.encode(&[0; 15], &mut payload), 3);
        assert_eq!(codec.decode(&payload, &mut [0; 31]), 16);
        assert_eq!((codec.payload_len(160), codec.duration(&[0; 60])), (60, 160));
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_samples_are_taken(
            bytes in prop::collection::vec(any::<u8>(), 0..2_000),
            pcm in prop::collection::vec(any::<i16>(), 0..2_000),
            room in 0..2_000_usize,
            which in 0..4_usize,
        ) {
            for packing in PACKINGS {
                let mut codec = G726::new(RATES[which], packing);
                let (mut payload, mut heard) = (vec![0; room], vec![0; room]);
                prop_assert!(codec.encode(&pcm, &mut payload) <= room);
                prop_assert!(codec.decode(&bytes, &mut heard) <= room);
            }
        }
    }
}
