// SPDX-License-Identifier: MIT OR Apache-2.0
//! Call progress tones: what an exchange plays before there is anyone to talk to.

use std::time::Duration;

use super::generator::{Component, Repeat, Step, ToneScript};

/// Whose tones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Region {
    /// One tone of 425 Hz for everything, told apart by cadence (ITU-T E.180 section 3 and following).
    Europe,
    /// Pairs of tones, the precise tone plan.
    NorthAmerica,
}

/// Which tone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    SpecialInformation,
}

/// The tone of a region, in its cadence, until it is stopped.
#[must_use]
pub fn script(region: Region, tone: CallProgress) -> ToneScript {
    if tone == CallProgress::SpecialInformation {
        return special_information();
    }
    let (components, cadence) = match region {
        Region::Europe => europe(tone),
        Region::NorthAmerica => north_america(tone),
    };
    if cadence.is_empty() {
        return ToneScript::steady(components);
    }
    let steps = cadence.chunks(2).flat_map(|pair| {
        let on = Step::tone(components, Duration::from_millis(pair[0]));
        let off = pair.get(1).map(|&off| Step::silence(Duration::from_millis(off)));
        std::iter::once(on).chain(off)
    });
    ToneScript::new(steps.collect::<Vec<_>>(), Repeat::Forever)
}

type Row = (&'static [Component], &'static [u64]);

const EUROPE: &[Component] = &[Component::new(425.0, -10.0)];
const DIAL: &[Component] = &[Component::new(350.0, -13.0), Component::new(440.0, -13.0)];
const RINGBACK: &[Component] = &[Component::new(440.0, -19.0), Component::new(480.0, -19.0)];
const BUSY: &[Component] = &[Component::new(480.0, -24.0), Component::new(620.0, -24.0)];
const WAITING: &[Component] = &[Component::new(440.0, -13.0)];

/// Components and milliseconds on and off in turn; no milliseconds mean steady.
const fn europe(tone: CallProgress) -> Row {
    match tone {
        CallProgress::Busy => (EUROPE, &[500, 500]),
        CallProgress::CallWaiting => (EUROPE, &[200, 200, 200, 5_000]),
        CallProgress::Congestion => (EUROPE, &[250, 250]),
        CallProgress::Dial | CallProgress::SpecialInformation => (EUROPE, &[]),
        CallProgress::Ringback => (EUROPE, &[1_000, 4_000]),
    }
}

const fn north_america(tone: CallProgress) -> Row {
    match tone {
        CallProgress::Busy => (BUSY, &[500, 500]),
        CallProgress::CallWaiting => (WAITING, &[300, 9_700]),
        CallProgress::Congestion => (BUSY, &[250, 250]),
        CallProgress::Dial | CallProgress::SpecialInformation => (DIAL, &[]),
        CallProgress::Ringback => (RINGBACK, &[2_000, 4_000]),
    }
}

fn special_information() -> ToneScript {
    let part = |hertz| Step::tone(&[Component::new(hertz, -14.0)], Duration::from_millis(330));
    let pause = Step::silence(Duration::from_secs(1));
    ToneScript::new([part(950.0), part(1_400.0), part(1_800.0), pause], Repeat::Forever)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::tone::ToneGenerator;

    #[test]
    fn cadences_are_the_regions_own() {
        let cases = [
            (Region::Europe, CallProgress::Ringback, 1_000, 5_000),
            (Region::Europe, CallProgress::Busy, 500, 1_000),
            (Region::NorthAmerica, CallProgress::Ringback, 2_000, 6_000),
            (Region::NorthAmerica, CallProgress::Congestion, 250, 500),
            (Region::NorthAmerica, CallProgress::SpecialInformation, 990, 1_990),
        ];
        for (region, tone, on, round) in cases {
            let generator = ToneGenerator::new(Format::TELEPHONE, &script(region, tone));
            let samples = generator.render(Duration::from_millis(2 * round));
            let round = round as usize * 8;
            for part in samples.chunks(round) {
                let (sound, pause) = part.split_at(on * 8);
                assert!(sound.chunks(160).all(|sound| sound.iter().any(|&x| x != 0)), "{tone:?}");
                assert!(pause.iter().all(|&x| x == 0), "{tone:?}");
            }
        }
    }

    #[test]
    fn no_progress_tone_ends_by_itself() {
        for region in [Region::Europe, Region::NorthAmerica] {
            for tone in [CallProgress::CallWaiting, CallProgress::Dial, CallProgress::SpecialInformation] {
                assert_eq!(script(region, tone).duration(), None);
            }
        }
    }
}
