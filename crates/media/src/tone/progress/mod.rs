// SPDX-License-Identifier: MIT OR Apache-2.0
//! Call progress tones: what an exchange plays before there is anyone to talk to, made and recognised.

mod country;
mod detector;
mod history;

use std::time::Duration;

pub use country::{Country, UnknownCountry};
pub(crate) use detector::Progress;
pub use detector::{LineSound, ProgressDetector, ProgressEvent};

use super::generator::{Component, Repeat, Step, ToneScript};
use country::{Row, Sound};

/// Which tone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CallProgress {
    /// The called line is in use.
    Busy,
    /// Someone else calls while this call goes on.
    CallWaiting,
    /// No way through the network; "reorder" in North America.
    Congestion,
    /// The exchange waits for digits.
    Dial,
    /// The called telephone rings.
    Ringback,
    /// The three rising tones before an announcement (ITU-T E.180 section 8).
    SpecialInformation(Sit),
}

/// Why a call fails, as North American exchanges tell in the frequencies of the special information tone: the first
/// of its three tones is 913.8 or 985.2 Hz, the second 1370.6 or 1428.5 Hz, the last always 1776.7 Hz, the low ones
/// 274 ms long and the others 380 ms.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Sit {
    /// The number has changed or is out of service: low, low.
    Intercept,
    /// All circuits are busy: high, high.
    NoCircuit,
    /// The call could not be completed: low, high.
    Reorder,
    /// No reason is told: 950, 1400 and 1800 Hz of 330 ms (ITU-T E.180 section 8).
    Unspecified,
    /// The number does not exist: high, low.
    VacantCode,
}

impl Sit {
    /// Frequencies and milliseconds of its three tones.
    const fn parts(self) -> [(f32, u64); 3] {
        let (first, second) = match self {
            Self::Intercept => ((913.8, 274), (1_370.6, 274)),
            Self::NoCircuit => ((985.2, 380), (1_428.5, 380)),
            Self::Reorder => ((913.8, 274), (1_428.5, 380)),
            Self::VacantCode => ((985.2, 380), (1_370.6, 274)),
            Self::Unspecified => return [(950.0, 330), (1_400.0, 330), (1_800.0, 330)],
        };
        [first, second, (1_776.7, 380)]
    }
}

/// The tone of a country, in its cadence, until it is stopped.
///
/// ```
/// use offhook_media::tone::progress::{CallProgress, Country, script};
///
/// let country: Country = "de".parse().unwrap();
/// assert_eq!(script(country, CallProgress::Busy).duration(), None);
/// ```
#[must_use]
pub fn script(country: Country, tone: CallProgress) -> ToneScript {
    if let CallProgress::SpecialInformation(sit) = tone {
        let part = |(hertz, ms)| Step::tone(&[Component::new(hertz, -14.0)], Duration::from_millis(ms));
        let [first, second, third] = sit.parts().map(part);
        return ToneScript::new(
            [first, second, third, Step::silence(Duration::from_secs(1))],
            Repeat::Forever,
        );
    }
    let Some(row) = country.plan().iter().find(|row| row.tone == tone) else {
        return ToneScript::new([], Repeat::Forever);
    };
    let (components, count) = components(row);
    let components = &components[..count];
    if row.cadence.is_empty() {
        return ToneScript::steady(components);
    }
    let steps = row.cadence.chunks(2).flat_map(|pair| {
        let on = Step::tone(components, Duration::from_millis(u64::from(pair[0])));
        let off = pair.get(1).map(|&off| Step::silence(Duration::from_millis(u64::from(off))));
        std::iter::once(on).chain(off)
    });
    ToneScript::new(steps.collect::<Vec<_>>(), Repeat::Forever)
}

/// The sines of a tone and how many there are. E.180 section 2 wants −10 dBm0 in all, less where a tone is heard during
/// a call or comes as a pair of the precise tone plan.
fn components(row: &Row) -> ([Component; 3], usize) {
    let level = match row.tone {
        CallProgress::Busy | CallProgress::Congestion | CallProgress::Ringback => -16.0,
        _ => -13.0,
    };
    let mut sines = [Component::new(0.0, -127.0); 3];
    match row.sound {
        Sound::Sines(hertz) => {
            for (sine, &hertz) in sines.iter_mut().zip(hertz) {
                *sine = Component::new(hertz, level - 3.0 * (hertz_count(row) - 1) as f32);
            }
            (sines, hertz_count(row))
        }
        Sound::Swinging(hertz, rate) => {
            // Fully modulated: two sidebands, each half as high as the carrier.
            sines[0] = Component::new(hertz, level - 2.0);
            sines[1] = Component::new(hertz - rate, level - 8.0);
            sines[2] = Component::new(hertz + rate, level - 8.0);
            (sines, 3)
        }
    }
}

fn hertz_count(row: &Row) -> usize {
    match row.sound {
        Sound::Sines(hertz) => hertz.len().min(3),
        Sound::Swinging(..) => 3,
    }
}

#[cfg(test)]
mod tests;
