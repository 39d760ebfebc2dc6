// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notices tones as sound passes.

use std::fmt;
use std::time::Duration;

use super::Frequency;
use super::goertzel::{Block, Goertzel};
use crate::format::{Format, SampleRate};
use crate::level::Level;
use crate::node::{Flow, FrameInfo, Sink};

/// Hears mono sound and reports what it notices; allocates nothing while it does.
pub trait Detector: Send {
    /// What is reported.
    type Event;

    /// Hears `samples`, of any number, and calls `report` for each event in order.
    fn hear(&mut self, samples: &[i16], report: &mut dyn FnMut(Self::Event));
}

/// A detector at the end of a sound path.
///
/// `report` runs on the tick, so it must neither block nor allocate: let it write to a ring or a bounded queue.
pub struct DetectorSink<D, F> {
    format: Format,
    detector: D,
    report: F,
}

impl<D: Detector, F: FnMut(D::Event) + Send> DetectorSink<D, F> {
    /// Hears what is pushed in `format` (mono, at the detector's rate) and hands each event to `report`.
    #[must_use]
    pub const fn new(format: Format, detector: D, report: F) -> Self {
        Self { format, detector, report }
    }
}

impl<D: Detector, F: FnMut(D::Event) + Send> Sink for DetectorSink<D, F> {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], _info: &FrameInfo) -> Flow {
        self.detector.hear(samples, &mut self.report);
        Flow::Continue
    }
}

impl<D: fmt::Debug, F> fmt::Debug for DetectorSink<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectorSink").field("detector", &self.detector).finish_non_exhaustive()
    }
}

/// What a [`ToneDetector`] listens for.
///
/// ```
/// use offhook_media::tone::{Frequency, ToneTarget};
///
/// let called_fax = ToneTarget::new(Frequency::from_hertz(2_100.0));
/// assert!(called_fax.min_share > 0.4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneTarget {
    /// Its frequency, heard within about 25 Hz to either side.
    pub frequency: Frequency,
    /// Quieter than this is no tone.
    pub min_level: Level,
    /// The part of all power that must be the tone's, from 0 to 1.
    pub min_share: f32,
    /// A shorter tone is not reported.
    pub min_on: Duration,
    /// A shorter pause does not end the tone.
    pub min_off: Duration,
}

impl ToneTarget {
    /// A lone tone of `frequency`, above −40 dBm0, of at least 60 ms, ended by 60 ms without it.
    #[must_use]
    pub const fn new(frequency: Frequency) -> Self {
        Self {
            frequency,
            min_level: Level::from_dbm0(-40.0),
            min_share: 0.6,
            min_on: Duration::from_millis(60),
            min_off: Duration::from_millis(60),
        }
    }
}

/// What a [`ToneDetector`] reports. Positions count samples since the detector began.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToneEvent {
    /// The tone has sounded long enough to be one.
    Started {
        /// Where it began.
        at: u64,
        /// Its level so far.
        level: Level,
    },
    /// The tone has been away long enough to be over.
    Stopped {
        /// Where it ended.
        at: u64,
        /// From its beginning to its end.
        duration: Duration,
        /// Its mean level.
        level: Level,
    },
}

/// Listens for one tone. Beginnings and ends are exact to a block of 20 ms.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    target: ToneTarget,
    rate: SampleRate,
    lane: Goertzel<1>,
    position: u64,
    heard: Option<Heard>,
}

/// A tone that sounds, or did until a moment ago.
#[derive(Clone, Copy, Debug)]
struct Heard {
    from: u64,
    until: u64,
    power: f32,
    blocks: f32,
    reported: bool,
}

impl Heard {
    fn level(&self) -> Level {
        Level::from_power(self.power / self.blocks)
    }
}

impl ToneDetector {
    const BLOCK: Duration = Duration::from_millis(20);

    /// Listens for `target` in sound at `rate`.
    #[must_use]
    pub fn new(target: ToneTarget, rate: SampleRate) -> Self {
        let block = usize::try_from(rate.samples_in(Self::BLOCK)).unwrap_or(1);
        let lane = Goertzel::new([target.frequency.hertz()], block, rate);
        Self { target, rate, lane, position: 0, heard: None }
    }

    fn judge(&mut self, block: &Block<1>, report: &mut dyn FnMut(ToneEvent)) {
        let length = self.lane.block() as u64;
        let from = self.position;
        self.position = self.position.saturating_add(length);
        let power = block.tones[0];
        if power >= self.target.min_level.power() && power >= self.target.min_share * block.total {
            self.sounds(from, power, report);
        } else {
            self.pauses(report);
        }
    }

    fn sounds(&mut self, from: u64, power: f32, report: &mut dyn FnMut(ToneEvent)) {
        let until = self.position;
        let new = Heard { from, until, power: 0.0, blocks: 0.0, reported: false };
        let heard = self.heard.get_or_insert(new);
        heard.until = until;
        heard.power += power;
        heard.blocks += 1.0;
        let lasted = self.rate.duration_of(until.saturating_sub(heard.from));
        if !heard.reported && lasted >= self.target.min_on {
            heard.reported = true;
            report(ToneEvent::Started { at: heard.from, level: heard.level() });
        }
    }

    fn pauses(&mut self, report: &mut dyn FnMut(ToneEvent)) {
        let Some(heard) = self.heard else { return };
        if heard.reported && self.rate.duration_of(self.position - heard.until) < self.target.min_off {
            return;
        }
        self.heard = None;
        if heard.reported {
            let duration = self.rate.duration_of(heard.until - heard.from);
            report(ToneEvent::Stopped { at: heard.until, duration, level: heard.level() });
        }
    }
}

impl Detector for ToneDetector {
    type Event = ToneEvent;

    fn hear(&mut self, mut samples: &[i16], report: &mut dyn FnMut(ToneEvent)) {
        while !samples.is_empty() {
            if let Some(block) = self.lane.take(&mut samples) {
                self.judge(&block, report);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Component, Repeat, Step, ToneGenerator, ToneScript};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn heard(hertz: f32, rate: SampleRate, script: &ToneScript) -> Vec<ToneEvent> {
        let mut detector = ToneDetector::new(ToneTarget::new(Frequency::from_hertz(hertz)), rate);
        let format = Format::mono(rate, ms(20));
        let samples = ToneGenerator::new(format, script).render(Duration::from_secs(10));
        let mut events = Vec::new();
        for piece in samples.chunks(77) {
            detector.hear(piece, &mut |event| events.push(event));
        }
        events
    }

    fn burst(component: Component, on: u64) -> ToneScript {
        let steps = [Step::silence(ms(90)), Step::tone(&[component], ms(on)), Step::silence(ms(200))];
        ToneScript::new(steps, Repeat::Times(1))
    }

    #[test]
    fn a_tone_is_reported_with_its_level_and_length() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_48000] {
            let events = heard(1_100.0, rate, &burst(Component::new(1_100.0, -15.0), 500));
            let [ToneEvent::Started { at, .. }, ToneEvent::Stopped { duration, level, .. }] = events[..]
            else {
                panic!("{rate}: {events:?}");
            };
            assert!(rate.duration_of(at).abs_diff(ms(90)) <= ms(20));
            assert!(duration.abs_diff(ms(500)) <= ms(40), "{duration:?}");
            assert!((level.dbm0() + 15.0).abs() < 1.0, "{level}");
        }
    }

    #[test]
    fn other_short_and_faint_tones_are_not_reported() {
        let cases = [
            (Component::new(1_200.0, -15.0), 500),
            (Component::new(1_100.0, -50.0), 500),
            (Component::new(1_100.0, -15.0), 35),
        ];
        for (component, on) in cases {
            let events = heard(1_100.0, SampleRate::HZ_8000, &burst(component, on));
            assert_eq!(events, [], "{component:?} for {on} ms");
        }
    }

    #[test]
    fn a_short_break_does_not_end_a_tone() {
        let tone = Step::tone(&[Component::new(425.0, -10.0)], ms(300));
        let script =
            ToneScript::new([tone, Step::silence(ms(25)), tone, Step::silence(ms(300))], Repeat::Times(1));
        assert_eq!(heard(425.0, SampleRate::HZ_8000, &script).len(), 2);
        let script =
            ToneScript::new([tone, Step::silence(ms(150)), tone, Step::silence(ms(300))], Repeat::Times(1));
        assert_eq!(heard(425.0, SampleRate::HZ_8000, &script).len(), 4);
    }

    #[test]
    fn a_sink_hands_events_on() {
        let mut count = 0;
        let detector =
            ToneDetector::new(ToneTarget::new(Frequency::from_hertz(1_000.0)), SampleRate::HZ_8000);
        let mut sink = DetectorSink::new(Format::TELEPHONE, detector, |_| count += 1);
        let tone =
            ToneGenerator::new(Format::TELEPHONE, &ToneScript::steady(&[Component::new(1_000.0, -9.0)]));
        for frame in tone.render(ms(200)).chunks(160) {
            assert_eq!(sink.push(frame, &FrameInfo::default()), Flow::Continue);
        }
        assert_eq!(count, 1);
    }
}
