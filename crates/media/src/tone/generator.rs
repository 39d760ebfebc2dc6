// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tones as a source: a script of steps, each up to four sines or silence, repeated as often as wanted.

use std::time::Duration;

use super::Frequency;
use super::oscillator::Oscillator;
use crate::format::Format;
use crate::level::{Level, rounded};
use crate::node::{Flow, FrameInfo, Source};

/// The most sines that sound together.
const MAX_COMPONENTS: usize = 4;

/// One sine of a tone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its frequency.
    pub frequency: Frequency,
    /// Its level.
    pub level: Level,
}

impl Component {
    /// A sine of `hertz` at `dbm0`.
    #[must_use]
    pub const fn new(hertz: f32, dbm0: f32) -> Self {
        Self { frequency: Frequency::from_hertz(hertz), level: Level::from_dbm0(dbm0) }
    }
}

/// A stretch of a script in which the same sines sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    components: [Option<Component>; MAX_COMPONENTS],
    duration: Option<Duration>,
}

impl Step {
    /// `components` together for `duration`; of more than four the rest is left out.
    #[must_use]
    pub fn tone(components: &[Component], duration: Duration) -> Self {
        Self { duration: Some(duration), ..Self::steady(components) }
    }

    /// `components` together until the generator is dropped.
    #[must_use]
    pub fn steady(components: &[Component]) -> Self {
        let mut slots = [None; MAX_COMPONENTS];
        for (slot, component) in slots.iter_mut().zip(components) {
            *slot = Some(*component);
        }
        Self { components: slots, duration: None }
    }

    /// Silence for `duration`.
    #[must_use]
    pub const fn silence(duration: Duration) -> Self {
        Self { components: [None; MAX_COMPONENTS], duration: Some(duration) }
    }
}

/// How often a script is played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a count or no end: there is nothing else")]
pub enum Repeat {
    /// Again and again.
    Forever,
    /// So many times.
    Times(u32),
}

/// What a tone generator plays.
///
/// ```
/// use std::time::Duration;
/// use offhook_media::tone::{Component, Repeat, Step, ToneScript};
///
/// let beep = Component::new(1_000.0, -12.0);
/// let beeps = ToneScript::new(
///     [Step::tone(&[beep], Duration::from_millis(200)), Step::silence(Duration::from_millis(300))],
///     Repeat::Times(3),
/// );
/// assert_eq!(beeps.duration(), Some(Duration::from_millis(1_500)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToneScript {
    steps: Vec<Step>,
    repeat: Repeat,
}

impl ToneScript {
    /// `steps` one after the other, `repeat`ed.
    #[must_use]
    pub fn new(steps: impl Into<Vec<Step>>, repeat: Repeat) -> Self {
        Self { steps: steps.into(), repeat }
    }

    /// `components` together without end.
    #[must_use]
    pub fn steady(components: &[Component]) -> Self {
        Self::new([Step::steady(components)], Repeat::Times(1))
    }

    /// How long it plays; `None` if for ever.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let mut once = Duration::ZERO;
        for step in &self.steps {
            once = once.saturating_add(step.duration?);
        }
        match self.repeat {
            Repeat::Times(times) => Some(once.saturating_mul(times)),
            Repeat::Forever if once.is_zero() => Some(once),
            Repeat::Forever => None,
        }
    }
}

/// Plays a [`ToneScript`]. Phases run on across frames, and across steps that sound without a pause.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    format: Format,
    steps: Box<[Planned]>,
    /// Rounds left after this one; `None` without end.
    rounds: Option<u32>,
    next: usize,
    left: u64,
    sounding: [Oscillator; MAX_COMPONENTS],
    voices: usize,
    position: u64,
}

/// A step in samples.
#[derive(Clone, Debug)]
struct Planned {
    oscillators: [Oscillator; MAX_COMPONENTS],
    voices: usize,
    samples: u64,
}

impl ToneGenerator {
    /// A generator of `script` in `format`; all channels carry the same.
    #[must_use]
    pub fn new(format: Format, script: &ToneScript) -> Self {
        let steps: Vec<_> = script
            .steps
            .iter()
            .map(|step| Planned::new(step, format))
            .filter(|step| step.samples > 0)
            .collect();
        let rounds = match script.repeat {
            _ if steps.is_empty() => Some(0),
            Repeat::Forever => None,
            Repeat::Times(times) => Some(times),
        };
        let silent = [Oscillator::default(); MAX_COMPONENTS];
        let next = steps.len();
        let steps = steps.into_boxed_slice();
        Self { format, steps, rounds, next, left: 0, sounding: silent, voices: 0, position: 0 }
    }

    /// Plays the whole script into memory, at most `limit` of it.
    #[must_use]
    pub fn render(mut self, limit: Duration) -> Vec<i16> {
        let frame = self.format.frame_len().max(1);
        let most = self.format.rate.samples_in(limit).saturating_mul(self.format.channels.count() as u64);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut samples = Vec::new();
        let mut info = FrameInfo::default();
        while samples.len() < most {
            let start = samples.len();
            samples.resize(most.min(start.saturating_add(frame)), 0);
            let flow = self.pull(&mut samples[start..], &mut info);
            if flow == Flow::End {
                samples
                    .truncate(usize::try_from(self.position).unwrap_or(most) * self.format.channels.count());
                break;
            }
        }
        samples
    }

    /// Goes to the next step, `false` at the end of the script.
    fn advance(&mut self) -> bool {
        if self.next >= self.steps.len() {
            match &mut self.rounds {
                None => {}
                Some(0) => return false,
                Some(rounds) => *rounds -= 1,
            }
            self.next = 0;
        }
        let Some(step) = self.steps.get(self.next) else { return false };
        let mut oscillators = step.oscillators;
        for (new, old) in oscillators.iter_mut().zip(&self.sounding).take(self.voices) {
            new.continue_from(old);
        }
        (self.sounding, self.voices, self.left) = (oscillators, step.voices, step.samples);
        self.next += 1;
        true
    }
}

impl Source for ToneGenerator {
    fn format(&self) -> Format {
        self.format
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        *info = FrameInfo::at(self.position);
        let channels = self.format.channels.count();
        let mut rest = out;
        while !rest.is_empty() {
            if self.left == 0 && !self.advance() {
                rest.fill(0);
                return Flow::End;
            }
            let moments = rest.len().div_ceil(channels) as u64;
            let run = moments.min(self.left);
            self.left -= run;
            self.position = self.position.saturating_add(run);
            let length = rest.len().min(usize::try_from(run).unwrap_or(usize::MAX).saturating_mul(channels));
            let (now, later) = rest.split_at_mut(length);
            let voices = &mut self.sounding[..self.voices];
            for moment in now.chunks_mut(channels) {
                moment.fill(rounded(voices.iter_mut().map(Oscillator::sample).sum()));
            }
            rest = later;
        }
        Flow::Continue
    }
}

impl Planned {
    fn new(step: &Step, format: Format) -> Self {
        let mut oscillators = [Oscillator::default(); MAX_COMPONENTS];
        let mut voices = 0;
        for component in step.components.iter().flatten() {
            oscillators[voices] =
                Oscillator::new(component.frequency, component.level.amplitude(), format.rate);
            voices += 1;
        }
        let samples = step.duration.map_or(u64::MAX, |duration| format.rate.samples_in(duration));
        Self { oscillators, voices, samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Channels, SampleRate};

    const BEEP: Component = Component::new(1_000.0, -10.0);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn generator(script: &ToneScript) -> ToneGenerator {
        ToneGenerator::new(Format::TELEPHONE, script)
    }

    #[test]
    fn frames_of_any_length_join_without_a_seam() {
        let script = ToneScript::steady(&[BEEP, Component::new(1_333.3, -14.0)]);
        let mut whole = vec![0; 1_000];
        let mut info = FrameInfo::default();
        assert_eq!(generator(&script).pull(&mut whole, &mut info), Flow::Continue);
        let mut pieces = vec![0; 1_000];
        let mut source = generator(&script);
        for piece in pieces.chunks_mut(37) {
            assert_eq!(source.pull(piece, &mut info), Flow::Continue);
        }
        assert_eq!(whole, pieces);
        assert_eq!(info.position, 999);
    }

    #[test]
    fn steps_without_a_pause_keep_their_phase() {
        let cut =
            ToneScript::new([Step::tone(&[BEEP], ms(13)), Step::tone(&[BEEP], ms(40))], Repeat::Times(1));
        let steady = ToneScript::steady(&[BEEP]);
        assert_eq!(generator(&cut).render(ms(53)), generator(&steady).render(ms(53)));
    }

    #[test]
    fn a_cadence_sounds_and_pauses_as_written() {
        let script = ToneScript::new([Step::tone(&[BEEP], ms(30)), Step::silence(ms(10))], Repeat::Times(2));
        let samples = generator(&script).render(ms(10_000));
        assert_eq!(samples.len(), 80 * 8);
        for (index, part) in samples.chunks(80).enumerate() {
            assert_eq!(part.iter().all(|&sample| sample == 0), index % 4 == 3, "{index}");
        }
    }

    #[test]
    fn the_last_frame_ends_in_silence() {
        let script = ToneScript::new([Step::tone(&[BEEP], ms(10))], Repeat::Times(1));
        let mut source = generator(&script);
        let mut frame = [1; 160];
        assert_eq!(source.pull(&mut frame, &mut FrameInfo::default()), Flow::End);
        assert!(frame[80..].iter().all(|&sample| sample == 0));
        assert_eq!(source.pull(&mut frame, &mut FrameInfo::default()), Flow::End);
        assert_eq!(frame, [0; 160]);
    }

    #[test]
    fn a_script_without_sound_ends_at_once() {
        for script in [
            ToneScript::new([], Repeat::Forever),
            ToneScript::new([Step::silence(Duration::ZERO)], Repeat::Forever),
            ToneScript::new([Step::tone(&[BEEP], ms(5))], Repeat::Times(0)),
        ] {
            assert!(generator(&script).render(ms(100)).is_empty());
            assert_eq!(script.duration(), Some(Duration::ZERO));
        }
    }

    #[test]
    fn the_level_is_the_one_asked_for() {
        let samples = generator(&ToneScript::steady(&[BEEP])).render(ms(1_000));
        let level = Level::from_power(crate::level::energy(&samples) / samples.len() as f32);
        assert!((level.dbm0() + 10.0).abs() < 0.01, "{level}");
    }

    #[test]
    fn all_channels_carry_the_same() {
        let format = Format { rate: SampleRate::HZ_48000, channels: Channels::STEREO, samples: 960 };
        let samples = ToneGenerator::new(format, &ToneScript::steady(&[BEEP])).render(ms(20));
        assert_eq!(samples.len(), 1_920);
        assert!(samples.chunks(2).all(|pair| pair[0] == pair[1]));
    }
}
