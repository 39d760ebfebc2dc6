// SPDX-License-Identifier: MIT OR Apache-2.0
//! G.729 at 8 kbit/s (RTP payload type 18), with the silence frames of annex B (RFC 3551 section 4.5.6).

use std::fmt;

use g729_sys::{Decoder, Encoder, FRAME_SAMPLES, VOICE_FRAME_BYTES};

use super::{Codec, Sampling, ticks};

/// Bytes of a silence frame (G.729 annex B: 15 bits); a payload holds at most one, at its end.
const SILENCE_BYTES: usize = 2;

/// How a [`G729`] encodes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct G729Settings {
    /// Annex B: silence is described once and then not sent. Decoding it needs no setting.
    pub annex_b: bool,
}

/// The G.729 codec.
///
/// Frames have 80 samples (10 ms) and 10 bytes; a payload is any number of them, and at its end there may be a
/// silence frame of 2 bytes. Samples short of a frame are left out, and so are frames that do not fit. With
/// annex B a frame that need not be sent ends the payload: give the encoder one packet of sound at a time.
/// Nothing is allocated after creation.
pub struct G729 {
    encoder: Encoder,
    decoder: Decoder,
}

impl fmt::Debug for G729 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G729").finish_non_exhaustive()
    }
}

impl G729 {
    /// Both directions, at rest.
    #[must_use]
    pub fn new(settings: G729Settings) -> Self {
        Self { encoder: Encoder::new(settings.annex_b), decoder: Decoder::new() }
    }
}

impl Default for G729 {
    fn default() -> Self {
        Self::new(G729Settings::default())
    }
}

/// The frames of a payload: voice, then perhaps silence. A rest of another length is no frame.
fn frames(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    payload.chunks(VOICE_FRAME_BYTES).filter(|frame| matches!(frame.len(), VOICE_FRAME_BYTES | SILENCE_BYTES))
}

impl Codec for G729 {
    fn sampling(&self) -> Sampling {
        Sampling::NARROWBAND
    }

    fn payload_len(&self, samples: usize) -> usize {
        samples / FRAME_SAMPLES * VOICE_FRAME_BYTES
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        ticks(frames(payload).count().saturating_mul(FRAME_SAMPLES))
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let mut written = 0;
        for (samples, bytes) in
            pcm.as_chunks::<FRAME_SAMPLES>().0.iter().zip(payload.as_chunks_mut::<VOICE_FRAME_BYTES>().0)
        {
            let len = usize::from(self.encoder.encode_into(samples, bytes)).min(VOICE_FRAME_BYTES);
            // What follows a silence frame in the same payload is lost to the listener, for lack of a place.
            written += len;
            if len < VOICE_FRAME_BYTES {
                break;
            }
        }
        written
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let mut written = 0;
        for (frame, samples) in frames(payload).zip(pcm.as_chunks_mut::<FRAME_SAMPLES>().0) {
            *samples = self.decoder.decode(frame, false, frame.len() == SILENCE_BYTES, false);
            written += FRAME_SAMPLES;
        }
        written
    }

    /// Goes on with voice, fading, or with silence, whatever was last (G.729 section 4.4, annex B section 4.5).
    fn conceal(&mut self, pcm: &mut [i16]) -> Option<usize> {
        let (whole, _) = pcm.as_chunks_mut::<FRAME_SAMPLES>();
        for samples in whole.iter_mut() {
            *samples = self.decoder.decode(&[], true, false, false);
        }
        Some(whole.len() * FRAME_SAMPLES)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::test_signal::Tone;

    fn power(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    #[test]
    fn ten_milliseconds_are_ten_bytes() {
        let mut codec = G729::default();
        let (mut payload, mut pcm) = ([0; 25], [0; 250]);
        assert_eq!(codec.encode(&[0; 250], &mut payload), 20);
        assert_eq!(codec.decode(&payload[..20], &mut pcm), 160);
        assert_eq!(codec.payload_len(250), 30);
        let durations = [0, 2, 9, 10, 12, 20, 22].map(|len| codec.duration(&payload[..len]));
        assert_eq!(durations, [0, 80, 0, 80, 160, 160, 240]);
    }

    #[test]
    fn a_loss_is_concealed_and_fades() {
        let mut codec = G729::default();
        let pcm: Vec<i16> = Tone::new(400.0, 8_000.0).take(1_600).collect();
        let (mut payload, mut heard) = ([0; 200], [0; 1_600]);
        codec.encode(&pcm, &mut payload);
        codec.decode(&payload, &mut heard);
        let before = power(&heard[800..]);
        let mut first = [0; 80];
        assert_eq!(codec.conceal(&mut first), Some(80));
        let mut later = [0; 1_600];
        assert_eq!(codec.conceal(&mut later), Some(1_600));
        assert!(power(&first) > before / 3.0, "{} {before}", power(&first));
        assert!(power(&later[800..]) < before / 10.0, "{} {before}", power(&later[800..]));
    }

    #[test]
    fn silence_is_sent_once_and_heard_as_noise() {
        let mut codec = G729::new(G729Settings { annex_b: true });
        let mut heard = [0; 80];
        let mut sizes = [0; 11];
        let mut seed = 1_u32;
        for _ in 0..300 {
            let noise: [i16; 80] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as i16 - 128
            });
            let mut payload = [0; 10];
            let len = codec.encode(&noise, &mut payload);
            sizes[len] += 1;
            let written = if len == 0 {
                codec.conceal(&mut heard)
            } else {
                Some(codec.decode(&payload[..len], &mut heard))
            };
            assert_eq!(written, Some(80));
        }
        assert!(sizes[0] > 150 && sizes[2] > 0, "{sizes:?}");
        assert!((3.0..300.0).contains(&power(&heard)), "{}", power(&heard));
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_samples_are_taken(
            payloads: Vec<Vec<u8>>,
            pcm: Vec<i16>,
            annex_b: bool,
            room in 0..600_usize,
        ) {
            let mut codec = G729::new(G729Settings { annex_b });
            let mut heard = vec![0; room];
            for payload in payloads {
                prop_assert!(codec.decode(&payload, &mut heard) <= room);
                prop_assert!(codec.conceal(&mut heard) <= Some(room));
            }
            let mut payload = vec![0; room];
            prop_assert!(codec.encode(&pcm.repeat(8), &mut payload) <= room);
        }
    }
}
