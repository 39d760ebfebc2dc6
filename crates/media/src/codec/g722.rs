// SPDX-License-Identifier: MIT OR Apache-2.0
//! G.722 at 64 kbit/s (RTP payload type 9): 16 kHz sampling under an 8 kHz RTP clock (RFC 3551 section 4.5.2).

use std::fmt;

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder, Encoder};

use super::{Codec, Sampling, ticks};

/// The G.722 codec, mode 1.
///
/// Every byte holds two samples, so any even number of samples is a frame; an odd one at the end is left out.
/// Nothing is allocated after creation.
#[derive(Default)]
pub struct G722 {
    encoder: G722Encoder,
    decoder: G722Decoder,
}

impl fmt::Debug for G722 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G722").finish_non_exhaustive()
    }
}

impl G722 {
    /// Both directions, at rest.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Codec for G722 {
    fn sampling(&self) -> Sampling {
        Sampling::G722
    }

    fn payload_len(&self, samples: usize) -> usize {
        samples / 2
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        ticks(payload.len().saturating_mul(2))
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let pairs = (pcm.len() / 2).min(payload.len());
        self.encoder.encode_into(&pcm[..pairs * 2], payload).unwrap_or(0)
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let pairs = (pcm.len() / 2).min(payload.len());
        self.decoder.decode_into(&payload[..pairs], pcm).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::test_signal::{Tone, snr};

    #[test]
    fn a_byte_is_two_samples() {
        let mut codec = G722::new();
        let (mut payload, mut pcm) = ([0; 4], [0; 5]);
        assert_eq!(codec.encode(&[0; 7], &mut payload), 3);
        assert_eq!(codec.encode(&[0; 11], &mut payload), 4);
        assert_eq!(codec.decode(&payload, &mut pcm), 4);
        assert_eq!((codec.payload_len(320), codec.duration(&[0; 160])), (160, 320));
    }

    #[test]
    fn a_tone_comes_through() {
        let mut codec = G722::new();
        let pcm = Tone::new(1_000.0, 16_000.0).take(16_000).collect::<Vec<_>>();
        let (mut payload, mut heard) = (vec![0; 8_000], vec![0; 16_000]);
        codec.encode(&pcm, &mut payload);
        codec.decode(&payload, &mut heard);
        let (ratio, _) = snr(&pcm[1_000..], &heard[1_000..], 40);
        assert!(ratio > 30.0, "{ratio}");
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_samples_are_taken(bytes: Vec<u8>, pcm: Vec<i16>, room in 0..600_usize) {
            let mut codec = G722::new();
            let (mut payload, mut heard) = (vec![0; room], vec![0; room]);
            prop_assert!(codec.encode(&pcm, &mut payload) <= room);
            prop_assert!(codec.decode(&bytes, &mut heard) <= room);
        }
    }
}
