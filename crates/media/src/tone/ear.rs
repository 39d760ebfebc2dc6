// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound seen as a short-time spectrum: 64 ms at a time, every 16 ms, at 8 kHz whatever the rate of the leg.
//!
//! Long enough that the closest pair of call progress tones, 440 and 480 Hz, shows as two peaks; short enough that a
//! burst of 100 ms is seen whole. Memory is allocated when an ear is made, never while it hears.

use std::f32::consts::TAU;

use crate::format::SampleRate;
use crate::level::Level;
use crate::resample::{Resampler, UnevenRates};

/// Samples of a window.
pub(crate) const WINDOW: usize = 512;
/// Samples from one window to the next.
pub(crate) const HOP: usize = 128;
/// Hertz from one bin to the next.
pub(crate) const BIN_HZ: f32 = 8_000.0 / WINDOW as f32;
/// Bins of a spectrum.
pub(crate) const BINS: usize = WINDOW / 2;
/// Bins that are looked at: 110 to 3,900 Hz, without hum and without the edge of the band.
pub(crate) const BAND: std::ops::Range<usize> = 7..250;
/// Milliseconds of a hop.
pub(crate) const HOP_MS: u32 = 16;
/// Samples that are converted at once.
const PIECE: usize = 960;

/// What a window holds, and what its last hop alone does.
#[derive(Debug)]
pub(crate) struct Hop {
    /// The middle of the window in samples of 8 kHz since the beginning.
    pub(crate) middle: u64,
    /// Mean square in each bin, weighted by Hann's window.
    pub(crate) spectrum: [f32; BINS],
    /// Mean square of all bins of the band.
    pub(crate) power: f32,
    /// The part of the power around the strongest bin.
    pub(crate) lone: f32,
    /// The part of the power around the two strongest peaks together.
    pub(crate) paired: f32,
    /// The level of the newest 16 ms.
    pub(crate) fresh: Level,
    /// How often the newest 16 ms change sign, from 0 to 1.
    pub(crate) crossings: f32,
}

/// Hears sound at any rate.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    resampler: Option<Resampler>,
    piece: Box<[i16]>,
    rate: SampleRate,
    /// The newest samples, oldest first.
    samples: Box<[f32; WINDOW]>,
    filled: usize,
    position: u64,
    fourier: Fourier,
}

impl Ear {
    /// An ear for sound at `rate`.
    pub(crate) fn new(rate: SampleRate) -> Result<Self, UnevenRates> {
        let resampler =
            if rate == SampleRate::HZ_8000 { None } else { Some(Resampler::new(rate, SampleRate::HZ_8000)?) };
        let room = resampler.as_ref().map_or(0, |resampler| resampler.most(PIECE));
        Ok(Self {
            resampler,
            piece: vec![0; room].into(),
            rate,
            samples: Box::new([0.0; WINDOW]),
            filled: 0,
            position: 0,
            fourier: Fourier::new(),
        })
    }

    /// A position at 8 kHz as one at the rate of the sound.
    pub(crate) fn at_rate(&self, position: u64) -> u64 {
        position.saturating_mul(u64::from(self.rate.hertz())) / 8_000
    }

    /// Hears `samples` and hands on each hop.
    pub(crate) fn hear(&mut self, samples: &[i16], judge: &mut dyn FnMut(&Self, &Hop)) {
        let Some(mut resampler) = self.resampler.take() else {
            self.take(samples, judge);
            return;
        };
        let mut piece = std::mem::take(&mut self.piece);
        for part in samples.chunks(PIECE) {
            let given = resampler.convert(part, &mut piece).min(piece.len());
            self.take(&piece[..given], judge);
        }
        (self.resampler, self.piece) = (Some(resampler), piece);
    }

    fn take(&mut self, mut samples: &[i16], judge: &mut dyn FnMut(&Self, &Hop)) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(HOP - self.filled));
            samples = later;
            let start = WINDOW - HOP + self.filled;
            for (place, &sample) in self.samples[start..].iter_mut().zip(now) {
                *place = f32::from(sample);
            }
            self.filled += now.len();
            if self.filled == HOP {
                self.position = self.position.saturating_add(HOP as u64);
                let hop = self.look();
                judge(self, &hop);
                self.samples.copy_within(HOP.., 0);
                self.filled = 0;
            }
        }
    }

    fn look(&mut self) -> Hop {
        let mut spectrum = [0.0; BINS];
        self.fourier.power(&self.samples, &mut spectrum);
        let power = spectrum[BAND].iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let peak = strongest(&spectrum, |_| true);
        let lone = around(&spectrum, peak);
        let second = strongest(&spectrum, |bin| bin.abs_diff(peak) > REACH);
        let both = if second.abs_diff(peak) > 2 * REACH {
            lone + around(&spectrum, second)
        } else {
            let (low, high) = (peak.min(second), peak.max(second));
            spectrum[low.saturating_sub(REACH)..(high + REACH + 1).min(BINS)].iter().sum()
        };
        let newest = &self.samples[WINDOW - HOP..];
        let energy: f32 = newest.iter().map(|sample| sample * sample).sum();
        let turns = newest.windows(2).filter(|pair| (pair[0] < 0.0) != (pair[1] < 0.0)).count();
        Hop {
            middle: self.position.saturating_sub(WINDOW as u64 / 2),
            spectrum,
            power,
            lone: lone / power,
            paired: both / power,
            fresh: Level::from_power(energy / HOP as f32),
            crossings: turns as f32 / HOP as f32,
        }
    }
}

/// Bins to either side of a peak that are the same tone: Hann's main lobe.
const REACH: usize = 2;

fn strongest(spectrum: &[f32; BINS], counts: impl Fn(usize) -> bool) -> usize {
    let mut best = BAND.start;
    for bin in BAND.filter(|bin| counts(*bin)) {
        if !counts(best) || spectrum[bin] > spectrum[best] {
            best = bin;
        }
    }
    best
}

fn around(spectrum: &[f32; BINS], peak: usize) -> f32 {
    spectrum[peak.saturating_sub(REACH)..(peak + REACH + 1).min(BINS)].iter().sum()
}

/// The frequency of a peak near `bin`, between bins by a parabola through the logarithms.
pub(crate) fn frequency(spectrum: &[f32; BINS], bin: usize) -> f32 {
    let bin = bin.clamp(1, BINS - 2);
    let [low, middle, high] = [bin - 1, bin, bin + 1].map(|bin| spectrum[bin].max(f32::MIN_POSITIVE).ln());
    let curve = low - 2.0 * middle + high;
    let offset = if curve < 0.0 { (0.5 * (low - high) / curve).clamp(-0.5, 0.5) } else { 0.0 };
    (bin as f32 + offset) * BIN_HZ
}

/// A Fourier transform of one window.
#[derive(Clone, Debug)]
struct Fourier {
    hann: Box<[f32]>,
    /// Cosines and sines of a whole turn.
    turn: Box<[(f32, f32)]>,
    points: Box<[(f32, f32)]>,
}

impl Fourier {
    fn new() -> Self {
        let angle = |index: usize| TAU * index as f32 / WINDOW as f32;
        Self {
            hann: (0..WINDOW).map(|index| 0.5 - 0.5 * angle(index).cos()).collect(),
            turn: (0..WINDOW / 2).map(|index| (angle(index).cos(), -angle(index).sin())).collect(),
            points: vec![(0.0, 0.0); WINDOW].into(),
        }
    }

    fn power(&mut self, samples: &[f32; WINDOW], spectrum: &mut [f32; BINS]) {
        let bits = WINDOW.trailing_zeros();
        for (index, (sample, weight)) in samples.iter().zip(&self.hann).enumerate() {
            self.points[index.reverse_bits() >> (usize::BITS - bits)] = (sample * weight, 0.0);
        }
        let mut half = 1;
        while half < WINDOW {
            let stride = WINDOW / (2 * half);
            for group in self.points.chunks_exact_mut(2 * half) {
                let (low, high) = group.split_at_mut(half);
                for ((low, high), (cosine, sine)) in
                    low.iter_mut().zip(high).zip(self.turn.iter().step_by(stride))
                {
                    let turned = (high.0 * cosine - high.1 * sine, high.0 * sine + high.1 * cosine);
                    *high = (low.0 - turned.0, low.1 - turned.1);
                    *low = (low.0 + turned.0, low.1 + turned.1);
                }
            }
            half *= 2;
        }
        // Two sides of the spectrum, and Hann's window passes three eighths of the power.
        let scale = 2.0 / (0.375 * (WINDOW * WINDOW) as f32);
        for (power, (re, im)) in spectrum.iter_mut().zip(&self.points) {
            *power = scale * (re * re + im * im);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::Format;
    use crate::tone::{Component, ToneGenerator, ToneScript};

    #[test]
    fn a_pair_is_seen_at_its_level_at_every_rate() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_48000] {
            let script = ToneScript::steady(&[Component::new(440.0, -20.0), Component::new(1_477.0, -20.0)]);
            let sound = ToneGenerator::new(Format::mono(rate, Duration::from_millis(20)), &script)
                .render(Duration::from_secs(1));
            let mut ear = Ear::new(rate).unwrap();
            let mut seen = 0;
            ear.hear(&sound, &mut |_, hop| {
                seen += 1;
                if (20..60).contains(&seen) {
                    assert!(hop.paired > 0.98 && (0.4..0.6).contains(&hop.lone), "{hop:?}");
                    assert!((frequency(&hop.spectrum, 28) - 440.0).abs() < 2.0);
                    assert!((frequency(&hop.spectrum, 95) - 1_477.0).abs() < 2.0);
                    assert!((Level::from_power(hop.power).dbm0() + 17.0).abs() < 0.3);
                }
            });
            assert!((60..=63).contains(&seen), "{seen}");
        }
    }
}
