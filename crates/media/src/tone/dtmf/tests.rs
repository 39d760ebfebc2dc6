// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of digits, after the requirements of ITU-T Q.24.

use std::time::Duration;

use super::*;
use crate::codec::{Codec, Ulaw};
use crate::format::{Format, SampleRate};
use crate::signal;
use crate::tone::{Detector, ToneGenerator};

const ALL: &str = "1234567890*#ABCD";
const RATE: SampleRate = SampleRate::HZ_8000;

fn digits(text: &str) -> Vec<DtmfDigit> {
    text.chars().filter_map(DtmfDigit::from_char).collect()
}

fn timing(on: u64, off: u64) -> DtmfTiming {
    let (on, off) = (Duration::from_millis(on), Duration::from_millis(off));
    DtmfTiming { on, off, ..DtmfTiming::default() }
}

fn levels(low: f32, high: f32) -> DtmfTiming {
    DtmfTiming { low: Level::from_dbm0(low), high: Level::from_dbm0(high), ..timing(50, 50) }
}

fn sound(rate: SampleRate, text: &str, timing: &DtmfTiming) -> Vec<i16> {
    let format = Format::mono(rate, Duration::from_millis(20));
    let mut samples =
        ToneGenerator::new(format, &script(&digits(text), timing)).render(Duration::from_secs(60));
    samples.extend(vec![0; rate.hertz() as usize / 10]);
    samples
}

fn events(rate: SampleRate, samples: &[i16]) -> Vec<DtmfEvent> {
    let mut events = Vec::new();
    let mut detector = DtmfDetector::new(rate);
    for piece in samples.chunks(160) {
        detector.hear(piece, &mut |event| events.push(event));
    }
    events
}

fn heard(rate: SampleRate, samples: &[i16]) -> String {
    let started = |event: &DtmfEvent| match event {
        DtmfEvent::Started { digit, .. } => Some(digit.to_char()),
        DtmfEvent::Stopped { .. } => None,
    };
    events(rate, samples).iter().filter_map(started).collect()
}

fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b.iter().cycle()).map(|(a, b)| a.saturating_add(*b)).collect()
}

/// The digits `text` with the low and high tone off by these factors.
fn detuned(text: &str, low: f32, high: f32) -> Vec<i16> {
    let mut steps = Vec::new();
    for digit in digits(text) {
        let (row, column) = digit.frequencies();
        let pair = [Component::new(row.hertz() * low, -10.0), Component::new(column.hertz() * high, -8.0)];
        steps.push(Step::tone(&pair, Duration::from_millis(50)));
        steps.push(Step::silence(Duration::from_millis(50)));
    }
    let script = ToneScript::new(steps, Repeat::Times(1));
    ToneGenerator::new(Format::TELEPHONE, &script).render(Duration::from_secs(60))
}

#[test]
fn digits_characters_and_events_convert_both_ways() {
    for (event, character) in "0123456789*#ABCD".chars().enumerate() {
        let digit = DtmfDigit::from_char(character).unwrap();
        assert_eq!(usize::from(digit.event()), event);
        assert_eq!(DtmfDigit::from_event(digit.event()), Some(digit));
        assert_eq!(digit.to_char(), character);
        assert_eq!(digit.to_digit(), Digit::new(character).unwrap());
        assert_eq!(DtmfDigit::from_digit(digit.to_digit()), Some(digit));
    }
    assert_eq!(DtmfDigit::from_char('d'), DtmfDigit::from_char('D'));
    for none in ['E', ' ', '٣', 'Ā', '+'] {
        assert_eq!(DtmfDigit::from_char(none), None);
    }
    assert_eq!(DtmfDigit::from_event(16), None);
    assert_eq!(Digit::new('!').and_then(DtmfDigit::from_digit), None);
}

#[test]
fn all_digits_are_heard_at_all_rates() {
    for rate in [RATE, SampleRate::HZ_16000, SampleRate::HZ_44100, SampleRate::HZ_48000] {
        assert_eq!(heard(rate, &sound(rate, ALL, &DtmfTiming::default())), ALL, "{rate}");
    }
}

#[test]
fn the_shortest_digits_and_pauses_are_heard_wherever_they_fall() {
    for shift in 0..102 {
        let mut samples = vec![0; shift];
        samples.extend(sound(RATE, "11590A", &timing(40, 40)));
        assert_eq!(heard(RATE, &samples), "11590A", "shifted by {shift}");
    }
}

#[test]
fn digits_are_heard_over_the_range_of_levels() {
    for level in [0.0, -3.0, -10.0, -20.0, -29.0, -33.0] {
        assert_eq!(heard(RATE, &sound(RATE, ALL, &levels(level - 3.0, level - 3.0))), ALL, "{level} dBm0");
    }
    assert_eq!(heard(RATE, &sound(RATE, ALL, &levels(-45.0, -45.0))), "");
}

#[test]
fn twist_is_borne_up_to_its_limits() {
    for (low, high) in [(-18.0, -10.0), (-14.0, -10.0), (-10.0, -14.0)] {
        assert_eq!(heard(RATE, &sound(RATE, ALL, &levels(low, high))), ALL, "{low} {high}");
    }
    for (low, high) in [(-23.0, -10.0), (-10.0, -19.0)] {
        assert_eq!(heard(RATE, &sound(RATE, ALL, &levels(low, high))), "", "{low} {high}");
    }
}

#[test]
fn frequencies_may_be_off_by_one_and_a_half_percent() {
    for (low, high) in [(0.985, 1.015), (1.015, 0.985), (0.985, 0.985), (1.015, 1.015)] {
        assert_eq!(heard(RATE, &detuned(ALL, low, high)), ALL, "{low} {high}");
    }
    for (low, high) in [(0.965, 1.0), (1.0, 1.035), (1.035, 1.035), (0.94, 1.0), (1.06, 1.05)] {
        assert_eq!(heard(RATE, &detuned(ALL, low, high)), "", "{low} {high}");
    }
}

#[test]
fn noise_does_not_hide_digits() {
    let digits = sound(RATE, ALL, &DtmfTiming::default());
    for seed in 0..10 {
        let noise = signal::noise(RATE, seed, Duration::from_secs(3), Level::from_dbm0(-25.0));
        assert_eq!(heard(RATE, &mixed(&digits, &noise)), ALL, "seed {seed}");
    }
}

#[test]
fn digits_survive_mu_law() {
    let sent = sound(RATE, ALL, &levels(-24.0, -22.0));
    let (mut payload, mut received) = (vec![0; sent.len()], vec![0; sent.len()]);
    Ulaw.encode(&sent, &mut payload);
    Ulaw.decode(&payload, &mut received);
    assert_eq!(heard(RATE, &received), ALL);
}

#[test]
fn a_lost_packet_does_not_double_a_digit() {
    for start in (400..720).step_by(8) {
        let mut samples = sound(RATE, "5", &timing(150, 60));
        samples[start..start + 160].fill(0);
        assert_eq!(heard(RATE, &samples), "5", "lost from {start}");
    }
}

#[test]
fn the_length_of_a_digit_is_reported() {
    for on in [60, 100, 500] {
        let events = events(RATE, &sound(RATE, "7", &timing(on, 60)));
        let [DtmfEvent::Started { at, level, .. }, DtmfEvent::Stopped { duration, .. }] = events[..] else {
            panic!("{events:?}");
        };
        assert!(at <= 102 && (level.dbm0() + 6.0).abs() < 1.0, "{events:?}");
        assert!(duration.abs_diff(Duration::from_millis(on)) <= Duration::from_millis(20), "{duration:?}");
    }
}

#[test]
fn blips_and_lone_tones_are_no_digits() {
    assert_eq!(heard(RATE, &sound(RATE, ALL, &timing(15, 60))), "");
    for hertz in ROWS.into_iter().chain(COLUMNS).chain([350.0, 440.0, 1_004.0, 2_100.0]) {
        let script = ToneScript::steady(&[Component::new(hertz, -10.0)]);
        let samples = ToneGenerator::new(Format::TELEPHONE, &script).render(Duration::from_secs(1));
        assert_eq!(heard(RATE, &samples), "", "{hertz}");
    }
}

#[test]
fn neither_speech_nor_noise_is_a_digit() {
    for seed in 0..12 {
        let length = Duration::from_secs(30);
        let speech = signal::speech(RATE, seed, length, Level::from_dbov(-18.0));
        assert_eq!(heard(RATE, &speech), "", "speech {seed}");
        let noise = signal::noise(RATE, seed, length, Level::from_dbov(-15.0));
        assert_eq!(heard(RATE, &noise), "", "noise {seed}");
    }
}
