// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose call progress tones: frequencies and cadences by country (ITU-T E.180 supplement 2).

use std::fmt;
use std::str::FromStr;

use super::CallProgress;

/// Whose tones.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Country {
    /// Austria.
    Austria,
    /// Australia.
    Australia,
    /// Brazil.
    Brazil,
    /// China.
    China,
    /// France.
    France,
    /// Germany.
    Germany,
    /// India.
    India,
    /// Italy.
    Italy,
    /// Japan.
    Japan,
    /// The Netherlands.
    Netherlands,
    /// Spain.
    Spain,
    /// Sweden.
    Sweden,
    /// Switzerland.
    Switzerland,
    /// The United Kingdom (BT SIN 350).
    UnitedKingdom,
    /// North America, the precise tone plan.
    UnitedStates,
    /// Any other: made as E.180 recommends, 425 Hz, and recognised by cadence alone.
    #[default]
    Generic,
}

/// No country has this code, or its tones are not known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the tones of {code:?} are not known: expected one of {}", known())]
pub struct UnknownCountry {
    /// What was asked for.
    pub code: String,
}

fn known() -> String {
    Country::ALL.map(Country::code).join(", ")
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Austria,
        Self::Australia,
        Self::Brazil,
        Self::China,
        Self::France,
        Self::Germany,
        Self::India,
        Self::Italy,
        Self::Japan,
        Self::Netherlands,
        Self::Spain,
        Self::Sweden,
        Self::Switzerland,
        Self::UnitedKingdom,
        Self::UnitedStates,
        Self::Generic,
    ];

    /// Its code of two letters (ISO 3166-1); `generic` for any other.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Austria => "AT",
            Self::Australia => "AU",
            Self::Brazil => "BR",
            Self::China => "CN",
            Self::France => "FR",
            Self::Germany => "DE",
            Self::India => "IN",
            Self::Italy => "IT",
            Self::Japan => "JP",
            Self::Netherlands => "NL",
            Self::Spain => "ES",
            Self::Sweden => "SE",
            Self::Switzerland => "CH",
            Self::UnitedKingdom => "GB",
            Self::UnitedStates => "US",
            Self::Generic => "generic",
        }
    }

    /// Its tones, in the order in which they are thought of when a cadence fits more than one.
    pub(super) const fn plan(self) -> &'static [Row] {
        match self {
            Self::Austria => AT,
            Self::Australia => AU,
            Self::Brazil => BR,
            Self::China => CN,
            Self::France => FR,
            Self::Germany => DE,
            Self::India => IN,
            Self::Italy => IT,
            Self::Japan => JP,
            Self::Netherlands => NL,
            Self::Spain => ES,
            Self::Sweden => SE,
            Self::Switzerland => CH,
            Self::UnitedKingdom => GB,
            Self::UnitedStates => US,
            Self::Generic => GENERIC,
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    /// Takes a code in letters of either case; `UK` is the United Kingdom too.
    fn from_str(code: &str) -> Result<Self, UnknownCountry> {
        let wanted = if code.eq_ignore_ascii_case("UK") { "GB" } else { code };
        let found = Self::ALL.into_iter().find(|country| country.code().eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| UnknownCountry { code: code.to_owned() })
    }
}

/// What sounds in a burst.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sound {
    /// Sines together.
    Sines(&'static [f32]),
    /// A sine whose strength swings at a rate: carrier and rate in hertz.
    Swinging(f32, f32),
}

/// A tone of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) tone: CallProgress,
    pub(super) sound: Sound,
    /// Milliseconds on and off in turn; none mean steady.
    pub(super) cadence: &'static [u32],
}

const fn row(tone: CallProgress, sound: Sound, cadence: &'static [u32]) -> Row {
    Row { tone, sound, cadence }
}

use CallProgress::{Busy, CallWaiting, Congestion, Dial, Ringback};
use Sound::{Sines, Swinging};

const HZ_400: Sound = Sines(&[400.0]);
const HZ_420: Sound = Sines(&[420.0]);
const HZ_425: Sound = Sines(&[425.0]);
const HZ_440: Sound = Sines(&[440.0]);
const HZ_450: Sound = Sines(&[450.0]);
const PRECISE_DIAL: Sound = Sines(&[350.0, 440.0]);
const PRECISE_BUSY: Sound = Sines(&[480.0, 620.0]);
const PRECISE_RING: Sound = Sines(&[440.0, 480.0]);
const BRITISH_RING: Sound = Sines(&[400.0, 450.0]);
const AUSTRALIAN: Sound = Sines(&[413.0, 438.0]);

/// Two bursts, a pause: the ringing of the United Kingdom and of what it once ran.
const DOUBLE: &[u32] = &[400, 200, 400, 2_000];

const AT: &[Row] = &[
    row(Busy, HZ_420, &[400, 400]),
    row(Congestion, HZ_420, &[200, 200]),
    row(Ringback, HZ_420, &[1_000, 5_000]),
    row(CallWaiting, HZ_420, &[40, 1_960]),
    row(Dial, HZ_420, &[]),
];
const AU: &[Row] = &[
    row(Busy, HZ_425, &[375, 375]),
    row(Congestion, HZ_425, &[375, 375]),
    row(Ringback, AUSTRALIAN, DOUBLE),
    row(CallWaiting, HZ_425, &[200, 200, 200, 4_400]),
    row(Dial, AUSTRALIAN, &[]),
];
const BR: &[Row] = &[
    row(Busy, HZ_425, &[250, 250]),
    row(Congestion, HZ_425, &[250, 250, 750, 250]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(CallWaiting, HZ_425, &[50, 1_000]),
    row(Dial, HZ_425, &[]),
];
const CN: &[Row] = &[
    row(Busy, HZ_450, &[350, 350]),
    row(Congestion, HZ_450, &[700, 700]),
    row(Ringback, HZ_450, &[1_000, 4_000]),
    row(CallWaiting, HZ_450, &[400, 4_000]),
    row(Dial, HZ_450, &[]),
];
const FR: &[Row] = &[
    row(Busy, HZ_440, &[500, 500]),
    row(Congestion, HZ_440, &[250, 250]),
    row(Ringback, HZ_440, &[1_500, 3_500]),
    row(CallWaiting, HZ_440, &[300, 10_000]),
    row(Dial, HZ_440, &[]),
];
const DE: &[Row] = &[
    row(Busy, HZ_425, &[480, 480]),
    row(Congestion, HZ_425, &[240, 240]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(CallWaiting, HZ_425, &[200, 200, 200, 5_000]),
    row(Dial, HZ_425, &[]),
];
const IN: &[Row] = &[
    row(Busy, HZ_400, &[750, 750]),
    row(Congestion, HZ_400, &[250, 250]),
    row(Ringback, Swinging(400.0, 25.0), DOUBLE),
    row(CallWaiting, HZ_400, &[200, 100, 200, 7_500]),
    row(Dial, Swinging(400.0, 25.0), &[]),
];
const IT: &[Row] = &[
    row(Busy, HZ_425, &[500, 500]),
    row(Congestion, HZ_425, &[200, 200]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(CallWaiting, HZ_425, &[400, 100, 250, 100, 150, 14_000]),
    row(Dial, HZ_425, &[200, 200, 600, 1_000]),
];
const JP: &[Row] = &[
    row(Busy, HZ_400, &[500, 500]),
    row(Congestion, HZ_400, &[500, 500]),
    row(Ringback, Swinging(400.0, 16.0), &[1_000, 2_000]),
    row(CallWaiting, Swinging(400.0, 16.0), &[500, 8_000]),
    row(Dial, HZ_400, &[]),
];
const NL: &[Row] = &[
    row(Busy, HZ_425, &[500, 500]),
    row(Congestion, HZ_425, &[250, 250]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(CallWaiting, HZ_425, &[500, 9_500]),
    row(Dial, HZ_425, &[]),
];
const ES: &[Row] = &[
    row(Busy, HZ_425, &[200, 200]),
    row(Congestion, HZ_425, &[200, 200, 200, 200, 200, 600]),
    row(Ringback, HZ_425, &[1_500, 3_000]),
    row(CallWaiting, HZ_425, &[175, 175, 175, 3_500]),
    row(Dial, HZ_425, &[]),
];
const SE: &[Row] = &[
    row(Busy, HZ_425, &[250, 250]),
    row(Congestion, HZ_425, &[250, 750]),
    row(Ringback, HZ_425, &[1_000, 5_000]),
    row(CallWaiting, HZ_425, &[200, 500, 200, 9_000]),
    row(Dial, HZ_425, &[]),
];
const CH: &[Row] = &[
    row(Busy, HZ_425, &[500, 500]),
    row(Congestion, HZ_425, &[200, 200]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(CallWaiting, HZ_425, &[200, 200, 200, 4_000]),
    row(Dial, HZ_425, &[]),
];
const GB: &[Row] = &[
    row(Busy, HZ_400, &[375, 375]),
    row(Congestion, HZ_400, &[400, 350, 225, 525]),
    row(Ringback, BRITISH_RING, DOUBLE),
    row(CallWaiting, HZ_400, &[100, 4_000]),
    row(Dial, PRECISE_DIAL, &[]),
];
const US: &[Row] = &[
    row(Busy, PRECISE_BUSY, &[500, 500]),
    row(Congestion, PRECISE_BUSY, &[250, 250]),
    row(Ringback, PRECISE_RING, &[2_000, 4_000]),
    row(CallWaiting, HZ_440, &[300, 9_700]),
    row(Dial, PRECISE_DIAL, &[]),
];
/// The first of each tone is what is made; the others are only recognised.
const GENERIC: &[Row] = &[
    row(Busy, HZ_425, &[500, 500]),
    row(Busy, HZ_425, &[375, 375]),
    row(Congestion, HZ_425, &[250, 250]),
    row(Congestion, HZ_425, &[200, 200]),
    row(Ringback, HZ_425, &[1_000, 4_000]),
    row(Ringback, HZ_425, &[2_000, 4_000]),
    row(Ringback, HZ_425, &[1_500, 3_500]),
    row(Ringback, HZ_425, &[1_500, 3_000]),
    row(Ringback, HZ_425, &[1_000, 2_000]),
    row(Ringback, HZ_425, &[1_000, 5_000]),
    row(Ringback, HZ_425, DOUBLE),
    row(CallWaiting, HZ_425, &[200, 200, 200, 5_000]),
    row(Dial, HZ_425, &[]),
];
