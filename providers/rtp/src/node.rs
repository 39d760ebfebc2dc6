// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes that stand between a leg and a terminal: a gate, conversions of rate, and a listener for tones.
//! Their `pull` and `push` run on the tick: they neither block nor allocate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use offhook_media::level::Level;
use offhook_media::resample::{Resampler, UnevenRates};
use offhook_media::tone::dtmf::{DtmfDetector, DtmfEvent};
use offhook_media::tone::{Detector, Frequency, ToneDetector, ToneEvent, ToneTarget};
use offhook_media::{Flow, Format, FrameInfo, SampleRate, Sink, Source};
use offhook_spi::{Digit, DigitMode, SessionKey, TerminalKey, Tone};

use crate::leg::News;

/// What a listener on the tick tells.
pub(crate) type Note = (SessionKey, News);

/// Lets sound into a sink only while it is open.
pub(crate) struct Gate<S> {
    open: Arc<AtomicBool>,
    sink: S,
}

impl<S: Sink> Gate<S> {
    /// Guards `sink`; whoever has the other end of `open` opens and shuts it.
    pub(crate) const fn new(sink: S, open: Arc<AtomicBool>) -> Self {
        Self { open, sink }
    }
}

impl<S: Sink> Sink for Gate<S> {
    fn format(&self) -> Format {
        self.sink.format()
    }

    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        if self.open.load(Ordering::Relaxed) { self.sink.push(samples, info) } else { Flow::Continue }
    }
}

/// A source or a sink of one rate in a path of another.
pub(crate) struct Converted<T> {
    inner: T,
    /// The path's format.
    format: Format,
    resampler: Resampler,
    buffer: Box<[i16]>,
}

impl<S: Source> Converted<S> {
    /// Gives the sound of `inner` in `format`.
    pub(crate) fn source(inner: S, format: Format) -> Result<Self, UnevenRates> {
        let resampler = Resampler::new(inner.format().rate, format.rate)?;
        let room = inner.format().rate.samples_in(LONGEST_FRAME);
        Ok(Self { inner, format, resampler, buffer: vec![0; usize::try_from(room).unwrap_or(0)].into() })
    }
}

impl<S: Sink> Converted<S> {
    /// Takes sound in `format` for `inner`.
    pub(crate) fn sink(inner: S, format: Format) -> Result<Self, UnevenRates> {
        let resampler = Resampler::new(format.rate, inner.format().rate)?;
        let longest = usize::try_from(format.rate.samples_in(LONGEST_FRAME)).unwrap_or(0);
        let buffer = vec![0; resampler.most(longest)].into();
        Ok(Self { inner, format, resampler, buffer })
    }
}

impl<S: Source> Source for Converted<S> {
    fn format(&self) -> Format {
        self.format
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        let (ours, theirs) = (self.format.rate.hertz() as usize, self.inner.format().rate.hertz() as usize);
        let wanted = (out.len().saturating_mul(theirs) / ours).min(self.buffer.len());
        let flow = self.inner.pull(&mut self.buffer[..wanted], info);
        let given = self.resampler.convert(&self.buffer[..wanted], out).min(out.len());
        out[given..].fill(0);
        flow
    }
}

impl<S: Sink> Sink for Converted<S> {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        let given = self.resampler.convert(samples, &mut self.buffer).min(self.buffer.len());
        self.inner.push(&self.buffer[..given], info)
    }
}

/// Listens for digits in the sound.
pub(crate) struct Ears {
    format: Format,
    session: SessionKey,
    detector: DtmfDetector,
    notes: SyncSender<Note>,
}

impl Ears {
    /// Ears in sound of `format`.
    pub(crate) fn new(format: Format, session: SessionKey, notes: SyncSender<Note>) -> Self {
        Self { format, session, detector: DtmfDetector::new(format.rate), notes }
    }
}

impl Sink for Ears {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], _info: &FrameInfo) -> Flow {
        let Self { session, detector, notes, .. } = self;
        detector.hear(samples, &mut |event| {
            if let DtmfEvent::Started { digit, .. } = event
                && let Some(digit) = Digit::from_event(digit.event())
            {
                // A full queue loses the note: the tick does not wait.
                notes.try_send((*session, News::Digit { digit, mode: DigitMode::Tone })).ok();
            }
        });
        Flow::Continue
    }
}

/// Listens for tones, each of up to three frequencies at once.
pub(crate) struct ToneListener {
    format: Format,
    session: SessionKey,
    terminal: TerminalKey,
    tones: Box<[Watched]>,
    notes: SyncSender<Note>,
}

/// A tone that is listened for.
struct Watched {
    parts: Box<[(ToneDetector, bool)]>,
    on: bool,
}

impl ToneListener {
    /// A listener in sound of `format`.
    pub(crate) fn new(
        format: Format,
        session: SessionKey,
        terminal: TerminalKey,
        tones: &[Tone],
        notes: SyncSender<Note>,
    ) -> Self {
        let tones = tones.iter().map(|tone| Watched::new(tone, format.rate)).collect();
        Self { format, session, terminal, tones, notes }
    }
}

impl Sink for ToneListener {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], _info: &FrameInfo) -> Flow {
        for (place, tone) in self.tones.iter_mut().enumerate() {
            if let Some(on) = tone.hear(samples) {
                let tone = u16::try_from(place).unwrap_or(u16::MAX);
                let news = News::Tone { terminal: self.terminal, tone, on };
                self.notes.try_send((self.session, news)).ok();
            }
        }
        Flow::Continue
    }
}

impl Watched {
    fn new(tone: &Tone, rate: SampleRate) -> Self {
        let count = tone.frequencies.len().max(1) as f32;
        let target = |hertz: &f32| ToneTarget {
            min_level: Level::from_dbm0(QUIETEST),
            // Together the parts have to make up most of the sound.
            min_share: SHARE / count,
            min_on: tone.duration.max(SHORTEST),
            ..ToneTarget::new(Frequency::from_hertz(*hertz))
        };
        let parts = tone.frequencies.iter().map(|hertz| (ToneDetector::new(target(hertz), rate), false));
        Self { parts: parts.collect(), on: false }
    }

    /// Whether the tone began or ended within these samples.
    fn hear(&mut self, samples: &[i16]) -> Option<bool> {
        for (detector, on) in &mut self.parts {
            detector.hear(samples, &mut |event| match event {
                ToneEvent::Started { .. } => *on = true,
                ToneEvent::Stopped { .. } => *on = false,
                _ => {}
            });
        }
        let on = self.parts.iter().all(|(_, on)| *on);
        (on != std::mem::replace(&mut self.on, on)).then_some(on)
    }
}

/// No frame on a path is longer.
const LONGEST_FRAME: Duration = Duration::from_millis(60);
/// Quieter parts of a tone are not heard.
const QUIETEST: f32 = -40.0;
/// The share of all power that a tone must have.
const SHARE: f32 = 0.6;
/// A tone is never reported before it has sounded so long.
const SHORTEST: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use offhook_media::ring;
    use offhook_media::tone::{Component, Repeat, Step, ToneGenerator, ToneScript, analysis};

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn tone(frequencies: &[f32]) -> Tone {
        Tone { frequencies: frequencies.to_vec(), duration: ms(50), level: -10.0 }
    }

    #[test]
    fn a_gate_lets_sound_in_while_it_is_open() {
        let (writer, reader) = ring::channel(Format::TELEPHONE, ms(200));
        let open = Arc::new(AtomicBool::new(false));
        let mut gate = Gate::new(writer, Arc::clone(&open));
        let _ = gate.push(&[1; 160], &FrameInfo::default());
        open.store(true, Ordering::Relaxed);
        let _ = gate.push(&[1; 160], &FrameInfo::default());
        assert_eq!(reader.control().progress().written, 160);
    }

    #[test]
    fn a_dual_tone_is_told_when_both_parts_sound() {
        let (notes, heard) = sync_channel(16);
        let tones = [tone(&[350.0, 440.0]), tone(&[440.0, 480.0])];
        let mut listener = ToneListener::new(Format::TELEPHONE, SessionKey(1), TerminalKey(2), &tones, notes);
        let parts = [Component::new(350.0, -13.0), Component::new(440.0, -13.0)];
        let steps = [Step::silence(ms(100)), Step::tone(&parts, ms(400)), Step::silence(ms(300))];
        let script = ToneScript::new(steps, Repeat::Times(1));
        for frame in ToneGenerator::new(Format::TELEPHONE, &script).render(ms(800)).chunks(160) {
            let _ = listener.push(frame, &FrameInfo::default());
        }
        let heard: Vec<Note> = heard.try_iter().collect();
        let news = |on| (SessionKey(1), News::Tone { terminal: TerminalKey(2), tone: 0, on });
        assert_eq!(heard, [news(true), news(false)]);
    }

    #[test]
    fn conversion_keeps_a_tone() {
        let wide = Format::mono(SampleRate::HZ_16000, ms(20));
        let script = ToneScript::steady(&[Component::new(440.0, -10.0)]);
        let mut source = Converted::source(ToneGenerator::new(wide, &script), Format::TELEPHONE).unwrap();
        let (writer, mut reader) = ring::channel(wide, ms(2_000));
        let mut sink = Converted::sink(writer, Format::TELEPHONE).unwrap();
        let (mut frame, mut info) = ([0; 160], FrameInfo::default());
        for _ in 0..80 {
            assert_eq!(source.pull(&mut frame, &mut info), Flow::Continue);
            let _ = sink.push(&frame, &info);
        }
        let mut heard = vec![0; 80 * 320];
        let count = reader.read(&mut heard, &mut info);
        let report = analysis::analyse(&heard[..count], SampleRate::HZ_16000).unwrap();
        assert!(report.matches(440.0, Level::from_dbm0(-10.0), &Default::default()), "{report:?}");
    }
}
