// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tones of every country are made with their cadence and recognised by it, at every rate; speech is not.

use super::*;
use crate::format::{Format, SampleRate};
use crate::level::Level;
use crate::signal;
use crate::tone::{Detector, ToneGenerator};

const TONES: [CallProgress; 5] = [
    CallProgress::Busy,
    CallProgress::CallWaiting,
    CallProgress::Congestion,
    CallProgress::Dial,
    CallProgress::Ringback,
];
const SITS: [Sit; 5] = [Sit::Intercept, Sit::NoCircuit, Sit::Reorder, Sit::Unspecified, Sit::VacantCode];

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

fn heard(country: Country, rate: SampleRate, sound: &[i16]) -> Vec<ProgressEvent> {
    let mut detector = ProgressDetector::new(country, rate).unwrap();
    let mut events = Vec::new();
    for frame in sound.chunks(173) {
        detector.hear(frame, &mut |event| events.push(event));
    }
    events
}

fn began(events: &[ProgressEvent]) -> Vec<LineSound> {
    let began = |event: &ProgressEvent| match event {
        ProgressEvent::Began { sound, .. } => Some(*sound),
        ProgressEvent::Ended { .. } => None,
    };
    events.iter().filter_map(began).collect()
}

fn played(rate: SampleRate, script: &ToneScript, on: f32) -> Vec<i16> {
    let format = Format::mono(rate, Duration::from_millis(20));
    let mut sound = vec![0; rate.samples_in(seconds(0.313)) as usize];
    sound.extend(ToneGenerator::new(format, script).render(seconds(on)));
    sound.extend(vec![0; rate.samples_in(seconds(12.0)) as usize]);
    sound
}

/// Whether two tones of a country are one and the same, or too short to be heard.
fn cannot_be_told(country: Country, tone: CallProgress) -> bool {
    let plan = country.plan();
    let cadence = |tone| plan.iter().find(|row| row.tone == tone).map(|row| row.cadence);
    tone == CallProgress::Congestion && cadence(tone) == cadence(CallProgress::Busy)
        || cadence(tone).is_some_and(|cadence| cadence.first().is_some_and(|&on| on < 80))
}

#[test]
fn every_tone_of_every_country_is_recognised_and_ends() {
    for country in Country::ALL {
        for tone in TONES.into_iter().filter(|tone| !cannot_be_told(country, *tone)) {
            for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
                let sound = played(rate, &script(country, tone), 25.0);
                let events = heard(country, rate, &sound);
                assert_eq!(began(&events), [LineSound::Progress(tone)], "{country} {rate}: {events:?}");
                assert!(matches!(events.last(), Some(ProgressEvent::Ended { .. })), "{country} {tone:?}");
            }
        }
    }
}

#[test]
fn tones_are_recognised_by_cadence_where_the_country_is_not_known() {
    for country in Country::ALL {
        for tone in [CallProgress::Busy, CallProgress::Ringback] {
            if tone == CallProgress::Busy && ["AT", "BR", "CN", "IN", "ES", "SE"].contains(&country.code()) {
                continue;
            }
            let sound = played(SampleRate::HZ_8000, &script(country, tone), 18.0);
            let events = heard(Country::Generic, SampleRate::HZ_8000, &sound);
            assert_eq!(began(&events), [LineSound::Progress(tone)], "{country}: {events:?}");
        }
    }
}

#[test]
fn the_reason_is_read_from_a_special_information_tone() {
    for sit in SITS {
        let tone = CallProgress::SpecialInformation(sit);
        for country in [Country::UnitedStates, Country::Germany, Country::Generic] {
            let sound = played(SampleRate::HZ_8000, &script(country, tone), 1.2);
            let events = heard(country, SampleRate::HZ_8000, &sound);
            assert_eq!(began(&events), [LineSound::Progress(tone)], "{country}: {events:?}");
        }
    }
}

#[test]
fn fax_machines_are_recognised_whichever_way_they_call() {
    let ms = Duration::from_millis;
    let call = [Step::tone(&[Component::new(1_100.0, -15.0)], ms(500)), Step::silence(ms(3_000))];
    let sound = played(SampleRate::HZ_8000, &ToneScript::new(call, Repeat::Forever), 9.0);
    let events = heard(Country::Generic, SampleRate::HZ_8000, &sound);
    assert_eq!(began(&events), [LineSound::FaxCalling], "{events:?}");

    for reversals in [false, true] {
        let mut sound = signal::tone(
            SampleRate::HZ_8000,
            crate::tone::Frequency::from_hertz(2_100.0),
            Level::from_dbm0(-15.0),
            seconds(3.0),
        );
        if reversals {
            for (index, part) in sound.chunks_mut(3_600).enumerate() {
                let sign = if index % 2 == 0 { 1 } else { -1 };
                part.iter_mut().for_each(|sample| *sample *= sign);
            }
        }
        sound.extend([0; 8_000]);
        let events = heard(Country::Germany, SampleRate::HZ_8000, &sound);
        assert_eq!(began(&events), [LineSound::FaxAnswering { reversals }], "{events:?}");
        let Some(ProgressEvent::Ended { at, .. }) = events.last() else { panic!("{events:?}") };
        assert!(at.abs_diff(24_000) < 400, "{at}");
    }
}

#[test]
fn ringback_ends_when_somebody_speaks() {
    let script = script(Country::UnitedStates, CallProgress::Ringback);
    let mut sound = ToneGenerator::new(Format::TELEPHONE, &script).render(seconds(8.5));
    sound.extend(signal::speech(SampleRate::HZ_8000, 3, seconds(1.0), Level::from_dbov(-22.0)));
    let events = heard(Country::UnitedStates, SampleRate::HZ_8000, &sound);
    assert_eq!(began(&events), [LineSound::Progress(CallProgress::Ringback)], "{events:?}");
    assert!(matches!(events.last(), Some(ProgressEvent::Ended { .. })), "{events:?}");
}

#[test]
fn speech_and_noise_are_no_tones() {
    for seed in 0..40 {
        let level = Level::from_dbov(-18.0 - (seed % 5) as f32 * 4.0);
        let mut sound = signal::speech(SampleRate::HZ_8000, seed, seconds(30.0), level);
        sound.extend(signal::noise(SampleRate::HZ_8000, seed, seconds(5.0), Level::from_dbov(-30.0)));
        for country in [Country::Generic, Country::UnitedStates, Country::Germany] {
            assert_eq!(heard(country, SampleRate::HZ_8000, &sound), [], "{country}, seed {seed}");
        }
    }
}

#[test]
fn codes_are_read_in_either_case() {
    assert_eq!("uk".parse(), Ok(Country::UnitedKingdom));
    for country in Country::ALL {
        assert_eq!(country.code().to_lowercase().parse(), Ok(country));
    }
    let error = "XX".parse::<Country>().unwrap_err();
    assert!(error.to_string().starts_with("the tones of \"XX\" are not known: expected one of AT, AU"));
}
