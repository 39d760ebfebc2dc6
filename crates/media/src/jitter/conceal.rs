// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes up lost sound (the method of ITU-T G.711 appendix I): the last pitch period goes on, fading, and
//! what comes after is blended in.

use crate::format::SampleRate;

/// Longest pitch period: 66 Hz.
const LONGEST: u32 = 66;
/// Shortest pitch period: 400 Hz.
const SHORTEST: u32 = 400;
/// Sound is repeated at full strength for so many milliseconds, …
const FULL: u32 = 10;
/// … then fades to nothing within so many.
const FADE: u32 = 50;
/// Milliseconds over which real sound is blended in again.
const BLEND: u32 = 4;

/// Conceals the losses of one stream. All memory is taken at creation.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// The last sound played, newest at the end: two of the longest periods and what the search looks at.
    history: Box<[i16]>,
    /// Where the oldest sample stands: the history goes round until it is needed.
    oldest: usize,
    /// Samples made up since the last real one.
    made_up: u32,
    /// Samples of the period being repeated.
    pitch: usize,
    per_milli: u32,
}

impl Concealer {
    /// A concealer for mono sound of `rate`.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        let longest = (rate.hertz() / LONGEST) as usize;
        let per_milli = (rate.hertz() / 1_000).max(1);
        Self { history: vec![0; longest * 3].into(), oldest: 0, made_up: 0, pitch: 0, per_milli }
    }

    /// Tells what is played; its beginning is blended with what was made up before it.
    pub fn played(&mut self, frame: &mut [i16]) {
        if self.made_up > 0 {
            self.blend(frame);
            self.made_up = 0;
        }
        self.remember(frame);
    }

    /// Fills `frame` with made-up sound.
    pub fn conceal(&mut self, frame: &mut [i16]) {
        if self.made_up == 0 {
            self.history.rotate_left(self.oldest);
            self.oldest = 0;
            self.pitch = self.find_pitch();
        }
        for sample in frame.iter_mut() {
            *sample = self.next_made_up();
        }
        self.remember_made_up();
    }

    /// Whether what would be made up now is silence.
    #[must_use]
    pub const fn has_faded(&self) -> bool {
        self.made_up >= (FULL + FADE) * self.per_milli
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.made_up = 0;
    }

    fn remember(&mut self, frame: &[i16]) {
        let kept = &frame[frame.len().saturating_sub(self.history.len())..];
        let (first, second) = kept.split_at(kept.len().min(self.history.len() - self.oldest));
        self.history[self.oldest..][..first.len()].copy_from_slice(first);
        self.history[..second.len()].copy_from_slice(second);
        self.oldest = if second.is_empty() { self.oldest + first.len() } else { second.len() };
        if self.oldest == self.history.len() {
            self.oldest = 0;
        }
    }

    /// Made-up sound is not remembered: it repeats what is remembered.
    fn remember_made_up(&mut self) {
        if self.has_faded() {
            self.history.fill(0);
        }
    }

    fn next_made_up(&mut self) -> i16 {
        let (full, fade) = (FULL * self.per_milli, FADE * self.per_milli);
        let gain = (full + fade).saturating_sub(self.made_up).min(fade);
        let start = self.history.len() - self.pitch.max(1);
        let sample = self.history[start + self.made_up as usize % self.pitch.max(1)];
        self.made_up = self.made_up.saturating_add(1);
        (i64::from(sample) * i64::from(gain) / i64::from(fade)) as i16
    }

    fn blend(&mut self, frame: &mut [i16]) {
        let length = ((BLEND * self.per_milli) as usize).min(frame.len());
        for (n, sample) in frame.iter_mut().take(length).enumerate() {
            let (old, new) = (i32::from(self.next_made_up()), i32::from(*sample));
            let (n, length) = (n as i32, length as i32);
            *sample = ((old * (length - n) + new * n) / length) as i16;
        }
    }

    /// The lag at which the newest sound looks most like itself: normalised cross-correlation.
    fn find_pitch(&self) -> usize {
        let rate = self.per_milli * 1_000;
        let (shortest, longest) = ((rate / SHORTEST) as usize, self.history.len() / 3);
        let newest = &self.history[self.history.len() - longest..];
        // Every other sample, and every other lag, find the period well enough at telephone rates.
        let step = (self.per_milli as usize / 4).max(1);
        let (mut best, mut best_score) = (longest, f32::MIN);
        for lag in (shortest..=longest).step_by((step / 2).max(1)) {
            let start = self.history.len() - longest - lag;
            let older = &self.history[start..start + longest];
            let (mut product, mut energy) = (0.0_f32, 1.0_f32);
            for (new, old) in newest.iter().step_by(step).zip(older.iter().step_by(step)) {
                product += f32::from(*new) * f32::from(*old);
                energy += f32::from(*old) * f32::from(*old);
            }
            let score = product / energy.sqrt();
            if score > best_score {
                (best, best_score) = (lag, score);
            }
        }
        best.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, from: usize, frame: &mut [i16]) {
        for (n, sample) in frame.iter_mut().enumerate() {
            let phase = (from + n) as f32 * hertz / 8_000.0 * std::f32::consts::TAU;
            *sample = (phase.sin() * 8_000.0) as i16;
        }
    }

    fn power(frame: &[i16]) -> f32 {
        let sum: f32 = frame.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        (sum / frame.len() as f32).sqrt()
    }

    #[test]
    fn a_lost_frame_of_a_tone_goes_on_as_the_tone() {
        for hertz in [100.0, 160.0, 200.0, 250.0] {
            let mut concealer = Concealer::new(SampleRate::HZ_8000);
            let mut frame = [0; 160];
            for n in 0..5 {
                tone(hertz, n * 160, &mut frame);
                concealer.played(&mut frame);
            }
            let (mut expected, mut made_up) = ([0; 80], [0; 80]);
            tone(hertz, 800, &mut expected);
            concealer.conceal(&mut made_up);
            let difference: Vec<i16> = expected.iter().zip(made_up).map(|(a, b)| a.wrapping_sub(b)).collect();
            assert!(power(&difference) < power(&expected) * 0.25, "{hertz}: {}", power(&difference));
        }
    }

    #[test]
    fn concealment_fades_to_silence_and_stays_there() {
        let mut concealer = Concealer::new(SampleRate::HZ_8000);
        let mut frame = [4_000; 160];
        concealer.played(&mut frame);
        let powers: Vec<f32> = (0..5)
            .map(|_| {
                concealer.conceal(&mut frame);
                power(&frame)
            })
            .collect();
        assert!(powers.windows(2).all(|pair| pair[1] <= pair[0]), "{powers:?}");
        assert_eq!(powers[3..], [0.0, 0.0]);
        assert!(concealer.has_faded());
    }

    #[test]
    fn real_sound_is_blended_in_without_a_click() {
        let mut concealer = Concealer::new(SampleRate::HZ_8000);
        let mut frame = [0; 160];
        for n in 0..5 {
            tone(200.0, n * 160, &mut frame);
            concealer.played(&mut frame);
        }
        concealer.conceal(&mut frame);
        let last = frame[159];
        let mut after = [-8_000; 160];
        concealer.played(&mut after);
        assert!((i32::from(after[0]) - i32::from(last)).abs() < 2_500, "{last} {}", after[0]);
        assert_eq!(after[32..], [-8_000; 128]);
    }

    #[test]
    fn odd_frames_are_no_trouble() {
        let mut concealer = Concealer::new(SampleRate::HZ_8000);
        for len in [0, 1, 7, 5_000] {
            let mut frame = vec![100; len];
            concealer.conceal(&mut frame);
            concealer.played(&mut frame);
        }
    }
}
