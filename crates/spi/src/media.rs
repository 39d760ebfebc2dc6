// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words about media that TSPs, MSPs and applications share: kinds, directions, digits, tones.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of medium in a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Data by modem.
    Data,
    /// Fax.
    Fax,
    /// Real-time text.
    Text,
    /// Moving pictures.
    Video,
}

impl MediaKind {
    /// Every kind with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Audio, "audio"),
        (Self::Data, "data"),
        (Self::Fax, "fax"),
        (Self::Text, "text"),
        (Self::Video, "video"),
    ];
}

/// A set of media kinds; written as a list of names, unknown names are skipped when read.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct MediaSet(u8);

impl MediaSet {
    /// No medium: signalling only.
    pub const EMPTY: Self = Self(0);
    /// Sound only.
    pub const AUDIO: Self = Self::EMPTY.with(MediaKind::Audio);

    /// Adds a kind.
    #[must_use]
    pub const fn with(self, kind: MediaKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: MediaKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether there is nothing in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether both sets have a kind in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = MediaKind> {
        MediaKind::ALL.into_iter().map(|(kind, _)| kind).filter(move |kind| self.contains(*kind))
    }
}

impl fmt::Debug for MediaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<MediaKind> for MediaSet {
    fn from_iter<T: IntoIterator<Item = MediaKind>>(iter: T) -> Self {
        iter.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl Serialize for MediaSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for MediaSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known = |name: &String| MediaKind::ALL.iter().find(|(_, n)| n == name).map(|(kind, _)| *kind);
        Ok(names.iter().filter_map(known).collect())
    }
}

/// Which way a stream flows, seen from this side.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "RFC 3264 section 5.1 knows these four")]
pub enum Flowing {
    /// Both ways (`sendrecv`).
    #[default]
    Both,
    /// Not at all (`inactive`).
    Neither,
    /// Only to this side (`recvonly`).
    In,
    /// Only to the far end (`sendonly`).
    Out,
}

impl Flowing {
    /// Whether this side sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::Both | Self::Out)
    }

    /// Whether this side receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::Both | Self::In)
    }

    /// Puts the two halves together.
    #[must_use]
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::Both,
            (true, false) => Self::Out,
            (false, true) => Self::In,
            (false, false) => Self::Neither,
        }
    }

    /// The same flow seen from the far end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }
}

/// A stream of a session: one kind of medium in one direction.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamKey {
    /// Sound from the far end.
    AudioIn,
    /// Sound to the far end.
    AudioOut,
    /// Text from the far end.
    TextIn,
    /// Text to the far end.
    TextOut,
    /// Pictures from the far end.
    VideoIn,
    /// Pictures to the far end.
    VideoOut,
}

/// How a digit travels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DigitMode {
    /// RFC 4733 telephone events.
    Event,
    /// In signalling (SIP INFO and the like).
    Signalling,
    /// Two tones in the sound itself.
    Tone,
}

/// A key of the telephone: `0` to `9`, `*`, `#`, `A` to `D`, or `!` for a hook flash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digit(u8);

impl Digit {
    /// The keys in the order of RFC 4733 event numbers, the hook flash last.
    const KEYS: &'static [u8; 17] = b"0123456789*#ABCD!";

    /// Makes a digit from its character; lower-case `a` to `d` are accepted.
    #[must_use]
    pub fn new(character: char) -> Option<Self> {
        let upper = u8::try_from(character).ok()?.to_ascii_uppercase();
        Self::KEYS.contains(&upper).then_some(Self(upper))
    }

    /// Makes a digit from an RFC 4733 event number (0 to 16).
    #[must_use]
    pub fn from_event(event: u8) -> Option<Self> {
        Self::KEYS.get(usize::from(event)).copied().map(Self)
    }

    /// The digit's RFC 4733 event number.
    #[must_use]
    pub fn event(self) -> u8 {
        let place = Self::KEYS.iter().position(|key| *key == self.0);
        place.and_then(|n| u8::try_from(n).ok()).unwrap_or(0)
    }

    /// The digit as a character.
    #[must_use]
    pub const fn as_char(self) -> char {
        self.0 as char
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl Serialize for Digit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.as_char())
    }
}

impl<'de> Deserialize<'de> for Digit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let character = char::deserialize(deserializer)?;
        Self::new(character)
            .ok_or_else(|| serde::de::Error::custom(format!("'{character}' is not a telephone key")))
    }
}

/// A tone to make or to listen for: up to three frequencies at once.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tone {
    /// Hertz.
    pub frequencies: Vec<f32>,
    /// How long it sounds (generation) or must at least sound (detection).
    pub duration: Duration,
    /// Level of each frequency in dBm0; 0 is the loudest telephone signal, -10 is usual.
    #[serde(default = "Tone::usual_level")]
    pub level: f32,
}

impl Tone {
    /// The level used when none is given.
    #[must_use]
    pub const fn usual_level() -> f32 {
        -10.0
    }
}

/// How a generation of digits or tones ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GenerationEnd {
    /// A newer generation or an empty one took its place, or the call ended.
    Cancelled,
    /// All was sent.
    Done,
}

/// How a gathering of digits ended (`LINEGATHERTERM`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GatherEnd {
    /// As many digits as asked for have come.
    BufferFull,
    /// A newer gathering or an empty one took its place.
    Cancelled,
    /// The call ended.
    CallEnded,
    /// The first digit did not come in time.
    FirstTimeout,
    /// The next digit did not come in time.
    InterTimeout,
    /// A termination digit came; it is the last of the digits.
    Terminator,
}

/// What to gather.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gather {
    /// How many digits at most; 0 is refused (inventory rule 60).
    pub max: u16,
    /// Any of these ends the gathering and is included.
    #[serde(default)]
    pub terminators: Vec<Digit>,
    /// How long to wait for the first digit; `None` waits for ever.
    #[serde(default)]
    pub first_timeout: Option<Duration>,
    /// How long to wait for each further digit; `None` waits for ever.
    #[serde(default)]
    pub inter_timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_event_numbers_round_trip() {
        for event in 0..=16 {
            assert_eq!(Digit::from_event(event).unwrap().event(), event);
        }
        assert_eq!(Digit::from_event(17), None);
        assert_eq!(Digit::new('d').unwrap().event(), 15);
        assert_eq!(Digit::new('x'), None);
    }

    #[test]
    fn reversing_a_flow_swaps_its_halves() {
        assert_eq!(Flowing::Out.reversed(), Flowing::In);
        assert_eq!(Flowing::Both.reversed(), Flowing::Both);
    }
}
