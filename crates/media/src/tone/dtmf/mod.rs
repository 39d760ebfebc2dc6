// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digits as pairs of tones (ITU-T Q.23), sent and received.

mod detector;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use detector::{DtmfDetector, DtmfEvent, DtmfLimits};
use offhook_spi::Digit;

use super::Frequency;
use super::generator::{Component, Repeat, Step, ToneScript};
use crate::level::Level;

/// The low group, one frequency for each row of keys.
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// The high group, one for each column.
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The keys by row and column, as events of RFC 4733.
const KEYS: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// The characters of the events, in order.
const CHARACTERS: &[u8; 16] = b"0123456789*#ABCD";

/// One of the sixteen keys.
///
/// ```
/// use offhook_media::tone::dtmf::DtmfDigit;
///
/// let hash = DtmfDigit::from_char('#').unwrap();
/// assert_eq!(hash.event(), 11);
/// assert_eq!(hash.to_string(), "#");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DtmfDigit(u8);

impl DtmfDigit {
    /// The digit of a character: `0` to `9`, `*`, `#`, and `A` to `D` in either case.
    #[must_use]
    pub fn from_char(character: char) -> Option<Self> {
        let character = u8::try_from(character).ok()?.to_ascii_uppercase();
        let event = CHARACTERS.iter().position(|&known| known == character)?;
        Self::from_event(u8::try_from(event).ok()?)
    }

    /// The digit of a telephone event, 0 to 15 (RFC 4733 section 3.2).
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// The telephone event that stands for this digit.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The character on the key.
    #[must_use]
    pub fn to_char(self) -> char {
        char::from(CHARACTERS[usize::from(self.0 & 15)])
    }

    /// The tones of a telephone key; the hook flash has none.
    #[must_use]
    pub fn from_digit(digit: Digit) -> Option<Self> {
        Self::from_event(digit.event())
    }

    /// The telephone key of these tones.
    #[must_use]
    pub fn to_digit(self) -> Digit {
        Digit::from_event(self.0).expect("all sixteen events are keys")
    }

    /// The two frequencies of the key, low group first (ITU-T Q.23).
    #[must_use]
    pub fn frequencies(self) -> (Frequency, Frequency) {
        for (keys, row) in KEYS.iter().zip(ROWS) {
            for (&key, column) in keys.iter().zip(COLUMNS) {
                if key == self.0 {
                    return (Frequency::from_hertz(row), Frequency::from_hertz(column));
                }
            }
        }
        (Frequency::from_hertz(0.0), Frequency::from_hertz(0.0))
    }
}

impl fmt::Display for DtmfDigit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_char())
    }
}

/// How digits are sent as tones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtmfTiming {
    /// How long each digit sounds; receivers need 40 ms (ITU-T Q.24).
    pub on: Duration,
    /// The silence after each digit; receivers need 40 ms (ITU-T Q.24).
    pub off: Duration,
    /// The level of the low group.
    pub low: Level,
    /// The level of the high group, usually 2 dB more because lines lose more of it.
    pub high: Level,
}

impl Default for DtmfTiming {
    /// 100 ms on, 80 ms off, −10 and −8 dBm0.
    fn default() -> Self {
        Self {
            on: Duration::from_millis(100),
            off: Duration::from_millis(80),
            low: Level::from_dbm0(-10.0),
            high: Level::from_dbm0(-8.0),
        }
    }
}

/// A script that plays `digits` one after the other.
///
/// ```
/// use offhook_media::tone::dtmf::{DtmfDigit, DtmfTiming, script};
///
/// let digits: Vec<_> = "123#".chars().filter_map(DtmfDigit::from_char).collect();
/// assert_eq!(script(&digits, &DtmfTiming::default()).duration().unwrap().as_millis(), 720);
/// ```
#[must_use]
pub fn script(digits: &[DtmfDigit], timing: &DtmfTiming) -> ToneScript {
    let mut steps = Vec::with_capacity(digits.len().saturating_mul(2));
    for digit in digits {
        let (row, column) = digit.frequencies();
        let pair = [
            Component { frequency: row, level: timing.low },
            Component { frequency: column, level: timing.high },
        ];
        steps.push(Step::tone(&pair, timing.on));
        steps.push(Step::silence(timing.off));
    }
    ToneScript::new(steps, Repeat::Times(1))
}
