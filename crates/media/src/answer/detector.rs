// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hears who answers: utterances and pauses, tones and beeps, and the one verdict.

use super::voice::Voice;
use super::{AnswerEvent, AnswerLimits, Verdict};
use crate::format::SampleRate;
use crate::resample::UnevenRates;
use crate::tone::Detector;
use crate::tone::burst::Burst;
use crate::tone::ear::{Ear, HOP, HOP_MS, Hop};
use crate::tone::progress::{CallProgress, Country, LineSound, Progress, ProgressEvent};

/// Listens for who answers. It begins with the answer, or before: ringback tone starts it anew.
///
/// ```
/// use offhook_media::answer::{AnswerDetector, AnswerEvent, AnswerLimits, Verdict};
/// use offhook_media::tone::Detector;
/// use offhook_media::tone::progress::Country;
/// use offhook_media::SampleRate;
///
/// let limits = AnswerLimits::default();
/// let mut detector = AnswerDetector::new(limits, Country::Generic, SampleRate::HZ_8000).unwrap();
/// let mut verdict = None;
/// detector.hear(&[0; 8_000 * 6], &mut |event| {
///     if let AnswerEvent::Decided { verdict: decided, .. } = event {
///         verdict = Some(decided);
///     }
/// });
/// assert_eq!(verdict, Some(Verdict::Silence));
/// ```
#[derive(Clone, Debug)]
pub struct AnswerDetector {
    ear: Ear,
    analysis: Analysis,
}

impl AnswerDetector {
    /// Listens to sound at `rate`, within `limits`, for people, machines and the tones of `country`.
    ///
    /// # Errors
    ///
    /// If the rate cannot be converted to 8 kHz.
    pub fn new(limits: AnswerLimits, country: Country, rate: SampleRate) -> Result<Self, UnevenRates> {
        Ok(Self { ear: Ear::new(rate)?, analysis: Analysis::new(limits, country) })
    }
}

impl Detector for AnswerDetector {
    type Event = AnswerEvent;

    fn hear(&mut self, samples: &[i16], report: &mut dyn FnMut(AnswerEvent)) {
        let Self { ear, analysis } = self;
        ear.hear(samples, &mut |ear, hop| {
            analysis.judge(hop, &mut |event| {
                report(match event {
                    AnswerEvent::Decided { verdict, at } => {
                        AnswerEvent::Decided { verdict, at: ear.at_rate(at) }
                    }
                    AnswerEvent::BeepHeard { at } => AnswerEvent::BeepHeard { at: ear.at_rate(at) },
                    AnswerEvent::SoundBegan { sound, at } => {
                        AnswerEvent::SoundBegan { sound, at: ear.at_rate(at) }
                    }
                    AnswerEvent::SoundEnded { sound, at } => {
                        AnswerEvent::SoundEnded { sound, at: ear.at_rate(at) }
                    }
                });
            });
        });
    }
}

/// The same on hops; positions are samples at 8 kHz.
#[derive(Clone, Debug)]
struct Analysis {
    limits: Limits,
    progress: Progress,
    voice: Voice,
    heard: u64,
    /// Milliseconds since the beginning, or since ringback.
    time: u32,
    utterance: Utterance,
    /// The utterance as it was before the voice was last heard, and when that was.
    before: (Utterance, u32),
    /// Milliseconds since a tone.
    since_tone: u32,
    rings: bool,
    speech_before: bool,
    decided: Option<Verdict>,
}

/// The limits in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    longest_greeting: u32,
    wait: u32,
    most_words: u32,
    silence: u32,
    decide_within: u32,
    beep: (u32, u32),
}

/// What was said up to now.
#[derive(Clone, Copy, Debug, Default)]
struct Utterance {
    /// Milliseconds from the first sound to the last, pauses within included.
    length: u32,
    /// Milliseconds of it that were speech.
    spoken: u32,
    pause: u32,
    words: u32,
    speaks: bool,
}

/// Milliseconds of speech that somebody must have said for the word to count; less is a click or a breath.
const SPOKEN: u32 = 120;
/// Milliseconds of speech after which a tone is a beep.
const SPOKEN_BEFORE: u32 = 300;
/// A tone that has lasted for so many hops is no voice.
const TONE_HOPS: u32 = 8;
/// Milliseconds around a tone in which it may be taken for a voice.
const AROUND: u32 = 112;
/// Beeps lie between these frequencies.
const BEEP_HZ: std::ops::Range<f32> = 390.0..2_550.0;

impl Analysis {
    fn new(limits: AnswerLimits, country: Country) -> Self {
        let ms = |limit: std::time::Duration| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        Self {
            limits: Limits {
                longest_greeting: ms(limits.longest_greeting),
                wait: ms(limits.wait),
                most_words: limits.most_words,
                silence: ms(limits.silence),
                decide_within: ms(limits.decide_within),
                beep: (ms(limits.shortest_beep), ms(limits.longest_beep)),
            },
            progress: Progress::new(country),
            voice: Voice::default(),
            heard: 0,
            time: 0,
            utterance: Utterance::default(),
            before: (Utterance::default(), 0),
            since_tone: u32::MAX,
            rings: false,
            speech_before: false,
            decided: None,
        }
    }

    fn judge(&mut self, hop: &Hop, report: &mut dyn FnMut(AnswerEvent)) {
        self.heard = self.heard.saturating_add(HOP as u64);
        self.time = self.time.saturating_add(HOP_MS);
        let mut began = None;
        let ended = self.progress.judge(hop, &mut |event| match event {
            ProgressEvent::Began { sound, at } => {
                began = Some(sound);
                report(AnswerEvent::SoundBegan { sound, at });
            }
            ProgressEvent::Ended { sound, at } => {
                self.rings &= sound != LineSound::Progress(CallProgress::Ringback);
                report(AnswerEvent::SoundEnded { sound, at });
            }
        });
        if let Some(sound) = began {
            self.take_sound(sound, report);
        }
        let is_tone = self.listen(hop);
        if self.rings {
            self.time = 0;
        }
        if let Some(burst) = ended
            && self.is_beep(&burst)
        {
            self.decide(Verdict::Machine, report);
            report(AnswerEvent::BeepHeard { at: burst.until });
        }
        if self.utterance.spoken >= SPOKEN_BEFORE {
            self.speech_before = true;
        }
        if let Some(verdict) = self.verdict(is_tone) {
            self.decide(verdict, report);
        }
    }

    /// Follows the voice; returns whether a tone sounds instead.
    fn listen(&mut self, hop: &Hop) -> bool {
        let burst = self.progress.burst(TONE_HOPS).filter(|burst| burst.is_even());
        let lasted = burst.map(Burst::lasted);
        self.before.1 = self.before.1.saturating_add(HOP_MS);
        let speaks = self.voice.judge(hop);
        if let Some(lasted) = lasted {
            if self.since_tone > 0 && self.utterance.speaks && self.before.1 <= lasted + AROUND {
                // What seemed to be a voice was the beginning of the tone.
                self.utterance = Utterance { pause: self.before.0.pause + self.before.1, ..self.before.0 };
            }
            self.since_tone = 0;
        } else {
            self.since_tone = self.since_tone.saturating_add(HOP_MS);
        }
        if speaks && !self.utterance.speaks {
            self.before = (self.utterance, 0);
        }
        // The voice is held on for a while after its last sound, and so is a tone.
        self.utterance.go_on(speaks && self.since_tone > AROUND);
        lasted.is_some()
    }

    fn take_sound(&mut self, sound: LineSound, report: &mut dyn FnMut(AnswerEvent)) {
        match sound {
            // A machine's beep can be just such a tone.
            LineSound::FaxCalling | LineSound::FaxAnswering { .. } if self.speech_before => {}
            LineSound::FaxCalling | LineSound::FaxAnswering { .. } => self.decide(Verdict::Fax, report),
            LineSound::Progress(CallProgress::Ringback) => {
                (self.utterance, self.speech_before, self.rings) = (Utterance::default(), false, true);
            }
            LineSound::Progress(CallProgress::CallWaiting) => {}
            LineSound::Progress(_) => self.decide(Verdict::Tone, report),
        }
    }

    /// Whether a burst is one steady line of the right length, after speech and no part of a tone of the exchange.
    fn is_beep(&self, burst: &Burst) -> bool {
        let (shortest, longest) = self.limits.beep;
        let lasted = burst.lasted();
        self.speech_before
            && !matches!(self.decided, Some(Verdict::Fax | Verdict::Tone))
            && lasted + HOP_MS >= shortest
            && lasted <= longest + HOP_MS
            && burst.is_lone()
            && burst.is_even()
            && BEEP_HZ.contains(&burst.frequency())
    }

    fn verdict(&self, is_tone: bool) -> Option<Verdict> {
        let said = self.utterance;
        if said.length > self.limits.longest_greeting && said.spoken > self.limits.longest_greeting / 2
            || said.words > self.limits.most_words
        {
            return Some(Verdict::Machine);
        }
        if said.spoken >= SPOKEN && said.pause >= self.limits.wait && !is_tone {
            return Some(Verdict::Human);
        }
        if self.time >= self.limits.decide_within {
            return Some(Verdict::Undecided);
        }
        (said.spoken < SPOKEN && !said.speaks && !is_tone && self.time >= self.limits.silence)
            .then_some(Verdict::Silence)
    }

    fn decide(&mut self, verdict: Verdict, report: &mut dyn FnMut(AnswerEvent)) {
        if self.decided.is_none() {
            self.decided = Some(verdict);
            report(AnswerEvent::Decided { verdict, at: self.heard });
        }
    }
}

impl Utterance {
    fn go_on(&mut self, speaks: bool) {
        if speaks {
            if !self.speaks {
                self.words += 1;
                self.length += if self.length > 0 { self.pause } else { Voice::LATE };
            }
            self.pause = 0;
            self.length = self.length.saturating_add(HOP_MS);
            self.spoken = self.spoken.saturating_add(HOP_MS);
        } else if self.speaks {
            // The voice was held on for a while after its last sound.
            self.pause = Voice::AFTER;
            self.length = self.length.saturating_sub(Voice::AFTER);
        } else {
            self.pause = self.pause.saturating_add(HOP_MS);
            if self.spoken < SPOKEN && self.pause > 500 {
                *self = Self::default();
            }
        }
        self.speaks = speaks;
    }
}
