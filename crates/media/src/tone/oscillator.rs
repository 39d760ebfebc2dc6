// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sine from a phase accumulator: no table, no drift, no jump when the frequency changes.

use super::Frequency;
use crate::format::SampleRate;

/// One sine. The phase is a fraction of a turn in 32 bits and wraps by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Oscillator {
    phase: u32,
    step: u32,
    amplitude: f32,
}

impl Oscillator {
    pub(crate) fn new(frequency: Frequency, amplitude: f32, rate: SampleRate) -> Self {
        let turns = f64::from(frequency.hertz()) / f64::from(rate.hertz());
        // Above half the rate there is nothing but an alias: stay silent instead.
        let audible = turns < 0.5;
        let step = if audible { (turns * 4_294_967_296.0).round() as u32 } else { 0 };
        Self { phase: 0, step, amplitude: if audible { amplitude } else { 0.0 } }
    }

    /// Goes on from where `other` is.
    pub(crate) fn continue_from(&mut self, other: &Self) {
        self.phase = other.phase;
    }

    #[inline]
    pub(crate) fn sample(&mut self) -> f32 {
        let value = self.amplitude * sine(self.phase);
        self.phase = self.phase.wrapping_add(self.step);
        value
    }
}

/// The sine of a phase, by a polynomial that errs by less than 4e-7.
#[inline]
fn sine(phase: u32) -> f32 {
    // Signed turns from -1/2 to 1/2, then folded at the quarters, where the sine mirrors itself.
    let turn = (phase as i32) as f32 / 4_294_967_296.0;
    let folded = if turn.abs() > 0.25 { 0.5f32.copysign(turn) - turn } else { turn };
    let x = folded * std::f32::consts::TAU;
    let square = x * x;
    let series = 2.755_732e-6 - square * 2.505_21e-8;
    x * (1.0 - square * (0.166_666_67 - square * (8.333_333e-3 - square * (1.984_127e-4 - square * series))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_is_a_sine() {
        for phase in (0..=u32::MAX).step_by(65_521) {
            let exact = (f64::from(phase) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(phase)) - exact).abs() < 4e-7, "{phase}");
        }
    }

    #[test]
    fn frequencies_that_cannot_be_are_silent() {
        for hertz in [4_000.0, 1e9, f32::INFINITY] {
            let mut oscillator = Oscillator::new(Frequency::from_hertz(hertz), 1.0, SampleRate::HZ_8000);
            assert!((0..100).all(|_| oscillator.sample() == 0.0), "{hertz}");
        }
    }
}
