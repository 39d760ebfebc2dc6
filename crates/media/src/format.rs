// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shape of sound: sampling rate, channels and frame length.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

/// How many samples a second one channel has.
///
/// Only rates from [`SampleRate::MIN`] to [`SampleRate::MAX`] exist, so dividing by one is always safe.
///
/// ```
/// use offhook_media::SampleRate;
///
/// assert_eq!(SampleRate::new(8_000), Some(SampleRate::HZ_8000));
/// assert_eq!(SampleRate::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// Narrowband, the rate of the telephone network.
    pub const HZ_8000: Self = Self::known(8_000);
    /// Wideband.
    pub const HZ_16000: Self = Self::known(16_000);
    /// Super-wideband.
    pub const HZ_32000: Self = Self::known(32_000);
    /// Compact disc.
    pub const HZ_44100: Self = Self::known(44_100);
    /// Fullband, the rate of most sound cards.
    pub const HZ_48000: Self = Self::known(48_000);
    /// The lowest rate accepted, in hertz.
    pub const MIN: u32 = 1_000;
    /// The highest rate accepted, in hertz.
    pub const MAX: u32 = 384_000;

    /// Takes a rate in hertz; `None` outside [`SampleRate::MIN`] to [`SampleRate::MAX`].
    #[must_use]
    pub const fn new(hertz: u32) -> Option<Self> {
        match NonZeroU32::new(hertz) {
            Some(rate) if hertz >= Self::MIN && hertz <= Self::MAX => Some(Self(rate)),
            _ => None,
        }
    }

    /// The rate in hertz.
    #[must_use]
    pub const fn hertz(self) -> u32 {
        self.0.get()
    }

    /// Whole samples of one channel that fit into `duration`, rounded down.
    #[must_use]
    pub fn samples_in(self, duration: Duration) -> u64 {
        let samples = duration.as_nanos().saturating_mul(u128::from(self.hertz())) / 1_000_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }

    /// How long `samples` samples of one channel last, rounded down to nanoseconds.
    #[must_use]
    pub fn duration_of(self, samples: u64) -> Duration {
        let rate = u64::from(self.hertz());
        let nanos = samples % rate * 1_000_000_000 / rate;
        Duration::new(samples / rate, u32::try_from(nanos).unwrap_or(0))
    }

    const fn known(hertz: u32) -> Self {
        match Self::new(hertz) {
            Some(rate) => rate,
            None => Self(NonZeroU32::MIN),
        }
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// How many interleaved channels sound has; never none.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Channels(NonZeroU8);

impl Channels {
    /// One channel, what calls use.
    pub const MONO: Self = Self(NonZeroU8::MIN);
    /// Left and right.
    pub const STEREO: Self = Self(NonZeroU8::MIN.saturating_add(1));

    /// Takes a count of channels; `None` for zero.
    #[must_use]
    pub const fn new(count: u8) -> Option<Self> {
        match NonZeroU8::new(count) {
            Some(count) => Some(Self(count)),
            None => None,
        }
    }

    /// The count of channels.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ch", self.0)
    }
}

/// What one end of a sound path deals in: rate, channels and samples per frame.
///
/// Both ends of a connection have the same format; conversion is a node of its own, never implied.
///
/// ```
/// use std::time::Duration;
/// use offhook_media::{Format, SampleRate};
///
/// let format = Format::mono(SampleRate::HZ_8000, Duration::from_millis(20));
/// assert_eq!(format.frame_len(), 160);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Format {
    /// Samples a second of each channel.
    pub rate: SampleRate,
    /// Interleaved channels.
    pub channels: Channels,
    /// Samples of each channel in one frame.
    pub samples: u32,
}

impl Format {
    /// The format of a narrowband call: 8 kHz, one channel, 20 ms.
    pub const TELEPHONE: Self = Self { rate: SampleRate::HZ_8000, channels: Channels::MONO, samples: 160 };

    /// One channel at `rate`, in frames of `frame`.
    #[must_use]
    pub fn mono(rate: SampleRate, frame: Duration) -> Self {
        let samples = u32::try_from(rate.samples_in(frame)).unwrap_or(u32::MAX);
        Self { rate, channels: Channels::MONO, samples }
    }

    /// Numbers in one frame: samples of all channels together.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        (self.samples as usize).saturating_mul(self.channels.count())
    }

    /// How long one frame lasts.
    #[must_use]
    pub fn frame_duration(&self) -> Duration {
        self.rate.duration_of(u64::from(self.samples))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {} samples a frame", self.rate, self.channels, self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_outside_the_bounds_do_not_exist() {
        for hertz in [0, 1, SampleRate::MIN - 1, SampleRate::MAX + 1, u32::MAX] {
            assert_eq!(SampleRate::new(hertz), None, "{hertz}");
        }
        assert_eq!(SampleRate::new(SampleRate::MAX).map(SampleRate::hertz), Some(SampleRate::MAX));
    }

    #[test]
    fn known_rates_are_what_their_names_say() {
        let rates = [
            (SampleRate::HZ_8000, 8_000),
            (SampleRate::HZ_16000, 16_000),
            (SampleRate::HZ_32000, 32_000),
            (SampleRate::HZ_44100, 44_100),
            (SampleRate::HZ_48000, 48_000),
        ];
        for (rate, hertz) in rates {
            assert_eq!(rate.hertz(), hertz);
        }
    }

    #[test]
    fn samples_and_durations_convert_both_ways() {
        let frame = Duration::from_millis(20);
        assert_eq!(SampleRate::HZ_44100.samples_in(frame), 882);
        assert_eq!(SampleRate::HZ_44100.duration_of(882), frame);
        assert_eq!(SampleRate::HZ_8000.samples_in(Duration::MAX), u64::MAX);
        assert_eq!(SampleRate::HZ_8000.duration_of(8_001), Duration::from_nanos(1_000_125_000));
    }

    #[test]
    fn a_stereo_frame_counts_both_channels() {
        let format = Format { channels: Channels::STEREO, ..Format::TELEPHONE };
        assert_eq!(format.frame_len(), 320);
        assert_eq!(format.frame_duration(), Duration::from_millis(20));
        assert_eq!(format.to_string(), "8000 Hz, 2 ch, 160 samples a frame");
    }
}
