// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power and phase at a few chosen frequencies, block by block (Goertzel's recurrence, all lanes side by side).

use crate::format::SampleRate;

/// `N` frequencies listened to at once.
#[derive(Clone, Debug)]
pub(super) struct Goertzel<const N: usize> {
    /// Radians from one sample to the next.
    angles: [f32; N],
    /// Twice the cosines of the angles.
    coefficients: [f32; N],
    before: [f32; N],
    last: [f32; N],
    energy: f32,
    filled: usize,
    block: usize,
}

/// What one block held. Powers are mean squares of samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<const N: usize> {
    pub(super) tones: [f32; N],
    /// Where in its turn each tone was at the end of the block, in radians.
    pub(super) phases: [f32; N],
    pub(super) total: f32,
}

impl<const N: usize> Goertzel<N> {
    /// Listens at `hertz` in blocks of `block` samples (at least one).
    pub(super) fn new(hertz: [f32; N], block: usize, rate: SampleRate) -> Self {
        let turn = std::f64::consts::TAU / f64::from(rate.hertz());
        let angles = hertz.map(|hertz| (f64::from(hertz) * turn) as f32);
        let coefficients = hertz.map(|hertz| (2.0 * (f64::from(hertz) * turn).cos()) as f32);
        let (before, last) = ([0.0; N], [0.0; N]);
        Self { angles, coefficients, before, last, energy: 0.0, filled: 0, block: block.max(1) }
    }

    /// Samples in a block.
    pub(super) const fn block(&self) -> usize {
        self.block
    }

    /// How many turns a block the tone in `lane` is away from its frequency, seen from one block to the next;
    /// whole turns cannot be told apart, so the answer lies between −1/2 and 1/2.
    pub(super) fn drift(&self, lane: usize, earlier: &Block<N>, later: &Block<N>) -> f32 {
        let expected = self.angles[lane] * self.block as f32;
        let turns = (later.phases[lane] - earlier.phases[lane] - expected) / std::f32::consts::TAU;
        turns - turns.round()
    }

    /// Takes samples off the front of `samples`, up to the end of the block; returns the block if it ended.
    pub(super) fn take(&mut self, samples: &mut &[i16]) -> Option<Block<N>> {
        let (now, later) = samples.split_at(samples.len().min(self.block - self.filled));
        *samples = later;
        for &sample in now {
            let sample = f32::from(sample);
            self.energy += sample * sample;
            for lane in 0..N {
                let next = sample + self.coefficients[lane] * self.last[lane] - self.before[lane];
                self.before[lane] = self.last[lane];
                self.last[lane] = next;
            }
        }
        self.filled += now.len();
        (self.filled == self.block).then(|| self.finish())
    }

    fn finish(&mut self) -> Block<N> {
        let length = self.block as f32;
        let (mut tones, mut phases) = ([0.0; N], [0.0; N]);
        for lane in 0..N {
            let (sine, cosine) = self.angles[lane].sin_cos();
            let (last, before) = (self.last[lane], self.before[lane]);
            let (re, im) = (last - before * cosine, before * sine);
            // A sine of amplitude A gives (A N / 2)² here and has the power A² / 2.
            tones[lane] = 2.0 * (re * re + im * im) / (length * length);
            phases[lane] = im.atan2(re);
        }
        let total = self.energy / length;
        (self.before, self.last) = ([0.0; N], [0.0; N]);
        (self.energy, self.filled) = (0.0, 0);
        Block { tones, phases, total }
    }
}
