// SPDX-License-Identifier: MIT OR Apache-2.0
//! Speech codecs behind one narrow trait: G.711, G.722, G.726, G.729, Opus and 16-bit linear; and comfort noise.

mod alaw;
mod g722;
mod g726;
mod g729;
mod l16;
mod noise;
mod opus;
#[cfg(test)]
mod test_signal;
mod ulaw;

pub use alaw::Alaw;
pub use g722::G722;
pub use g726::{G726, G726Packing, G726Rate};
pub use g729::{G729, G729Settings};
pub use l16::L16;
pub use noise::{ComfortNoise, NoiseMeasure};
pub use opus::{Opus, OpusChannels, OpusRate, OpusSettings};
pub use ulaw::Ulaw;

pub(crate) use alaw::{decode as alaw_sample, encode as alaw_code};
pub(crate) use ulaw::{decode as ulaw_sample, encode as ulaw_code};

use crate::format::{Channels, SampleRate};

/// Turns samples into RTP payload and back.
///
/// An implementation owns all state it needs and accepts any input; what it allocates after its creation, if
/// anything, its own documentation says. Codecs that work in frames say how long these are.
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

    /// Samples of each channel, at the rate of [`Codec::sampling`], that `payload` holds; none if it is not
    /// one of this codec.
    fn duration(&self, payload: &[u8]) -> u32;

    /// Encodes interleaved `pcm` into `payload`, returns the bytes written.
    ///
    /// What does not fit is left out. Nothing written means that nothing needs to be sent: discontinuous
    /// transmission, or less than a frame.
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize;

    /// Decodes `payload` into interleaved `pcm`, returns the samples written.
    ///
    /// What does not fit is left out.
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize;

    /// Makes up `pcm` for payload that was lost or never sent, returns the samples written; `None` if the
    /// codec has no means of its own, and somebody else has to.
    fn conceal(&mut self, pcm: &mut [i16]) -> Option<usize> {
        let _ = pcm;
        None
    }

    /// Recovers the sound just before `next`, the payload after a loss, from what `next` says about it;
    /// `None` if it says nothing. `next` itself is decoded afterwards.
    fn recover(&mut self, next: &[u8], pcm: &mut [i16]) -> Option<usize> {
        let _ = (next, pcm);
        None
    }
}

/// A count of samples as what [`Codec::duration`] returns.
fn ticks(samples: usize) -> u32 {
    u32::try_from(samples).unwrap_or(u32::MAX)
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
    /// What G.722 has: wideband mono whose RTP clock is, by an old mistake, 8 kHz (RFC 3551 section 4.5.2).
    pub const G722: Self =
        Self { rate: SampleRate::HZ_16000, clock: SampleRate::HZ_8000, channels: Channels::MONO };
}
