// SPDX-License-Identifier: MIT OR Apache-2.0
//! Speech codecs: G.711 µ-law and A-law, and 16-bit linear, behind one narrow trait.

mod alaw;
mod l16;
mod ulaw;

pub use alaw::Alaw;
pub use l16::L16;
pub use ulaw::Ulaw;

pub(crate) use alaw::{decode as alaw_sample, encode as alaw_code};
pub(crate) use ulaw::{decode as ulaw_sample, encode as ulaw_code};

use crate::format::{Channels, SampleRate};

/// Turns samples into RTP payload and back.
///
/// An implementation owns all state it needs, allocates nothing after its creation and accepts any input.
///
/// ```
/// use offhook_media::codec::{Codec, Ulaw};
///
/// let mut codec = Ulaw;
/// let (mut payload, mut heard) = ([0; 160], [0; 160]);
/// assert_eq!(codec.encode(&[1_000; 160], &mut payload), 160);
/// assert_eq!(codec.decode(&payload, &mut heard), 160);
/// assert!((heard[0] - 1_000).abs() <= 16);
/// ```
pub trait Codec: Send {
    /// Rate, RTP clock and channels.
    fn sampling(&self) -> Sampling;

    /// The most bytes that encoding `samples` interleaved samples can give.
    fn payload_len(&self, samples: usize) -> usize;

    /// Encodes interleaved `pcm` into `payload`, returns the bytes written.
    ///
    /// What does not fit is left out.
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize;

    /// Decodes `payload` into interleaved `pcm`, returns the samples written.
    ///
    /// What does not fit is left out.
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize;

    /// Samples of one channel that `payload` holds.
    fn duration(&self, payload: &[u8]) -> u32;

    /// Makes up sound in place of a lost packet, returns the samples written; `None` when the codec has no way of
    /// its own, also for no samples at all.
    fn conceal(&mut self, pcm: &mut [i16]) -> Option<usize> {
        let _ = pcm;
        None
    }

    /// Makes up the packet before `next` from what `next` repeats of it; `None` when it repeats nothing.
    fn recover(&mut self, next: &[u8], pcm: &mut [i16]) -> Option<usize> {
        let _ = (next, pcm);
        None
    }
}

/// The rates and channels of a codec.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sampling {
    /// Samples a second of each channel.
    pub rate: SampleRate,
    /// Ticks a second of the RTP timestamp; not always the sampling rate (RFC 3551 section 4.5.2 on G.722).
    pub clock: SampleRate,
    /// Interleaved channels.
    pub channels: Channels,
}

impl Sampling {
    /// Narrowband mono, what G.711 has.
    pub const NARROWBAND: Self =
        Self { rate: SampleRate::HZ_8000, clock: SampleRate::HZ_8000, channels: Channels::MONO };
}
