// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes the sampling rate, by one polyphase filter for every ratio.
//!
//! The filter is a windowed sinc, linear in phase, 32 samples of the lower rate long: it delays by 2 ms at 8 kHz,
//! passes three quarters of what the lower rate can hold and keeps aliases 60 dB down throughout that band.

use std::time::Duration;

use thiserror::Error;

use crate::format::SampleRate;
use crate::level::rounded;

/// Length of the filter in samples of the lower rate.
const SPAN: usize = 32;
/// The middle of the filter's slope, as a part of the lower rate.
const CUTOFF: f64 = 0.47;
/// Shape of Kaiser's window: the higher, the steeper the fall and the wider the slope.
const BETA: f64 = 6.5;
/// Coefficients at most, so that no pair of rates can ask for a filter without bounds.
const MOST_COEFFICIENTS: usize = 1 << 17;

/// Two rates whose ratio is too uneven to convert.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no conversion from {from} to {to}: expected rates with a simple ratio")]
pub struct UnevenRates {
    /// The rate of the input.
    pub from: SampleRate,
    /// The rate of the output.
    pub to: SampleRate,
}

/// Converts mono sound from one rate to another, in pieces of any length.
///
/// Creating one allocates and computes; converting does neither and may run on the tick.
///
/// ```
/// use offhook_media::SampleRate;
/// use offhook_media::resample::Resampler;
///
/// let mut up = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_48000).unwrap();
/// let mut out = [0; 960];
/// assert_eq!(up.convert(&[0; 160], &mut out), 960);
/// ```
#[derive(Clone, Debug)]
pub struct Resampler {
    from: SampleRate,
    /// Outputs for every `down` inputs.
    up: usize,
    down: usize,
    /// Coefficients of one phase.
    taps: usize,
    /// All phases, one after the other.
    filter: Box<[f32]>,
    /// The last `taps` inputs twice over, newest first from `newest`, so that they always lie in one piece.
    history: Box<[f32]>,
    newest: usize,
    /// Where the next output lies after the newest input, in parts of `up`.
    phase: usize,
}

impl Resampler {
    /// A converter between two rates.
    ///
    /// # Errors
    ///
    /// If the ratio is so uneven that the filter would be unreasonably large.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self, UnevenRates> {
        let divisor = common_divisor(from.hertz(), to.hertz());
        let up = (to.hertz() / divisor) as usize;
        let down = (from.hertz() / divisor) as usize;
        let taps = (SPAN * up.max(down)).div_ceil(up);
        if up.saturating_mul(taps) > MOST_COEFFICIENTS {
            return Err(UnevenRates { from, to });
        }
        let filter = design(up, down, taps);
        let history = vec![0.0; 2 * taps].into_boxed_slice();
        Ok(Self { from, up, down, taps, filter, history, newest: 0, phase: 0 })
    }

    /// Converts `input`, returns how many samples of `out` it filled; what does not fit is left out.
    ///
    /// There is always room in [`Resampler::most`] samples. Between rates of which one is a multiple of the
    /// other, whole frames give whole frames.
    pub fn convert(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let mut filled = 0;
        for &sample in input {
            self.remember(sample);
            while self.phase < self.up {
                let heard = self.heard(self.phase);
                if let Some(slot) = out.get_mut(filled) {
                    *slot = rounded(heard);
                    filled += 1;
                }
                self.phase += self.down;
            }
            self.phase -= self.up;
        }
        filled
    }

    /// Forgets what was heard before, as at the beginning.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.phase = 0;
    }

    /// The most samples that converting `input` samples can give.
    #[must_use]
    pub const fn most(&self, input: usize) -> usize {
        input.saturating_mul(self.up) / self.down + 1
    }

    /// How much later everything comes out.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_secs_f64(self.taps as f64 / 2.0 / f64::from(self.from.hertz()))
    }

    fn remember(&mut self, sample: i16) {
        self.newest = self.newest.checked_sub(1).unwrap_or(self.taps - 1);
        self.history[self.newest] = f32::from(sample);
        self.history[self.newest + self.taps] = f32::from(sample);
    }

    fn heard(&self, phase: usize) -> f32 {
        let coefficients = &self.filter[phase * self.taps..][..self.taps];
        let samples = &self.history[self.newest..][..self.taps];
        dot(coefficients, samples)
    }
}

/// Converts a whole recording, without the delay: what was at one second still is.
///
/// # Errors
///
/// If the ratio of the rates is too uneven.
pub fn convert_all(samples: &[i16], from: SampleRate, to: SampleRate) -> Result<Vec<i16>, UnevenRates> {
    if from == to {
        return Ok(samples.to_vec());
    }
    let mut resampler = Resampler::new(from, to)?;
    let late = resampler.taps * resampler.up / resampler.down / 2;
    let wanted = samples.len().saturating_mul(resampler.up) / resampler.down;
    let mut out = vec![0; resampler.most(samples.len())];
    let mut filled = resampler.convert(samples, &mut out);
    out.truncate(filled);
    let mut tail = vec![0; resampler.most(1)];
    while filled < wanted + late {
        let more = resampler.convert(&[0], &mut tail);
        out.extend_from_slice(&tail[..more]);
        filled += more;
    }
    out.drain(..late);
    out.truncate(wanted);
    Ok(out)
}

/// The filter's phases, each with a gain of one at no frequency.
fn design(up: usize, down: usize, taps: usize) -> Box<[f32]> {
    let length = taps * up;
    // Symmetric about a step, not about the gap between two, so that the delay is whole samples.
    let middle = length as f64 / 2.0;
    // Cycles per step of the rate at which both rates meet.
    let cutoff = CUTOFF / up.max(down) as f64;
    let prototype: Vec<f64> = (0..length)
        .map(|step| {
            let offset = step as f64 - middle;
            let x = std::f64::consts::TAU * cutoff * offset;
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            let edge = offset / middle;
            sinc * bessel(BETA * (1.0 - edge * edge).sqrt())
        })
        .collect();
    let mut filter = Vec::with_capacity(length);
    for phase in 0..up {
        let row = || prototype.iter().skip(phase).step_by(up);
        let gain: f64 = row().sum();
        filter.extend(row().map(|coefficient| (coefficient / gain) as f32));
    }
    filter.into_boxed_slice()
}

/// The sum of the products, in sixteen lanes so that it vectorises and no sum waits for the one before.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = left.as_chunks::<16>();
    let (right, right_rest) = right.as_chunks::<16>();
    let mut lanes = [0f32; 16];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..16 {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        let half = x / 2.0 / f64::from(k);
        term *= half * half;
        sum += term;
    }
    sum
}

const fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::signal::{level_of, tone};
    use crate::tone::Frequency;
    use crate::tone::analysis::analyse;

    const RATES: [u32; 7] = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000];

    fn rate(hertz: u32) -> SampleRate {
        SampleRate::new(hertz).unwrap()
    }

    fn sine(hertz: f32, rate: SampleRate) -> Vec<i16> {
        tone(rate, Frequency::from_hertz(hertz), Level::from_dbfs(-10.0), Duration::from_millis(600))
    }

    #[test]
    fn a_tone_keeps_frequency_and_level_between_rates() {
        for from in RATES.map(rate) {
            for (to, hertz) in [(8_000, 3_100.0), (44_100, 1_004.0), (48_000, 300.0)] {
                let to = rate(to);
                let heard = convert_all(&sine(hertz, from), from, to).unwrap();
                let report = analyse(&heard, to).unwrap();
                let context = format!("{from} to {to}, {hertz}: {report:?}");
                assert!((report.frequency_hz - f64::from(hertz)).abs() < 0.1, "{context}");
                assert!((report.level.dbfs() + 10.0).abs() < 0.2, "{context}");
                assert_eq!(report.longest_gap_ms, 0.0, "{context}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_removed() {
        for (from, hertz) in [(16_000, 4_600.0), (48_000, 5_000.0), (48_000, 15_000.0), (44_100, 7_700.0)] {
            let heard = convert_all(&sine(hertz, rate(from)), rate(from), SampleRate::HZ_8000).unwrap();
            let steady = &heard[80..heard.len() - 80];
            assert!(level_of(steady).dbfs() < -65.0, "{from} {hertz}: {}", level_of(steady));
        }
    }

    #[test]
    fn raising_the_rate_adds_no_images() {
        let heard =
            convert_all(&sine(3_000.0, SampleRate::HZ_8000), SampleRate::HZ_8000, SampleRate::HZ_48000);
        let exact = sine(3_000.0, SampleRate::HZ_48000);
        let heard = heard.unwrap();
        let error: Vec<_> = heard.iter().zip(&exact).map(|(a, b)| a - b).collect();
        let steady = &error[2_000..error.len() - 2_000];
        assert!(level_of(steady).dbfs() < -60.0, "{}", level_of(steady));
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let sound = sine(777.0, SampleRate::HZ_44100);
        let mut whole = Resampler::new(SampleRate::HZ_44100, SampleRate::HZ_8000).unwrap();
        let mut expected = vec![0; whole.most(sound.len())];
        let count = whole.convert(&sound, &mut expected);
        expected.truncate(count);
        let mut pieces = Resampler::new(SampleRate::HZ_44100, SampleRate::HZ_8000).unwrap();
        let mut heard = Vec::new();
        for piece in sound.chunks(101) {
            let mut out = vec![0; pieces.most(piece.len())];
            let count = pieces.convert(piece, &mut out);
            heard.extend_from_slice(&out[..count]);
        }
        assert_eq!(heard, expected);
    }

    #[test]
    fn frames_stay_whole_between_multiples() {
        for (low, high) in [(8_000, 16_000), (16_000, 48_000), (8_000, 48_000)] {
            let (low, high) = (rate(low), rate(high));
            let (short, long) = (low.hertz() as usize / 50, high.hertz() as usize / 50);
            let (mut up, mut down) = (Resampler::new(low, high).unwrap(), Resampler::new(high, low).unwrap());
            for _ in 0..5 {
                assert_eq!(up.convert(&vec![1; short], &mut vec![0; long]), long);
                assert_eq!(down.convert(&vec![1; long], &mut vec![0; short]), short);
            }
        }
    }

    #[test]
    fn the_delay_at_8_khz_is_two_milliseconds() {
        for (from, to) in [(8_000, 48_000), (48_000, 8_000), (16_000, 8_000)] {
            let delay = Resampler::new(rate(from), rate(to)).unwrap().delay();
            assert!(delay == Duration::from_millis(2), "{delay:?}");
        }
    }

    #[test]
    fn uneven_rates_are_refused() {
        assert!(Resampler::new(rate(44_099), rate(48_000)).is_err());
        assert!(Resampler::new(rate(383_999), rate(1_000)).is_err());
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> = (0..800).map(|i| if i / 10 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let heard = convert_all(&square, SampleRate::HZ_8000, SampleRate::HZ_16000).unwrap();
        assert!(heard.contains(&i16::MAX));
        assert!(heard.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 60_000));
    }
}
