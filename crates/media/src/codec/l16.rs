// SPDX-License-Identifier: MIT OR Apache-2.0
//! 16-bit linear samples in network order (L16, RFC 3551 section 4.5.11).

use super::{Codec, Sampling, ticks};
use crate::format::{Channels, SampleRate};

/// The L16 codec, at any rate and with any number of channels.
#[derive(Clone, Copy, Debug)]
pub struct L16 {
    rate: SampleRate,
    channels: Channels,
}

impl L16 {
    /// L16 at `rate` with `channels`, interleaved as RFC 3551 section 4.1 orders them.
    #[must_use]
    pub const fn new(rate: SampleRate, channels: Channels) -> Self {
        Self { rate, channels }
    }
}

impl Codec for L16 {
    fn sampling(&self) -> Sampling {
        Sampling { rate: self.rate, clock: self.rate, channels: self.channels }
    }

    fn payload_len(&self, samples: usize) -> usize {
        samples.saturating_mul(2)
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        ticks(payload.len() / 2 / self.channels.count())
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        for (bytes, sample) in payload.chunks_exact_mut(2).zip(pcm) {
            bytes.copy_from_slice(&sample.to_be_bytes());
        }
        pcm.len().min(payload.len() / 2) * 2
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        for (sample, bytes) in pcm.iter_mut().zip(payload.chunks_exact(2)) {
            *sample = i16::from_be_bytes([bytes[0], bytes[1]]);
        }
        pcm.len().min(payload.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_high_byte_goes_first() {
        let mut payload = [0; 4];
        let mut codec = L16::new(SampleRate::HZ_44100, Channels::STEREO);
        assert_eq!(codec.encode(&[0x0102, -2], &mut payload), 4);
        assert_eq!(payload, [1, 2, 0xff, 0xfe]);
        assert_eq!(codec.payload_len(882), 1_764);
        assert_eq!(codec.sampling().clock, SampleRate::HZ_44100);
    }

    #[test]
    fn half_a_sample_is_left_out() {
        let mut codec = L16::new(SampleRate::HZ_8000, Channels::MONO);
        let mut pcm = [9; 2];
        assert_eq!(codec.decode(&[0, 1, 2], &mut pcm), 1);
        assert_eq!(pcm, [1, 9]);
        let mut payload = [9; 3];
        assert_eq!(codec.encode(&[1, 2], &mut payload), 2);
        assert_eq!(payload, [0, 1, 9]);
    }

    #[test]
    fn every_rate_and_channel_count_counts_its_samples() {
        let rates = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_44100, SampleRate::HZ_48000];
        for rate in rates {
            for channels in [Channels::MONO, Channels::STEREO] {
                let mut codec = L16::new(rate, channels);
                assert_eq!(codec.sampling(), Sampling { rate, clock: rate, channels });
                // 20 ms, left rising and right falling.
                let frames = (rate.hertz() / 50) as i16;
                let pcm: Vec<i16> =
                    (0..frames).flat_map(|n| [n * 10, -n * 10].into_iter().take(channels.count())).collect();
                let mut payload = vec![0; codec.payload_len(pcm.len())];
                let mut heard = vec![0; pcm.len()];
                assert_eq!(codec.encode(&pcm, &mut payload), frames as usize * 2 * channels.count());
                assert_eq!(codec.duration(&payload), u32::from(frames as u16));
                assert_eq!(codec.decode(&payload, &mut heard), pcm.len());
                assert_eq!(heard, pcm);
                assert_eq!(
                    (codec.conceal(&mut heard), codec.recover(&payload, &mut pcm.clone())),
                    (None, None)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(pcm: Vec<i16>) {
            let mut codec = L16::new(SampleRate::HZ_8000, Channels::MONO);
            let mut payload = vec![0; codec.payload_len(pcm.len())];
            let mut heard = vec![0; pcm.len()];
            prop_assert_eq!(codec.encode(&pcm, &mut payload), payload.len());
            prop_assert_eq!(codec.decode(&payload, &mut heard), pcm.len());
            prop_assert_eq!(heard, pcm);
        }
    }
}
