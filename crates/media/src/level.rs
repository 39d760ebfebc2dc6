// SPDX-License-Identifier: MIT OR Apache-2.0
//! How loud sound is: levels, and a meter for them.

use std::fmt;

use crate::format::SampleRate;

/// Square of the largest magnitude a sample can have: the power of a full-scale square wave.
const FULL_POWER: f32 = 32_768.0 * 32_768.0;
/// A full-scale sine against a full-scale square wave, in decibels.
const SINE: f32 = -3.010_3;
/// A full-scale sine in G.711 µ-law is this many dBm0 (A-law: 3.14, taken as the same).
const OVERLOAD_DBM0: f32 = 3.17;

/// A level. It prints, converts and compares in whichever of the three scales of telephony is wanted.
///
/// | scale | zero is |
/// |---|---|
/// | dBov | a full-scale square wave (RFC 6464) |
/// | dBFS | a full-scale sine |
/// | dBm0 | a milliwatt at the reference point: 3.17 dB below a full-scale sine (G.711) |
///
/// ```
/// use offhook_media::level::Level;
///
/// let tone = Level::from_dbm0(-10.0);
/// assert!((tone.dbfs() + 13.17).abs() < 0.001);
/// assert!(tone > Level::SILENCE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Level {
    dbov: f32,
}

impl Level {
    /// The lowest level there is, −127 dBov (RFC 6464 section 3).
    pub const SILENCE: Self = Self { dbov: -127.0 };

    /// A level against a full-scale square wave; what is below [`Level::SILENCE`] or no number is silence.
    #[must_use]
    pub const fn from_dbov(dbov: f32) -> Self {
        Self { dbov: dbov.max(Self::SILENCE.dbov) }
    }

    /// A level against a full-scale sine.
    #[must_use]
    pub const fn from_dbfs(dbfs: f32) -> Self {
        Self::from_dbov(dbfs + SINE)
    }

    /// A level against a milliwatt at the reference point.
    #[must_use]
    pub const fn from_dbm0(dbm0: f32) -> Self {
        Self::from_dbfs(dbm0 - OVERLOAD_DBM0)
    }

    /// The level of samples whose mean square is `power`.
    #[must_use]
    pub fn from_power(power: f32) -> Self {
        Self::from_dbov(10.0 * (power / FULL_POWER).log10())
    }

    /// The level of a sine that swings `amplitude` to either side.
    #[must_use]
    pub fn from_amplitude(amplitude: f32) -> Self {
        Self::from_power(amplitude * amplitude / 2.0)
    }

    /// Decibels against a full-scale square wave.
    #[must_use]
    pub const fn dbov(self) -> f32 {
        self.dbov
    }

    /// Decibels against a full-scale sine.
    #[must_use]
    pub const fn dbfs(self) -> f32 {
        self.dbov - SINE
    }

    /// Decibels against a milliwatt at the reference point.
    #[must_use]
    pub const fn dbm0(self) -> f32 {
        self.dbfs() + OVERLOAD_DBM0
    }

    /// The mean square of samples at this level.
    #[must_use]
    pub fn power(self) -> f32 {
        FULL_POWER * 10f32.powf(self.dbov / 10.0)
    }

    /// How far a sine of this level swings to either side.
    #[must_use]
    pub fn amplitude(self) -> f32 {
        (2.0 * self.power()).sqrt()
    }

    /// The seven bits of the RTP audio level extension: −dBov, 127 being silence (RFC 6464 section 3).
    #[must_use]
    pub fn rtp_bits(self) -> u8 {
        (-self.dbov).round().clamp(0.0, 127.0) as u8
    }
}

impl fmt::Display for Level {
    /// In dBov with one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBov", self.dbov)
    }
}

/// Measures sound as it passes. Everything is unknown, `None`, until the first sample came.
///
/// ```
/// use offhook_media::SampleRate;
/// use offhook_media::level::LevelMeter;
///
/// let mut meter = LevelMeter::new(SampleRate::HZ_8000);
/// assert_eq!(meter.rms(), None);
/// meter.measure(&[1_000; 160]);
/// assert!((meter.rms().unwrap().dbov() + 30.3).abs() < 0.1);
/// ```
#[derive(Clone, Debug)]
pub struct LevelMeter {
    attack: f32,
    release: f32,
    last: Option<Measured>,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    power: f32,
    peak: u16,
    talker: f32,
}

impl LevelMeter {
    /// A talker is noticed within about this many seconds …
    const ATTACK: f32 = 0.03;
    /// … and remembered through the pauses between words for about this many.
    const RELEASE: f32 = 0.3;

    /// A meter for mono sound at `rate`.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        let hertz = rate.hertz() as f32;
        Self { attack: hertz * Self::ATTACK, release: hertz * Self::RELEASE, last: None }
    }

    /// Measures one frame.
    pub fn measure(&mut self, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        let count = samples.len() as f32;
        let power = energy(samples) / count;
        let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let before = self.last.map_or(0.0, |last| last.talker);
        let time = if power > before { self.attack } else { self.release };
        let talker = before + (power - before) * count / (count + time);
        self.last = Some(Measured { power, peak, talker });
    }

    /// The level of the last frame.
    #[must_use]
    pub fn rms(&self) -> Option<Level> {
        self.last.map(|last| Level::from_power(last.power))
    }

    /// The level of the largest sample of the last frame, as that of a square wave.
    #[must_use]
    pub fn peak(&self) -> Option<Level> {
        self.last.map(|last| Level::from_power(f32::from(last.peak) * f32::from(last.peak)))
    }

    /// The smoothed level by which talkers are compared: quick to rise, slow to fall.
    #[must_use]
    pub fn talker(&self) -> Option<Level> {
        self.last.map(|last| Level::from_power(last.talker))
    }

    /// Whether the smoothed level lies below `threshold`.
    #[must_use]
    pub fn is_silent(&self, threshold: Level) -> Option<bool> {
        self.talker().map(|talker| talker < threshold)
    }
}

/// The nearest sample. Unlike `f32::round` this needs no call into a library on any processor.
#[inline]
pub(crate) fn rounded(value: f32) -> i16 {
    (value + 0.5f32.copysign(value)) as i16
}

/// The sum of the squares, in eight lanes so that it vectorises.
pub(crate) fn energy(samples: &[i16]) -> f32 {
    let (chunks, rest) = samples.as_chunks::<8>();
    let mut lanes = [0f32; 8];
    for chunk in chunks {
        for (lane, sample) in lanes.iter_mut().zip(chunk.map(f32::from)) {
            *lane += sample * sample;
        }
    }
    let rest: f32 = rest.iter().map(|&sample| f32::from(sample) * f32::from(sample)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scales_agree_with_each_other() {
        let sine = Level::from_amplitude(32_768.0);
        assert!(sine.dbfs().abs() < 0.001 && (sine.dbov() + 3.01).abs() < 0.001);
        assert!((sine.dbm0() - 3.17).abs() < 0.001);
        assert!((Level::from_dbm0(-10.0).amplitude() - 7_193.0).abs() < 1.0);
        assert!((Level::from_dbfs(-6.0).dbfs() + 6.0).abs() < 0.001);
    }

    #[test]
    fn nothing_is_quieter_than_silence() {
        for silent in
            [Level::from_power(0.0), Level::from_dbov(f32::NEG_INFINITY), Level::from_dbov(f32::NAN)]
        {
            assert_eq!(silent, Level::SILENCE);
        }
        assert_eq!((Level::SILENCE.rtp_bits(), Level::from_dbov(3.0).rtp_bits()), (127, 0));
    }

    #[test]
    fn nothing_is_known_until_measured() {
        let mut meter = LevelMeter::new(SampleRate::HZ_8000);
        meter.measure(&[]);
        assert!(meter.rms().is_none() && meter.peak().is_none() && meter.talker().is_none());
        assert_eq!(meter.is_silent(Level::from_dbov(-50.0)), None);
        meter.measure(&[0]);
        assert_eq!(meter.is_silent(Level::from_dbov(-50.0)), Some(true));
    }

    #[test]
    fn a_talker_rises_fast_and_falls_slowly() {
        let mut meter = LevelMeter::new(SampleRate::HZ_8000);
        for _ in 0..5 {
            meter.measure(&[8_000; 160]);
        }
        let loud = meter.talker().unwrap();
        assert!(meter.rms().unwrap().dbov() - loud.dbov() < 0.5, "{loud}");
        for _ in 0..5 {
            meter.measure(&[0; 160]);
        }
        let paused = meter.talker().unwrap();
        assert!(loud.dbov() - paused.dbov() < 3.0, "{paused}");
        assert_eq!(meter.rms(), Some(Level::SILENCE));
    }

    #[test]
    fn the_loudest_sample_is_full_scale() {
        let mut meter = LevelMeter::new(SampleRate::HZ_8000);
        meter.measure(&[0, i16::MIN, 3]);
        assert!(meter.peak().unwrap().dbov().abs() < 0.001);
    }
}
