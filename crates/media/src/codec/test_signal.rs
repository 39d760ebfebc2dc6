// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound to test codecs with, and how near two sounds are.

/// A sine of half the full scale.
pub(super) struct Tone {
    phase: f64,
    step: f64,
}

impl Tone {
    pub(super) fn new(hertz: f64, rate: f64) -> Self {
        Self { phase: 0.0, step: hertz / rate * std::f64::consts::TAU }
    }
}

impl Iterator for Tone {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        self.phase += self.step;
        Some((self.phase.sin() * 16_000.0) as i16)
    }
}

/// The ratio of sound to error in decibels, at the delay of `heard` (up to `most` samples) where it is best, and
/// that delay.
pub(super) fn snr(sent: &[i16], heard: &[i16], most: usize) -> (f64, usize) {
    let square = |x: i32| f64::from(x) * f64::from(x);
    (0..=most)
        .map(|delay| {
            let pairs = || sent.iter().zip(&heard[delay..]).map(|(a, b)| (i32::from(*a), i32::from(*b)));
            let sound: f64 = pairs().map(|(a, _)| square(a)).sum();
            let error: f64 = pairs().map(|(a, b)| square(a - b)).sum();
            (10.0 * (sound / error.max(1e-9)).log10(), delay)
        })
        .fold((f64::MIN, 0), |best, this| if this.0 > best.0 { this } else { best })
}

/// Something like speech: a buzz of changing pitch under a moving resonance, in syllables.
pub(super) struct Speech {
    rate: f64,
    time: f64,
    phase: f64,
    memory: [f64; 2],
}

impl Speech {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, time: 0.0, phase: 0.0, memory: [0.0; 2] }
    }
}

impl Iterator for Speech {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        use std::f64::consts::TAU;
        self.time += 1.0 / self.rate;
        self.phase += (120.0 + 30.0 * (TAU * 1.5 * self.time).sin()) / self.rate;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
        }
        let syllable = (TAU * 2.0 * self.time).sin().max(0.0);
        let buzz = (1.0 - self.phase).powi(30) - 1.0 / 31.0;
        let angle = TAU * (900.0 + 500.0 * (TAU * 3.0 * self.time).sin()) / self.rate;
        let radius = (-std::f64::consts::PI * 200.0 / self.rate).exp();
        let [one, two] = self.memory;
        let out = (1.0 - radius) * 8.0 * buzz + 2.0 * radius * angle.cos() * one - radius * radius * two;
        self.memory = [out, one];
        Some((out * syllable * 12_000.0).clamp(-30_000.0, 30_000.0) as i16)
    }
}
