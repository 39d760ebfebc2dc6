// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures the strongest tone of a recording: how high, how loud, and whether it ever broke off.
//!
//! Not for the tick: it works on the whole recording at once and takes its time.

use std::f64::consts::TAU;

use super::spectrum::{Complex, hann, mean_power};
use crate::format::SampleRate;
use crate::level::Level;

/// What was measured. Levels and gaps are those of the one tone, whatever else was in the recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneReport {
    /// The frequency; within 0.1 Hz of the truth on a clean tone of half a second or more.
    pub frequency_hz: f64,
    /// The level while the tone sounds; within 0.1 dB of the truth on a clean tone.
    pub level: Level,
    /// From the beginning of the recording to the first appearance of the tone.
    pub first_ms: f64,
    /// How long the tone sounded in all, gaps not counted.
    pub present_ms: f64,
    /// The longest time without the tone between its first and its last appearance; gaps below 3 ms are not
    /// seen, others are exact to about 1 ms.
    pub longest_gap_ms: f64,
}

impl ToneReport {
    /// Whether the tone is what was sent: frequency and level within these distances, no gap longer than that.
    #[must_use]
    pub fn matches(&self, frequency_hz: f64, level: Level, limits: &ToneLimits) -> bool {
        (self.frequency_hz - frequency_hz).abs() <= limits.frequency_hz
            && (self.level.dbov() - level.dbov()).abs() <= limits.level_db
            && self.longest_gap_ms <= limits.gap_ms
    }
}

/// How far a tone may be from what was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneLimits {
    /// Hertz to either side.
    pub frequency_hz: f64,
    /// Decibels to either side.
    pub level_db: f32,
    /// Milliseconds of absence.
    pub gap_ms: f64,
}

impl Default for ToneLimits {
    /// What a good call keeps: 1 Hz, 1 dB, 40 ms.
    fn default() -> Self {
        Self { frequency_hz: 1.0, level_db: 1.0, gap_ms: 40.0 }
    }
}

/// Measures the strongest tone in mono `samples`; `None` if there is no tone of at least 40 ms.
///
/// ```
/// use std::time::Duration;
/// use offhook_media::SampleRate;
/// use offhook_media::signal;
/// use offhook_media::tone::analysis::analyse;
///
/// let recording = signal::reference_tone(SampleRate::HZ_8000, Duration::from_secs(1));
/// let report = analyse(&recording, SampleRate::HZ_8000).unwrap();
/// assert!(report.matches(1_004.0, signal::REFERENCE_LEVEL, &Default::default()));
/// ```
#[must_use]
pub fn analyse(samples: &[i16], rate: SampleRate) -> Option<ToneReport> {
    let coarse = strongest(samples, rate)?;
    analyse_near(samples, rate, coarse)
}

/// Measures the tone within about 20 Hz of `frequency_hz`, be it the strongest or not; `None` if there is none.
#[must_use]
pub fn analyse_near(samples: &[i16], rate: SampleRate, frequency_hz: f64) -> Option<ToneReport> {
    let measurable = LOWEST_HZ..f64::from(rate.hertz()) / 2.0;
    if !measurable.contains(&frequency_hz) {
        return None;
    }
    let frequency_hz = refine(samples, rate, frequency_hz, 1)?;
    let frequency_hz = refine(samples, rate, frequency_hz, 8).unwrap_or(frequency_hz);
    if !measurable.contains(&frequency_hz) {
        return None;
    }
    let views = views(samples, rate, frequency_hz);
    let floor = typical(&views, 0.0)?;
    let sounding: Vec<_> = views.iter().filter(|view| view.tone.magnitude() > floor / 2.0).collect();
    let shares = sounding.iter().map(|view| view.share()).collect();
    if median(shares)? < MIN_SHARE {
        return None;
    }
    let amplitude = median(sounding.iter().map(|view| view.tone.magnitude()).collect())?;
    let presence = Presence::measure(samples, rate, frequency_hz, amplitude)?;
    if presence.present_ms < MIN_PRESENT_MS || amplitude < MIN_AMPLITUDE {
        return None;
    }
    Some(ToneReport {
        frequency_hz,
        level: Level::from_amplitude(amplitude as f32),
        first_ms: presence.first_ms,
        present_ms: presence.present_ms,
        longest_gap_ms: presence.longest_gap_ms,
    })
}

/// Below this the windows hold too few periods, and an offset from zero looks like a tone.
const LOWEST_HZ: f64 = 20.0;
/// A tone has at least this part of the power where it sounds; two equal ones together pass, noise does not.
const MIN_SHARE: f64 = 0.25;
const MIN_PRESENT_MS: f64 = 40.0;
/// Below one step of the samples nothing is a tone.
const MIN_AMPLITUDE: f64 = 1.0;

/// The frequency of the strongest bin, to about a tenth of a bin of 8 Hz.
fn strongest(samples: &[i16], rate: SampleRate) -> Option<f64> {
    let size = (rate.hertz() as usize / 8).next_power_of_two();
    let power = mean_power(samples, size);
    // The lowest bins hold the offset from zero, not a tone.
    let bin = (3..power.len() - 1).max_by(|&a, &b| power[a].total_cmp(&power[b]))?;
    if power[bin] <= 0.0 {
        return None;
    }
    let [left, middle, right] = [power[bin - 1], power[bin], power[bin + 1]].map(|p| p.max(1e-9).ln());
    let bend = left - 2.0 * middle + right;
    let offset = if bend < 0.0 { 0.5 * (left - right) / bend } else { 0.0 };
    Some((bin as f64 + offset.clamp(-0.5, 0.5)) * f64::from(rate.hertz()) / size as f64)
}

/// A window of 20 ms seen at one frequency.
struct View {
    /// Amplitude and phase, the phase against a sine of that frequency that never stopped.
    tone: Complex,
    power: f64,
}

impl View {
    fn share(&self) -> f64 {
        if self.power > 0.0 { self.tone.power() / 2.0 / self.power } else { 0.0 }
    }
}

/// Looks at `samples` through a smooth window every 10 ms.
fn views(samples: &[i16], rate: SampleRate, frequency_hz: f64) -> Vec<View> {
    let hop = hop(rate);
    let window = hann(2 * hop);
    let step = -TAU * frequency_hz / f64::from(rate.hertz());
    let turns: Vec<_> = (0..window.len()).map(|index| Complex::turn(step * index as f64)).collect();
    let weighed = samples.windows(window.len()).step_by(hop).enumerate();
    weighed
        .map(|(index, part)| {
            let mut tone = Complex::default();
            let mut power = 0.0;
            for ((&sample, weight), turn) in part.iter().zip(&window).zip(&turns) {
                let sample = f64::from(sample);
                tone += turn.scaled(sample * weight);
                power += sample * sample * weight;
            }
            // The window's mean is a half, and half of a real tone turns the other way: twice two.
            let length = window.len() as f64;
            let start = Complex::turn(step * (index * hop) as f64);
            View { tone: tone.scaled(4.0 / length) * start, power: 2.0 * power / length }
        })
        .collect()
}

fn hop(rate: SampleRate) -> usize {
    (rate.hertz() / 100).max(1) as usize
}

/// Corrects a frequency by how the phase turns from one view to the `lag`th after it.
///
/// The median over all pairs does not care for the few that have a gap or a jump between them.
fn refine(samples: &[i16], rate: SampleRate, frequency_hz: f64, lag: usize) -> Option<f64> {
    let views = views(samples, rate, frequency_hz);
    let floor = typical(&views, 0.0)? / 2.0;
    let pairs = views.iter().zip(views.iter().skip(lag));
    let turns = pairs
        .filter(|(early, late)| early.tone.magnitude() > floor && late.tone.magnitude() > floor)
        .map(|(early, late)| (late.tone * early.tone.conjugate()).angle())
        .collect();
    let seconds = (lag * hop(rate)) as f64 / f64::from(rate.hertz());
    Some(frequency_hz + median(turns)? / TAU / seconds)
}

/// The amplitude that all but the loudest tenth of the views above `least` stay below.
fn typical(views: &[View], least: f64) -> Option<f64> {
    let mut amplitudes: Vec<_> =
        views.iter().map(|view| view.tone.magnitude()).filter(|a| *a > least).collect();
    amplitudes.sort_by(f64::total_cmp);
    amplitudes.get(amplitudes.len() * 9 / 10).copied()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// When the tone was there.
struct Presence {
    first_ms: f64,
    present_ms: f64,
    longest_gap_ms: f64,
}

impl Presence {
    /// Moves a short window along in steps of a millisecond; the tone is there where half of it is heard.
    fn measure(samples: &[i16], rate: SampleRate, frequency_hz: f64, amplitude: f64) -> Option<Self> {
        let step = (rate.hertz() / 1_000).max(1) as usize;
        let turn = -TAU * frequency_hz / f64::from(rate.hertz());
        let parts: Vec<_> = samples
            .chunks_exact(step)
            .enumerate()
            .map(|(index, part)| {
                part.iter().enumerate().fold(Complex::default(), |sum, (offset, &sample)| {
                    sum + Complex::turn(turn * (index * step + offset) as f64).scaled(f64::from(sample))
                })
            })
            .collect();
        // Two periods at least, or the half that turns the other way does not cancel.
        let width = 5.max((2_000.0 / frequency_hz).ceil() as usize);
        let threshold = amplitude * (width * step) as f64 / 4.0;
        let heard: Vec<_> = parts
            .windows(width)
            .map(|window| window.iter().fold(Complex::default(), |sum, part| sum + *part).magnitude())
            .map(|magnitude| magnitude >= threshold)
            .collect();
        let first = heard.iter().position(|&heard| heard)?;
        let last = heard.iter().rposition(|&heard| heard)?;
        let steps_ms = step as f64 * 1_000.0 / f64::from(rate.hertz());
        let sounding = heard[first..=last].iter().filter(|&&heard| heard).count();
        let gap = heard[first..=last].split(|&heard| heard).map(<[bool]>::len).max().unwrap_or(0);
        // A window stands for its middle; at the ends of the recording that leaves half a window out.
        let half = width as f64 / 2.0;
        let lead = if first == 0 { 0.0 } else { first as f64 + half };
        let cut = (width - 1) as f64 / 2.0;
        let ends = f64::from(u8::from(first == 0)) + f64::from(u8::from(last + 1 == heard.len()));
        Some(Self {
            first_ms: lead * steps_ms,
            present_ms: (sounding as f64 + cut * ends) * steps_ms,
            longest_gap_ms: gap as f64 * steps_ms,
        })
    }
}

#[cfg(test)]
mod tests;
