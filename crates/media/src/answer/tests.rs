// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each verdict once, on plain sound; how often it is right is measured in `tests/answers.rs`.

use super::*;
use crate::format::{Format, SampleRate};
use crate::level::Level;
use crate::signal;
use crate::tone::progress::{CallProgress, Country, script};
use crate::tone::{Detector, Frequency, ToneGenerator};

const RATE: SampleRate = SampleRate::HZ_8000;

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

fn speech(length: f32) -> Vec<i16> {
    signal::speech(RATE, 5, seconds(length), Level::from_dbov(-24.0))
}

fn silence(length: f32) -> Vec<i16> {
    vec![0; (length * 8_000.0) as usize]
}

fn heard(limits: AnswerLimits, sound: &[i16]) -> Vec<AnswerEvent> {
    let mut detector = AnswerDetector::new(limits, Country::Germany, RATE).unwrap();
    let mut events = Vec::new();
    for frame in sound.chunks(160) {
        detector.hear(frame, &mut |event| events.push(event));
    }
    events
}

fn verdicts(events: &[AnswerEvent]) -> Vec<Verdict> {
    let verdict = |event: &AnswerEvent| match event {
        AnswerEvent::Decided { verdict, .. } => Some(*verdict),
        _ => None,
    };
    events.iter().filter_map(verdict).collect()
}

#[test]
fn a_short_greeting_and_a_wait_are_a_person() {
    let events = heard(AnswerLimits::default(), &[silence(0.5), speech(0.9), silence(3.0)].concat());
    assert_eq!(verdicts(&events), [Verdict::Human], "{events:?}");
    let AnswerEvent::Decided { at, .. } = events[0] else { panic!("{events:?}") };
    assert!((16_000..20_000).contains(&at), "{at}");
}

#[test]
fn a_long_greeting_is_a_machine_and_its_beep_is_heard() {
    let beep = signal::tone(RATE, Frequency::from_hertz(1_000.0), Level::from_dbov(-20.0), seconds(0.4));
    let sound = [silence(0.3), speech(4.0), silence(0.5), beep, silence(2.0)].concat();
    let events = heard(AnswerLimits::default(), &sound);
    assert_eq!(verdicts(&events), [Verdict::Machine], "{events:?}");
    let Some(AnswerEvent::BeepHeard { at }) = events.last() else { panic!("{events:?}") };
    assert!(at.abs_diff(5_200 * 8) < 400, "{at}");
}

#[test]
fn limits_move_the_border_between_person_and_machine() {
    let limits = AnswerLimits { longest_greeting: seconds(5.0), most_words: 100, ..AnswerLimits::default() };
    let events = heard(limits, &[silence(0.3), speech(3.0), silence(2.0)].concat());
    assert_eq!(verdicts(&events), [Verdict::Human], "{events:?}");
}

#[test]
fn ringback_starts_the_clock_anew() {
    let tone = |tone, length| {
        ToneGenerator::new(Format::TELEPHONE, &script(Country::Germany, tone)).render(seconds(length))
    };
    let ringing = tone(CallProgress::Ringback, 11.0);
    let events = heard(AnswerLimits::default(), &[ringing, silence(0.2), speech(0.8), silence(2.0)].concat());
    assert_eq!(verdicts(&events), [Verdict::Human], "{events:?}");
    let events = heard(AnswerLimits::default(), &tone(CallProgress::Busy, 5.0));
    assert_eq!(verdicts(&events), [Verdict::Tone], "{events:?}");
}

#[test]
fn one_verdict_is_given_in_time_whatever_is_heard() {
    for (sound, verdict) in [
        (silence(10.0), Verdict::Silence),
        (signal::noise(RATE, 1, seconds(10.0), Level::from_dbov(-45.0)), Verdict::Silence),
        (
            signal::tone(RATE, Frequency::from_hertz(700.0), Level::from_dbov(-20.0), seconds(10.0)),
            Verdict::Undecided,
        ),
    ] {
        let events = heard(AnswerLimits::default(), &sound);
        assert_eq!(verdicts(&events), [verdict], "{events:?}");
    }
}
