// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who answered: a person, an answering machine, a fax machine, a tone of the exchange, or nobody at all.
//!
//! A person says a word or two and waits; a machine talks on, and beeps when it is done. The verdict rests on that
//! alone: how long the first utterance is, and how long the silence after it. It is made here, from the sound of
//! the call; nothing is sent anywhere.

mod detector;
mod voice;

use std::time::Duration;

pub use detector::AnswerDetector;

use crate::tone::progress::LineSound;

/// Who, or what, answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// A fax machine.
    Fax,
    /// A person.
    Human,
    /// An answering machine or an announcement.
    Machine,
    /// Nobody has said anything for long.
    Silence,
    /// The exchange: busy, congestion, dial or special information tone.
    Tone,
    /// Time was up.
    Undecided,
}

/// When which verdict is given. Times count from the beginning of the sound, or from the last ringback tone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnswerLimits {
    /// An utterance longer than this is a machine's.
    pub longest_greeting: Duration,
    /// Silence of this length ends an utterance; somebody who then waits is a person.
    pub wait: Duration,
    /// More separate words than this, together with what follows, are a machine's.
    pub most_words: u32,
    /// Silence of this length from the beginning is silence.
    pub silence: Duration,
    /// No verdict takes longer.
    pub decide_within: Duration,
    /// A shorter beep is none …
    pub shortest_beep: Duration,
    /// … nor is a longer one.
    pub longest_beep: Duration,
}

impl Default for AnswerLimits {
    /// Greetings up to 2.1 s, 0.9 s of waiting, at most five words, 4.5 s of silence, 8 s in all, beeps of 0.12–2 s.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            longest_greeting: ms(2_100),
            wait: ms(900),
            most_words: 5,
            silence: ms(4_500),
            decide_within: ms(8_000),
            shortest_beep: ms(120),
            longest_beep: ms(2_000),
        }
    }
}

/// What an [`AnswerDetector`] reports. Positions count samples since the detector began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AnswerEvent {
    /// The verdict; exactly one is given.
    Decided {
        /// It.
        verdict: Verdict,
        /// How much had been heard by then.
        at: u64,
    },
    /// After speech, and whatever the verdict was, one steady tone has sounded and is over: what is said now is
    /// recorded. After [`Verdict::Human`] it means that the verdict was wrong.
    BeepHeard {
        /// Where it ended.
        at: u64,
    },
    /// A sound of the line began.
    SoundBegan {
        /// Which.
        sound: LineSound,
        /// Where its last burst began.
        at: u64,
    },
    /// It is over.
    SoundEnded {
        /// Which.
        sound: LineSound,
        /// Where it was heard last.
        at: u64,
    },
}

#[cfg(test)]
mod tests;
