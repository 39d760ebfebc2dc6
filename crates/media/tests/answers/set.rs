// SPDX-License-Identifier: MIT OR Apache-2.0
//! The labelled set: calls that are answered, made from a seed. Nobody's voice is in it.

use std::time::Duration;

use offhook_media::SampleRate;
use offhook_media::answer::Verdict;
use offhook_media::codec::{Alaw, Codec, Ulaw};
use offhook_media::level::Level;
use offhook_media::signal;
use offhook_media::tone::progress::{CallProgress, Country, Sit, script};
use offhook_media::tone::{Frequency, ToneGenerator};
use offhook_media::{Format, tone::ToneScript};

pub(crate) const RATE: SampleRate = SampleRate::HZ_8000;

/// One answered call.
pub(crate) struct Call {
    pub(crate) label: Verdict,
    pub(crate) country: Country,
    pub(crate) sound: Vec<i16>,
    /// Where the first sound begins, in seconds; noise does not count.
    pub(crate) onset: f32,
    /// Where a beep ends, in seconds.
    pub(crate) beep: Option<f32>,
    pub(crate) about: String,
}

/// The whole set for one seed.
pub(crate) fn calls(seed: u64) -> Vec<Call> {
    let shares = [
        (Verdict::Human, 200),
        (Verdict::Machine, 200),
        (Verdict::Fax, 80),
        (Verdict::Tone, 120),
        (Verdict::Silence, 50),
    ];
    let kinds = shares.into_iter().flat_map(|(label, count)| std::iter::repeat_n(label, count));
    kinds.enumerate().map(|(index, label)| Maker::new(seed, index as u64).call(label)).collect()
}

struct Maker {
    random: Random,
    /// Level of what is heard, in dBov.
    level: f32,
    country: Country,
    sound: Vec<i16>,
    about: String,
}

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

impl Maker {
    fn new(seed: u64, index: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(index));
        let level = between(&mut random, -40.0, -10.0);
        let country = Country::ALL[pick(&mut random, Country::ALL.len())];
        Self { random, level, country, sound: Vec::new(), about: String::new() }
    }

    fn call(mut self, label: Verdict) -> Call {
        let pause = self.within(0.05, 1.5);
        self.silence(pause);
        let onset = self.now();
        let beep = match label {
            Verdict::Human => self.human(),
            Verdict::Machine => self.machine(),
            Verdict::Fax => self.fax(),
            Verdict::Tone => self.exchange(),
            _ => None,
        };
        let rest = 6.0 - self.now().min(4.0);
        self.silence(rest);
        self.worsen();
        Call { label, country: self.country, sound: self.sound, onset, beep, about: self.about }
    }

    /// A greeting of 0.4 to 1.8 s in one or two parts; some ask again when nobody answers.
    fn human(&mut self) -> Option<f32> {
        let length = self.within(0.4, 1.8);
        if length > 0.9 && self.chance(0.4) {
            let first = self.within(0.3, 0.5) * length;
            let pause = self.within(0.15, 0.5);
            self.say(first);
            self.silence(pause);
            self.say(length - first);
        } else {
            self.say(length);
        }
        if self.chance(0.3) {
            let wait = self.within(0.9, 2.5);
            self.silence(wait);
            let again = self.within(0.3, 0.8);
            self.say(again);
        }
        self.about = format!("greeting of {length:.2} s");
        None
    }

    /// A greeting of 3 to 12 s in phrases, then a beep. One in six opens with a short phrase and a long pause.
    fn machine(&mut self) -> Option<f32> {
        let length = self.within(3.0, 12.0);
        let end = self.now() + length;
        if self.chance(0.17) {
            let first = self.within(0.5, 1.3);
            let pause = self.within(0.4, 1.1);
            self.say(first);
            self.silence(pause);
            self.about = format!("opens with {first:.2} s, then {pause:.2} s of silence; ");
        }
        loop {
            let left = end - self.now();
            let phrase = self.within(1.0, 4.0).min(left.max(0.4));
            self.say(phrase);
            if self.now() >= end - 0.3 {
                break;
            }
            let pause = self.within(0.2, 0.7);
            self.silence(pause);
        }
        let pause = self.within(0.1, 1.2);
        self.silence(pause);
        let (hertz, lasts) = (self.within(400.0, 2_500.0), self.within(0.14, 1.2));
        let louder = self.within(-4.0, 4.0);
        let level = Level::from_dbov((self.level + louder).min(-8.0));
        self.sound.extend(signal::tone(RATE, Frequency::from_hertz(hertz), level, seconds(lasts)));
        self.about += &format!("{length:.1} s of greeting, beep of {hertz:.0} Hz for {lasts:.2} s");
        Some(self.now())
    }

    fn fax(&mut self) -> Option<f32> {
        let level = Level::from_dbov(self.level.min(-12.0));
        let hertz = |hertz, by: f32| Frequency::from_hertz(hertz + by);
        if self.chance(0.3) {
            let off = self.within(-30.0, 30.0);
            for _ in 0..3 {
                self.sound.extend(signal::tone(RATE, hertz(1_100.0, off), level, seconds(0.5)));
                self.silence(3.0);
            }
            self.about = format!("calls at {:.0} Hz", 1_100.0 + off);
        } else {
            let off = self.within(-12.0, 12.0);
            let lasts = self.within(2.6, 4.0);
            let mut tone = signal::tone(RATE, hertz(2_100.0, off), level, seconds(lasts));
            let reversed = self.chance(0.5);
            if reversed {
                for part in tone.chunks_mut(2 * 3_600) {
                    part.iter_mut().skip(3_600).for_each(|sample| *sample = sample.saturating_neg());
                }
            }
            self.sound.extend(tone);
            self.about = format!("answers at {:.0} Hz, reversals {reversed}", 2_100.0 + off);
        }
        None
    }

    fn exchange(&mut self) -> Option<f32> {
        let sits = [Sit::Intercept, Sit::NoCircuit, Sit::Reorder, Sit::Unspecified, Sit::VacantCode];
        let tone = match pick(&mut self.random, 4) {
            0 => CallProgress::SpecialInformation(sits[pick(&mut self.random, sits.len())]),
            1 => CallProgress::Congestion,
            2 => CallProgress::Dial,
            _ => CallProgress::Busy,
        };
        self.about = format!("{tone:?} of {}", self.country);
        let special = matches!(tone, CallProgress::SpecialInformation(_));
        self.tone(&script(self.country, tone), if special { 1.3 } else { 7.0 });
        if special {
            let length = self.within(3.0, 6.0);
            self.say(length);
        }
        None
    }

    /// A tone at the level of the call.
    fn tone(&mut self, script: &ToneScript, length: f32) {
        let tone = ToneGenerator::new(Format::TELEPHONE, script).render(seconds(length));
        let loudest =
            tone.chunks(800).map(signal::level_of).fold(Level::SILENCE, |a, b| if b > a { b } else { a });
        let gain = 10f32.powf((self.level.min(-12.0) - loudest.dbov()) / 20.0);
        self.sound.extend(tone.iter().map(|&sample| (f32::from(sample) * gain) as i16));
    }

    fn say(&mut self, length: f32) {
        let seed = self.random.next();
        let level = Level::from_dbov(self.level);
        self.sound.extend(signal::speech(RATE, seed, seconds(length), level));
    }

    fn silence(&mut self, length: f32) {
        self.sound.resize(self.sound.len() + (length * 8_000.0) as usize, 0);
    }

    /// Noise, a codec, and lost packets of 20 ms.
    fn worsen(&mut self) {
        let noise = self.within(-78.0, -50.0).min(self.level - 14.0);
        let seed = self.random.next();
        let hiss = signal::noise(RATE, seed, seconds(self.now() + 0.1), Level::from_dbov(noise));
        for (sample, noise) in self.sound.iter_mut().zip(&hiss) {
            *sample = sample.saturating_add(*noise);
        }
        let mut payload = vec![0; self.sound.len()];
        let codec = pick(&mut self.random, 3);
        let codecs: [&mut dyn Codec; 2] = [&mut Ulaw, &mut Alaw];
        if let Some(codec) = codecs.into_iter().nth(codec) {
            codec.encode(&self.sound, &mut payload);
            codec.decode(&payload, &mut self.sound);
        }
        let loss = [0.0, 0.0, 0.01, 0.03, 0.05][pick(&mut self.random, 5)];
        let Self { random, sound, .. } = self;
        for packet in sound.chunks_mut(160) {
            if between(random, 0.0, 1.0) < loss {
                packet.fill(0);
            }
        }
        let codec = ["µ-law", "A-law", "linear"][codec];
        self.about += &format!("; {:.0} dBov, noise {noise:.0} dBov, {codec}, loss {loss}", self.level);
    }

    fn now(&self) -> f32 {
        self.sound.len() as f32 / 8_000.0
    }

    fn within(&mut self, low: f32, high: f32) -> f32 {
        between(&mut self.random, low, high)
    }

    fn chance(&mut self, share: f32) -> bool {
        self.within(0.0, 1.0) < share
    }
}

/// Even random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn between(random: &mut Random, low: f32, high: f32) -> f32 {
    low + (high - low) * (random.next() as f32 / u64::MAX as f32)
}

fn pick(random: &mut Random, count: usize) -> usize {
    (random.next() % count.max(1) as u64) as usize
}
