// SPDX-License-Identifier: MIT OR Apache-2.0
//! Comfort noise (RFC 3389, RTP payload type 13): silence is described once in a while, and made anew from that.

use crate::level::Level;

/// Reflection coefficients at most; RFC 3389 sets no bound, and more than these nobody hears.
const ORDER: usize = 10;
/// A coefficient is `STEP * (byte - MIDDLE) / 32768` (RFC 3389 section 3.2).
const STEP: f32 = 258.0 / 32_768.0;
const MIDDLE: u8 = 127;
/// The highest index of a coefficient; the one above is reserved.
const HIGHEST: u8 = 254;
/// Samples after which what is made takes a step towards what was described last.
const BLOCK: usize = 80;
/// The share of a step.
const TOWARDS: f32 = 0.4;
/// What a silent frame adds to what is remembered of those before.
const FRESH: f32 = 0.2;

/// Describes silence: gathers its power and spectrum, and writes payloads. Nothing is allocated.
///
/// ```
/// use offhook_media::codec::{ComfortNoise, NoiseMeasure};
///
/// let mut measure = NoiseMeasure::new(0);
/// measure.add(&[100, -100].repeat(80));
/// let mut payload = [0; 11];
/// assert_eq!(measure.payload(&mut payload), 1);
/// assert_eq!(payload[0], 50, "−50 dBov");
///
/// let mut noise = ComfortNoise::new(1);
/// assert!(noise.describe(&payload[..1]));
/// let mut pcm = [0; 160];
/// noise.fill(&mut pcm);
/// assert!(pcm.iter().any(|sample| *sample != 0));
/// ```
#[derive(Clone, Debug)]
pub struct NoiseMeasure {
    order: usize,
    /// Smoothed correlation of a sample with those before it; the first is the power. In samples squared.
    correlation: [f32; ORDER + 1],
    fresh: bool,
}

impl NoiseMeasure {
    /// A measure that describes the spectrum by `order` reflection coefficients, at most 10; none at all is
    /// white noise, and understood by everybody.
    #[must_use]
    pub fn new(order: usize) -> Self {
        Self { order: order.min(ORDER), correlation: [0.0; ORDER + 1], fresh: true }
    }

    /// Takes a frame of silence, of any rate; the first counts fully, later ones by and by.
    pub fn add(&mut self, pcm: &[i16]) {
        if pcm.is_empty() {
            return;
        }
        let share = if self.fresh { 1.0 } else { FRESH };
        self.fresh = false;
        for (lag, remembered) in self.correlation.iter_mut().enumerate().take(self.order + 1) {
            let earlier = pcm.iter().zip(pcm.iter().skip(lag));
            let sum: f32 = earlier.map(|(a, b)| f32::from(*a) * f32::from(*b)).sum();
            *remembered += share * (sum / pcm.len() as f32 - *remembered);
        }
    }

    /// Forgets the past: talk ended, and another silence begins.
    pub fn reset(&mut self) {
        *self = Self::new(self.order);
    }

    /// How loud the silence is.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_power(self.correlation[0].max(0.0))
    }

    /// Writes the level and as many coefficients as there is room for, returns the bytes written.
    pub fn payload(&self, payload: &mut [u8]) -> usize {
        let Some((level, spectrum)) = payload.split_first_mut() else { return 0 };
        *level = self.level().rtp_bits();
        let coefficients = self.reflections();
        let order = self.order.min(spectrum.len());
        for (byte, k) in spectrum.iter_mut().zip(&coefficients[..order]) {
            *byte = ((k / STEP).round() + f32::from(MIDDLE)).clamp(0.0, f32::from(HIGHEST)) as u8;
        }
        1 + order
    }

    /// The recursion of Levinson and Durbin. Noise that changes slowly has a first coefficient below zero.
    fn reflections(&self) -> [f32; ORDER] {
        let mut coefficients = [0.0; ORDER];
        let mut filter = [0.0_f32; ORDER + 1];
        filter[0] = 1.0;
        // A trace of white noise keeps the filter stable.
        let mut error = self.correlation[0] * 1.001;
        for n in 0..self.order {
            if error <= f32::EPSILON {
                break;
            }
            let products = filter[..=n].iter().zip(self.correlation[1..=n + 1].iter().rev());
            let sum: f32 = products.map(|(a, r)| a * r).sum();
            let k = (-sum / error).clamp(-0.99, 0.99);
            coefficients[n] = k;
            let before = filter;
            for i in 1..=n + 1 {
                filter[i] = before[i] + k * before[n + 1 - i];
            }
            error *= 1.0 - k * k;
        }
        coefficients
    }
}

/// Makes noise as it was described, at the rate of the call. Nothing is allocated.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// What was described last, and what is made now.
    described: Noise,
    made: Noise,
    /// Samples until the next step.
    left: usize,
    seed: u32,
    /// The lattice filter's memory.
    memory: [f32; ORDER + 1],
    fresh: bool,
}

/// Root mean square in samples, and spectrum.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    amplitude: f32,
    reflections: [f32; ORDER],
}

impl Noise {
    fn read(payload: &[u8]) -> Option<Self> {
        let (level, spectrum) = payload.split_first()?;
        // The highest bit is always zero (RFC 3389 section 3.1).
        let amplitude = match level & 0x7f {
            127 => 0.0,
            level => Level::from_dbov(-f32::from(level)).power().sqrt(),
        };
        let mut reflections = [0.0; ORDER];
        for (k, byte) in reflections.iter_mut().zip(spectrum) {
            *k = STEP * (f32::from((*byte).min(HIGHEST)) - f32::from(MIDDLE));
        }
        Some(Self { amplitude, reflections })
    }

    fn step_towards(&mut self, other: &Self) {
        self.amplitude += TOWARDS * (other.amplitude - self.amplitude);
        for (k, other) in self.reflections.iter_mut().zip(other.reflections) {
            *k += TOWARDS * (other - *k);
        }
    }

    /// Amplitude of the white noise that the filter makes this loud.
    fn drive(&self) -> f32 {
        let loss: f32 = self.reflections.iter().map(|k| 1.0 - k * k).product();
        self.amplitude * loss.max(0.0).sqrt()
    }
}

impl ComfortNoise {
    /// Silence, until noise is described. Equal seeds make equal noise.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self {
            described: Noise::default(),
            made: Noise::default(),
            left: 0,
            seed,
            memory: [0.0; ORDER + 1],
            fresh: true,
        }
    }

    /// Takes a payload; `false` if it is empty. The first is obeyed at once, later ones within 50 ms or so.
    /// Coefficients after the tenth are ignored.
    pub fn describe(&mut self, payload: &[u8]) -> bool {
        let Some(noise) = Noise::read(payload) else { return false };
        self.described = noise;
        if self.fresh {
            self.made = noise;
            self.fresh = false;
        }
        true
    }

    /// Forgets what was described: the next payload is obeyed at once.
    pub fn reset(&mut self) {
        self.fresh = true;
    }

    /// Fills `pcm` with noise.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        let mut rest = pcm;
        while !rest.is_empty() {
            if self.left == 0 {
                self.made.step_towards(&self.described);
                self.left = BLOCK;
            }
            let (now, after) = rest.split_at_mut(rest.len().min(self.left));
            self.left -= now.len();
            let drive = self.made.drive();
            for sample in now {
                *sample = self.next(drive) as i16;
            }
            rest = after;
        }
    }

    /// One sample out of an all-pole lattice: stable, for every coefficient lies between −1 and 1.
    fn next(&mut self, drive: f32) -> f32 {
        let mut forward = self.white() * drive;
        for n in (0..ORDER).rev() {
            let k = self.made.reflections[n];
            forward -= k * self.memory[n];
            self.memory[n + 1] = self.memory[n] + k * forward;
        }
        self.memory[0] = forward;
        forward
    }

    /// White noise of power 1, near enough to a bell curve: the sum of four even ones.
    fn white(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
        }
        // Each has a power of one third.
        sum * (3.0_f32 / 4.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decibels(pcm: &[i16]) -> f64 {
        let power: f64 = pcm.iter().map(|s| (f64::from(*s) / 32_768.0).powi(2)).sum();
        10.0 * (power / pcm.len() as f64).log10()
    }

    fn made(payload: &[u8]) -> Vec<i16> {
        let mut noise = ComfortNoise::new(7);
        assert!(noise.describe(payload));
        let mut pcm = vec![0; 40_000];
        noise.fill(&mut pcm);
        pcm
    }

    #[test]
    fn noise_is_as_loud_as_described_whatever_its_colour() {
        for level in [20, 40, 60] {
            for spectrum in [&[][..], &[30], &[220, 160], &[20, 200, 100, 140, 127, 90, 127, 160, 120, 130]] {
                let pcm = made(&[&[level], spectrum].concat());
                let heard = decibels(&pcm);
                assert!((heard + f64::from(level)).abs() < 1.0, "{level} {spectrum:?} {heard}");
            }
        }
    }

    #[test]
    fn the_lowest_level_is_silence() {
        assert!(made(&[127, 30]).iter().all(|sample| *sample == 0));
    }

    #[test]
    fn what_was_made_is_described_alike() {
        let described = [45, 60, 150, 110, 140, 127, 120, 130, 127, 125, 129];
        let mut measure = NoiseMeasure::new(10);
        for frame in made(&described).chunks(160) {
            measure.add(frame);
        }
        let mut payload = [0; 11];
        assert_eq!(measure.payload(&mut payload), 11);
        for (n, (one, other)) in described.iter().zip(payload).enumerate() {
            let most = if n == 0 { 1 } else { 16 };
            assert!(one.abs_diff(other) <= most, "{described:?} {payload:?}");
        }
    }

    #[test]
    fn silence_is_described_as_such() {
        let mut measure = NoiseMeasure::new(10);
        measure.add(&[0; 160]);
        let mut payload = [0; 20];
        assert_eq!(measure.payload(&mut payload), 11);
        assert_eq!(payload[..11], [127; 11]);
        assert_eq!((measure.payload(&mut payload[..3]), measure.payload(&mut [])), (3, 0));
    }

    #[test]
    fn a_new_description_is_reached_step_by_step() {
        let mut noise = ComfortNoise::new(7);
        noise.describe(&[60]);
        let mut pcm = [0; 800];
        noise.fill(&mut pcm);
        noise.describe(&[20]);
        noise.fill(&mut pcm);
        assert!(decibels(&pcm[..80]) < -22.0, "{}", decibels(&pcm[..80]));
        assert!((decibels(&pcm[640..]) + 20.0).abs() < 1.5, "{}", decibels(&pcm[640..]));
        assert!(!noise.describe(&[]));
    }

    proptest! {
        #[test]
        fn any_description_makes_bounded_noise(payloads: Vec<Vec<u8>>, frame: Vec<i16>, order: usize) {
            let mut noise = ComfortNoise::new(1);
            let mut pcm = vec![0; 500];
            for payload in &payloads {
                noise.describe(payload);
                noise.fill(&mut pcm);
            }
            prop_assert!(noise.memory.iter().all(|x| x.is_finite()));
            let mut measure = NoiseMeasure::new(order);
            measure.add(&frame);
            let mut payload = [0; 11];
            let written = measure.payload(&mut payload);
            prop_assert!(noise.describe(&payload[..written]));
        }
    }
}
