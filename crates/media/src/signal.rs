// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sounds made by the program: a prompt to play, a reference tone to measure, speech and noise to test with.

use std::time::Duration;

use crate::format::{Format, SampleRate};
use crate::level::{Level, energy};
use crate::tone::{Component, Frequency, ToneGenerator, ToneScript};

/// The frequency of the reference tone: 1004 Hz, as test equipment has it, because at exactly 1 kHz an 8 kHz
/// codec would only ever see the same eight samples.
pub const REFERENCE: Frequency = Frequency::from_hertz(1_004.0);
/// The level of the reference tone.
pub const REFERENCE_LEVEL: Level = Level::from_dbm0(-16.0);

/// The reference tone for `duration` at `rate`.
#[must_use]
pub fn reference_tone(rate: SampleRate, duration: Duration) -> Vec<i16> {
    tone(rate, REFERENCE, REFERENCE_LEVEL, duration)
}

/// A lone steady tone.
#[must_use]
pub fn tone(rate: SampleRate, frequency: Frequency, level: Level, duration: Duration) -> Vec<i16> {
    let format = Format::mono(rate, Duration::from_millis(20));
    ToneGenerator::new(format, &ToneScript::steady(&[Component { frequency, level }])).render(duration)
}

/// A pleasant prompt of about four seconds: a chime, a murmured sentence, two seconds of the reference tone.
///
/// The reference tone is the strongest single tone in it, so
/// [`analyse`](crate::tone::analysis::analyse) finds it in a recording of the prompt.
#[must_use]
pub fn prompt(rate: SampleRate) -> Vec<i16> {
    let pause = vec![0; samples(rate, 0.15)];
    let mut sound = chime(rate);
    sound.extend_from_slice(&pause);
    sound.extend(speech(rate, 4, Duration::from_millis(900), Level::from_dbov(-24.0)));
    sound.extend_from_slice(&pause);
    sound.extend(reference_tone(rate, Duration::from_secs(2)));
    sound
}

/// Three struck notes of a major chord, each dying away.
fn chime(rate: SampleRate) -> Vec<i16> {
    const NOTES: [f32; 3] = [523.25, 659.26, 783.99];
    const SPACING: f32 = 0.18;
    let hertz = rate.hertz() as f32;
    let mut sound = vec![0f32; samples(rate, 0.9)];
    for (index, note) in NOTES.into_iter().enumerate() {
        let start = samples(rate, SPACING * index as f32);
        for (offset, sample) in sound.iter_mut().skip(start).enumerate() {
            let time = offset as f32 / hertz;
            let strike = (time / 0.004).min(1.0) * (-time / 0.16).exp();
            let turn = std::f32::consts::TAU * note * time;
            *sample += 4_000.0 * strike * (turn.sin() + 0.3 * (2.0 * turn).sin() + 0.1 * (3.0 * turn).sin());
        }
    }
    let length = sound.len().max(1) as f32;
    let fade = |index: usize| ((length - index as f32) / (0.05 * hertz)).min(1.0);
    sound.iter().enumerate().map(|(index, sample)| (sample * fade(index)) as i16).collect()
}

/// Evenly distributed white noise at `level`, the same for the same `seed`.
#[must_use]
pub fn noise(rate: SampleRate, seed: u64, duration: Duration, level: Level) -> Vec<i16> {
    let mut random = Random(seed);
    // Even distribution to either side has a third of the power of its bound.
    let bound = (3.0 * level.power()).sqrt();
    let count = samples(rate, duration.as_secs_f32());
    (0..count).map(|_| (bound * random.signed()).round() as i16).collect()
}

/// Something that moves like speech, at `level` while it talks, the same for the same `seed`.
///
/// Pulses and breath through three wandering resonances, in syllables with pauses between words. It means
/// nothing, but it has the pitch, the harmonics and the formants that mislead tone detectors.
#[must_use]
pub fn speech(rate: SampleRate, seed: u64, duration: Duration, level: Level) -> Vec<i16> {
    let mut random = Random(seed);
    let wanted = samples(rate, duration.as_secs_f32());
    let pitch = 150.0 + 60.0 * random.signed();
    let mut sound: Vec<f32> = Vec::with_capacity(wanted);
    while sound.len() < wanted {
        let syllables = 1 + (3.0 * random.unit()) as usize;
        for _ in 0..syllables {
            syllable(rate, pitch, &mut random, &mut sound);
        }
        sound.resize(sound.len() + samples(rate, 0.03 + 0.15 * random.unit()), 0.0);
    }
    sound.truncate(wanted);
    scaled(&sound, level)
}

fn syllable(rate: SampleRate, pitch: f32, random: &mut Random, sound: &mut Vec<f32>) {
    let hertz = rate.hertz() as f32;
    let length = samples(rate, 0.08 + 0.18 * random.unit());
    let voiced = random.unit() < 0.8;
    let mut formants = [
        Resonance::new(300.0 + 600.0 * random.unit(), 60.0, hertz),
        Resonance::new(900.0 + 1_400.0 * random.unit(), 90.0, hertz),
        Resonance::new(2_400.0 + 900.0 * random.unit(), 140.0, hertz),
    ];
    let glide = 1.0 + 0.2 * random.signed();
    let mut phase = 0.0;
    for index in 0..length {
        let part = index as f32 / length as f32;
        phase += pitch * (1.0 + (glide - 1.0) * part) / hertz;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= pulse;
        let excitation = if voiced { pulse + 0.02 * random.signed() } else { 0.2 * random.signed() };
        let envelope = (part / 0.15).min((1.0 - part) / 0.25).min(1.0);
        let spoken: f32 = formants.iter_mut().map(|formant| formant.pass(excitation)).sum();
        sound.push(spoken * envelope);
    }
}

/// Scales `sound` so that its louder half has `level`, and clips what still stands out.
fn scaled(sound: &[f32], level: Level) -> Vec<i16> {
    let active: Vec<f32> = sound.iter().map(|x| x * x).filter(|power| *power > 0.0).collect();
    let power = active.iter().sum::<f32>() / active.len().max(1) as f32;
    let gain = if power > 0.0 { (level.power() / power).sqrt() } else { 0.0 };
    sound.iter().map(|sample| (sample * gain) as i16).collect()
}

/// A resonance of the mouth: two poles.
struct Resonance {
    gain: f32,
    near: f32,
    far: f32,
    last: [f32; 2],
}

impl Resonance {
    fn new(centre: f32, width: f32, rate: f32) -> Self {
        let radius = (-std::f32::consts::PI * width / rate).exp();
        let near = 2.0 * radius * (std::f32::consts::TAU * centre / rate).cos();
        Self { gain: 1.0 - radius, near, far: -radius * radius, last: [0.0; 2] }
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let next = self.gain * sample + self.near * self.last[0] + self.far * self.last[1];
        self.last = [next, self.last[0]];
        next
    }
}

/// A small generator of even random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / 16_777_216.0
    }

    fn signed(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }
}

/// The level of samples as a whole.
#[must_use]
pub fn level_of(samples: &[i16]) -> Level {
    Level::from_power(energy(samples) / samples.len().max(1) as f32)
}

fn samples(rate: SampleRate, seconds: f32) -> usize {
    (rate.hertz() as f32 * seconds).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::analysis::analyse;

    #[test]
    fn the_reference_tone_is_the_strongest_of_the_prompt() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_48000] {
            let prompt = prompt(rate);
            let seconds = prompt.len() as f32 / rate.hertz() as f32;
            assert!((3.5..5.0).contains(&seconds), "{seconds}");
            let report = analyse(&prompt, rate).unwrap();
            assert!((report.frequency_hz - 1_004.0).abs() < 0.1, "{report:?}");
            assert!((report.level.dbm0() + 16.0).abs() < 0.1, "{report:?}");
            assert!(prompt.iter().all(|sample| sample.unsigned_abs() < 30_000));
        }
    }

    #[test]
    fn noise_and_speech_have_the_level_asked_for() {
        let level = Level::from_dbov(-26.0);
        let noise = noise(SampleRate::HZ_8000, 1, Duration::from_secs(2), level);
        assert!((level_of(&noise).dbov() + 26.0).abs() < 0.2);
        let speech = speech(SampleRate::HZ_8000, 1, Duration::from_secs(5), level);
        assert!((level_of(&speech).dbov() + 26.0).abs() < 4.0, "{}", level_of(&speech));
    }

    #[test]
    fn the_same_seed_says_the_same() {
        let say = |seed| speech(SampleRate::HZ_8000, seed, Duration::from_secs(1), Level::from_dbov(-20.0));
        assert_eq!(say(7), say(7));
        assert_ne!(say(7), say(8));
    }
}
