// SPDX-License-Identifier: MIT OR Apache-2.0
//! G.711 A-law (PCMA, RTP payload type 8), by the same means as µ-law.

use super::ulaw::{INTEGER, MANTISSA_SHIFT, SEGMENT_ZERO};
use super::{Codec, Sampling, ticks};

/// Even bits are inverted for transmission (G.711 section 3.4).
const EVEN_BITS: u8 = 0x55;
/// Below this magnitude the scale is linear: the lowest two segments share one step.
const LINEAR: i32 = 256;

/// The A-law codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alaw;

impl Codec for Alaw {
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

/// Encodes one sample (G.711 table 1).
#[inline]
pub(crate) fn encode(sample: i16) -> u8 {
    let sample = i32::from(sample);
    let sign = sample >> 31;
    let magnitude = sample ^ sign;
    // At least LINEAR, so that the exponent never lies below the first segment and nothing wraps.
    let curved = ((magnitude.max(LINEAR) as f32).to_bits() >> MANTISSA_SHIFT).wrapping_sub(SEGMENT_ZERO);
    let code = if magnitude < LINEAR { magnitude >> 4 } else { curved as i32 };
    (code as u8 | (!sign as u8 & 0x80)) ^ EVEN_BITS
}

/// Decodes one code to the middle of its interval.
#[inline]
pub(crate) fn decode(code: u8) -> i16 {
    let code = i32::from(code ^ EVEN_BITS);
    let body = code & 0x7f;
    let middle = ((body as u32).wrapping_add(SEGMENT_ZERO) << MANTISSA_SHIFT) | (1 << (MANTISSA_SHIFT - 1));
    let curved = ((f32::from_bits(middle) + INTEGER).to_bits() & 0xffff) as i32;
    let magnitude = if body < 16 { (body << 4) | 8 } else { curved };
    let sign = (code >> 7).wrapping_sub(1);
    (magnitude ^ sign).wrapping_sub(sign) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the segments as G.711 tables 1a and 1b describe them, on 13-bit numbers.
    fn encode_by_the_book(sample: i16) -> u8 {
        let negative = sample < 0;
        let magnitude = i32::from(if negative { !sample } else { sample }) >> 4;
        let mut code = magnitude;
        if magnitude > 15 {
            let mut segment = 1;
            let mut rest = magnitude;
            while rest > 31 {
                rest >>= 1;
                segment += 1;
            }
            code = (segment << 4) + rest - 16;
        }
        (code as u8 | if negative { 0 } else { 0x80 }) ^ 0x55
    }

    fn decode_by_the_book(code: u8) -> i16 {
        let code = code ^ 0x55;
        let (segment, step) = (i32::from(code >> 4 & 7), i32::from(code & 15));
        let magnitude = match segment {
            0 => 2 * step + 1,
            _ => (2 * step + 33) << (segment - 1),
        } << 3;
        (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
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
    fn decoded_codes_encode_to_themselves() {
        for code in 0..=u8::MAX {
            assert_eq!(encode(decode(code)), code, "{code:#04x}");
        }
    }

    #[test]
    fn the_scale_ends_where_the_recommendation_says() {
        // 4032 of 13 bits is the outermost value (table 1a); the smallest positive one is sent as 0xd5.
        assert_eq!(decode(0xaa), 4_032 << 3);
        assert_eq!(decode(0x2a), -(4_032 << 3));
        assert_eq!((encode(0), encode(-1)), (0xd5, 0x55));
        assert_eq!((encode(i16::MAX), encode(i16::MIN)), (0xaa, 0x2a));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let (mut payload, mut pcm) = ([0; 3], [0; 2]);
        assert_eq!(Alaw.encode(&[0; 5], &mut payload), 3);
        assert_eq!(Alaw.decode(&payload, &mut pcm), 2);
    }
}
