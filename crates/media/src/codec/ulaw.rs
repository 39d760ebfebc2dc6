// SPDX-License-Identifier: MIT OR Apache-2.0
//! G.711 µ-law (PCMU, RTP payload type 0).
//!
//! A µ-law code is a tiny floating-point number: three bits of exponent, four of mantissa. Both directions
//! therefore go through the fields of an `f32`, in straight-line code that the compiler turns into vector
//! instructions; the tests hold them against the text of the Recommendation for every input. Nothing here can
//! overflow, but the arithmetic is of the wrapping kind because a check would end the vectors.

use super::{Codec, Sampling, ticks};

/// Added to the magnitude so that every segment begins at a power of two (33 in the Recommendation's 14 bits).
const BIAS: i32 = 33 << 2;
/// The largest biased magnitude a code can express.
const CLIP: i32 = 32_767;
/// Exponent field of 2^7, where the lowest segment begins, in units of the code's four mantissa bits.
pub(super) const SEGMENT_ZERO: u32 = (127 + 7) << 4;
/// Distance between the code's lowest mantissa bit and that of an `f32`.
pub(super) const MANTISSA_SHIFT: u32 = 23 - 4;
/// An `f32` from here on has no fraction: adding it leaves the integer in the low bits.
pub(super) const INTEGER: f32 = 8_388_608.0;

/// The µ-law codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ulaw;

impl Codec for Ulaw {
    fn sampling(&self) -> Sampling {
        Sampling::NARROWBAND
    }

    fn payload_len(&self, samples: usize) -> usize {
        samples
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        ticks(payload.len())
    }

    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        for (code, &sample) in payload.iter_mut().zip(pcm) {
            *code = encode(sample);
        }
        pcm.len().min(payload.len())
    }

    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        for (sample, &code) in pcm.iter_mut().zip(payload) {
            *sample = decode(code);
        }
        pcm.len().min(payload.len())
    }
}

/// Encodes one sample (G.711 table 2, even bits and sign inverted for transmission).
#[inline]
pub(crate) fn encode(sample: i16) -> u8 {
    let sample = i32::from(sample);
    // One's complement, so that the two halves of the scale mirror each other exactly.
    let sign = sample >> 31;
    let magnitude = (sample ^ sign).wrapping_add(BIAS).min(CLIP);
    let code = ((magnitude as f32).to_bits() >> MANTISSA_SHIFT).wrapping_sub(SEGMENT_ZERO);
    !(code as u8 | (sign as u8 & 0x80))
}

/// Decodes one code to the middle of its interval.
#[inline]
pub(crate) fn decode(code: u8) -> i16 {
    let code = u32::from(!code);
    let middle = ((code & 0x7f).wrapping_add(SEGMENT_ZERO) << MANTISSA_SHIFT) | (1 << (MANTISSA_SHIFT - 1));
    let magnitude = (f32::from_bits(middle) + INTEGER).to_bits() & 0xffff;
    let magnitude = (magnitude as i32).wrapping_sub(BIAS);
    let sign = ((code >> 7) as i32).wrapping_neg();
    (magnitude ^ sign).wrapping_sub(sign) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the segments as G.711 tables 2a and 2b describe them, on 14-bit magnitudes.
    fn encode_by_the_book(sample: i16) -> u8 {
        let negative = sample < 0;
        let magnitude = i32::from(if negative { !sample } else { sample }) >> 2;
        let magnitude = (magnitude + 33).min(8_191);
        let mut segment = 0;
        while magnitude >> (segment + 6) != 0 {
            segment += 1;
        }
        let step = (magnitude >> (segment + 1)) & 15;
        let code = (segment << 4 | step) as u8;
        !(if negative { code | 0x80 } else { code })
    }

    fn decode_by_the_book(code: u8) -> i16 {
        let code = !code;
        let (segment, step) = (i32::from(code >> 4 & 7), i32::from(code & 15));
        let magnitude = (((2 * step + 33) << segment) - 33) << 2;
        (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
    }

    #[test]
    fn every_sample_encodes_as_the_book_says() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(encode(sample), encode_by_the_book(sample), "{sample}");
        }
    }

    #[test]
    fn every_code_decodes_as_the_book_says() {
        for code in 0..=u8::MAX {
            assert_eq!(decode(code), decode_by_the_book(code), "{code:#04x}");
        }
    }

    #[test]
    fn decoded_codes_encode_to_themselves_but_for_negative_zero() {
        for code in 0..=u8::MAX {
            let again = encode(decode(code));
            assert_eq!(again, if code == 0x7f { 0xff } else { code }, "{code:#04x}");
        }
    }

    #[test]
    fn the_scale_ends_where_the_recommendation_says() {
        // 8031 of 14 bits is the outermost value (table 2a), sent as 0x80; silence is sent as 0xff.
        assert_eq!(decode(0x80), 8_031 << 2);
        assert_eq!(decode(0x00), -(8_031 << 2));
        assert_eq!((encode(0), encode(i16::MAX), encode(i16::MIN)), (0xff, 0x80, 0x00));
    }

    #[test]
    fn the_error_grows_with_the_segment_only() {
        for sample in -32_635i32..=32_635 {
            let heard = i32::from(decode(encode(sample as i16)));
            let bound = ((sample.abs() + 132) / 32).max(4) + 1;
            assert!((heard - sample).abs() <= bound, "{sample} became {heard}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let (mut payload, mut pcm) = ([0; 3], [0; 2]);
        assert_eq!(Ulaw.encode(&[0; 5], &mut payload), 3);
        assert_eq!(Ulaw.decode(&payload, &mut pcm), 2);
        assert_eq!(Ulaw.encode(&[], &mut payload), 0);
    }
}
